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

    /// Write the report to FILE instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Lowest severity that makes the exit status 1.
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    pub fail_on: FailOn,

    /// Exit 0 even where a file or a fact could not be read.
    #[arg(long)]
    pub allow_unknown: bool,

    /// Also list what was read and found healthy or unrelated.
    #[arg(long, short)]
    pub verbose: bool,
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

    /// Threads; as many as the machine has cores if not given.
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<usize>,
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
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
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
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
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
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Report formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// Versioned JSON; `artcheck schema` prints its schema.
    Json,
}

/// `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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
