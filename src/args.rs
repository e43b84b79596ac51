//! The command line's grammar.

use std::path::PathBuf;

use artcheck_inspect::finding::Severity;
use artcheck_inspect::target::Target;
use clap::{Parser, Subcommand, ValueEnum};

/// Says whether a compiled model library will load and run on a runtime.
#[derive(Debug, Parser)]
#[command(name = "artcheck", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 clean; 1 findings at or above --fail-on; 2 wrong usage, or the job could \
not be done; 3 nothing to look at; 4 could not decide (see --allow-unknown)."
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,

    /// No progress, no hints: only the report.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read every artifact below PATH and say what is wrong with which runtime.
    Scan(ScanArgs),
    /// Show artifacts x runtimes as a table.
    Matrix(ScanArgs),
    /// Show what one file holds: module tree, disassembly, statistics, metadata, symbols.
    Dump(DumpArgs),
    /// Show what a runtime accepts and offers.
    Runtime(RuntimeArgs),
    /// Explain a rule: what breaks, what the runtime says, how to see and fix it.
    Explain(ExplainArgs),
    /// List the rules.
    Rules(RulesArgs),
    /// Print the JSON Schema of the JSON report.
    Schema,
    /// Write a commented artcheck.toml.
    Init(InitArgs),
    /// Join JSON reports (of shards, of platforms) into one report of any format.
    Merge(MergeArgs),
    /// Show what changed between two artifacts.
    Diff(DiffArgs),
    /// Show this machine's load set and cached model libraries, fit for pasting into an issue.
    Doctor(DoctorArgs),
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man(ManArgs),
}

/// `scan` and `matrix`.
#[derive(Debug, clap::Args)]
pub struct ScanArgs {
    /// Files, directories, archives, wheels or virtual environments.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    pub selection: Selection,

    /// Report format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,

    /// Write a report to a file: FILE for the one of --format, FORMAT=FILE for a further one. Repeatable.
    #[arg(long, short, value_name = "[FORMAT=]FILE", value_parser = crate::report::output::parse)]
    pub output: Vec<crate::report::output::Output>,

    /// Lowest severity that makes the exit status 1; `error` if neither given nor in artcheck.toml.
    #[arg(long, value_enum)]
    pub fail_on: Option<FailOn>,

    #[command(flatten)]
    pub policy: PolicyArgs,

    /// Exit 0 even where a file or a fact could not be read.
    #[arg(long)]
    pub allow_unknown: bool,

    /// Also list what was read and found healthy or unrelated.
    #[arg(long, short)]
    pub verbose: bool,
}

/// What is accepted, and which share of the files to look at.
#[derive(Debug, Clone, clap::Args)]
pub struct PolicyArgs {
    /// The policy; without it, artcheck.toml above the first PATH.
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub config: Option<PathBuf>,

    /// Look for no artcheck.toml.
    #[arg(long)]
    pub no_config: bool,

    /// Findings recorded in FILE are accepted: only new ones count.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,

    /// Record the findings of this run in the --baseline file.
    #[arg(long, requires = "baseline")]
    pub update_baseline: bool,

    /// Look at the K-th of N shares of the files; `artcheck merge` joins the JSON reports.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<artcheck_inspect::scan::Shard>,
}

/// Which runtimes and machine to check against.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    /// A runtime: a release (`tvm-0.26`), a library, directory, wheel or virtual
    /// environment, or a profile saved by `artcheck runtime --save`. Repeatable.
    /// Without it: the load sets among PATHs, else every known release.
    #[arg(long, short, value_name = "RUNTIME")]
    pub runtime: Vec<String>,

    /// The machine it must run on: ARCH-SYSTEM[.VERSION], e.g. x86_64-linux.2.28, aarch64-macos.13.
    #[arg(long)]
    pub target: Option<Target>,

    /// Also compare the checksums of weight shards, which reads them whole.
    #[arg(long)]
    pub checksums: bool,

    /// Threads; as many as the machine has cores if not given.
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<usize>,
}

/// `init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Where to write artcheck.toml.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

/// `merge`.
#[derive(Debug, clap::Args)]
pub struct MergeArgs {
    /// JSON reports of `scan` runs.
    #[arg(required = true)]
    pub reports: Vec<PathBuf>,

    /// Report format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,

    /// Write a report to a file: FILE for the one of --format, FORMAT=FILE for a further one. Repeatable.
    #[arg(long, short, value_name = "[FORMAT=]FILE", value_parser = crate::report::output::parse)]
    pub output: Vec<crate::report::output::Output>,

    /// Lowest severity that makes the exit status 1; `error` if not given.
    #[arg(long, value_enum)]
    pub fail_on: Option<FailOn>,

    /// Exit 0 even where a file or a fact could not be read.
    #[arg(long)]
    pub allow_unknown: bool,

    /// Also list what was read and found healthy or unrelated.
    #[arg(long, short)]
    pub verbose: bool,
}

/// `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write a page per command into this folder, instead of the main page to standard output.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// `diff`.
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// The artifact before.
    pub before: PathBuf,

    /// The artifact after.
    pub after: PathBuf,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}

/// `doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Further places to look: virtual environments, library folders, model libraries.
    pub paths: Vec<PathBuf>,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}

/// `dump`.
#[derive(Debug, clap::Args)]
pub struct DumpArgs {
    /// Model library, archive, object, bare executable, or runtime part.
    pub file: PathBuf,

    /// The executable as text, exactly as TVM's `as_text()` prints it.
    #[arg(long, conflicts_with_all = ["stats", "metadata", "symbols"])]
    pub asm: bool,

    /// Statistics, exactly as TVM's `stats()` prints them.
    #[arg(long, conflicts_with_all = ["metadata", "symbols"])]
    pub stats: bool,

    /// The `_metadata` document.
    #[arg(long, conflicts_with = "symbols")]
    pub metadata: bool,

    /// Symbols that concern TVM.
    #[arg(long)]
    pub symbols: bool,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}

/// `runtime`.
#[derive(Debug, clap::Args)]
pub struct RuntimeArgs {
    /// A release (`tvm-0.26`), library, directory, wheel, virtual environment or saved profile; every release if absent.
    pub runtime: Option<String>,

    /// Save the profile as JSON for later use with --runtime.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}

/// `explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// Rule code or name, e.g. AC101 or attention-tag.
    pub rule: String,
}

/// `rules`.
#[derive(Debug, clap::Args)]
pub struct RulesArgs {
    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}

/// Report formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// Versioned JSON; `artcheck schema` prints its schema.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for test reports.
    Junit,
    /// GitHub workflow annotations.
    Github,
    /// Markdown, for job summaries.
    Markdown,
    /// One self-contained page.
    Html,
}

/// Formats of commands that do not scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlainFormat {
    /// For people.
    Human,
    /// JSON.
    Json,
}

/// `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailOn {
    /// Errors only.
    Error,
    /// Warnings and errors.
    Warning,
    /// Anything.
    Info,
    /// Never.
    Never,
}

impl FailOn {
    /// Whether a finding of `severity` makes the exit status 1.
    pub fn covers(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity >= Severity::Error,
            Self::Warning => severity >= Severity::Warning,
            Self::Info => true,
            Self::Never => false,
        }
    }
}
