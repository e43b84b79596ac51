//! The command line's grammar.

use std::path::PathBuf;

use artcheck_inspect::finding::Severity;
use artcheck_inspect::target::Target;
use artcheck_patch::inplace::Tag;
use artcheck_patch::shim::{ShimPart, ShimTarget};
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
    /// Make an artifact and a runtime fit: source patches, a shim library, or the artifact itself.
    Patch {
        /// Which way.
        #[command(subcommand)]
        command: PatchCommand,
    },
    /// Give a patched file back the bytes it had, from its receipt.
    Unpatch(UnpatchArgs),
    /// Plan the repair of every error found, and carry it out with --apply.
    Fix(FixArgs),
    /// Run models end to end on a real runtime and compare the answers.
    Verify(VerifyArgs),
    /// The child process of one row.
    #[command(hide = true)]
    VerifyRow,
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
    /// JSON reports, all of `scan` or all of `verify`.
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

/// Ways of patching.
#[derive(Debug, Subcommand)]
pub enum PatchCommand {
    /// Patch files for a TVM source tree: accept both tags; flat C functions over DeviceAPI.
    Source(PatchSourceArgs),
    /// A library that mends a stock runtime when it is loaded.
    Shim(PatchShimArgs),
    /// Change the attention tags of an artifact.
    Retag(PatchRetagArgs),
    /// Change all that a runtime needs and that can be made exact in place.
    Convert(PatchConvertArgs),
}

/// `patch source`.
#[derive(Debug, clap::Args)]
pub struct PatchSourceArgs {
    /// A TVM or relax checkout, or a folder with an installed wheel.
    #[arg(long, value_name = "DIR")]
    pub tvm: PathBuf,

    /// Write the patch series here; without it and --apply the patches are printed.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Edit the tree itself: all files or none.
    #[arg(long)]
    pub apply: bool,
}

/// `patch shim`.
#[derive(Debug, clap::Args)]
pub struct PatchShimArgs {
    /// The runtime's libraries, folders, wheel or virtual environment.
    #[arg(long, short, required = true, num_args = 1.., value_name = "PATH")]
    pub runtime: Vec<PathBuf>,

    /// Artifacts and clients that must run: their findings choose the parts.
    #[arg(long = "for", num_args = 1.., value_name = "PATH")]
    pub wanted_for: Vec<PathBuf>,

    /// A part by name: device-api, attention-tag, cache-config, context-slots, metal-payload.
    #[arg(long, value_name = "PART")]
    pub part: Vec<ShimPart>,

    /// The library to write; its source goes beside it.
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,

    /// System to build for: x86_64-linux, aarch64-linux or aarch64-macos; the runtime's own if absent.
    #[arg(long)]
    pub target: Option<ShimTarget>,
}

/// Where a change in place goes.
#[derive(Debug, clap::Args)]
pub struct InPlace {
    /// Write the result to FILE, which must not exist.
    #[arg(long, short, value_name = "FILE", conflicts_with = "in_place")]
    pub out: Option<PathBuf>,

    /// Change the file itself; a receipt beside it undoes the change.
    #[arg(long)]
    pub in_place: bool,

    /// Change one name of a hard-linked file; the others keep the old bytes.
    #[arg(long)]
    pub break_hard_link: bool,
}

/// What `--resign` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResignChoice {
    /// Replace a team's signature by an ad-hoc one.
    Adhoc,
}

/// `patch retag`.
#[derive(Debug, clap::Args)]
pub struct PatchRetagArgs {
    /// The artifact.
    pub file: PathBuf,

    /// The tag afterwards: tir or tirx.
    #[arg(long)]
    pub to: Tag,

    /// The runtime it is for: it must accept the tag.
    #[arg(long, short)]
    pub runtime: Option<String>,

    /// Replace a team's code signature; without it such a file is refused.
    #[arg(long, value_enum)]
    pub resign: Option<ResignChoice>,

    #[command(flatten)]
    pub to_where: InPlace,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}

/// `patch convert`.
#[derive(Debug, clap::Args)]
pub struct PatchConvertArgs {
    /// The artifact.
    pub file: PathBuf,

    /// The runtime it must run on.
    #[arg(long = "for", value_name = "RUNTIME")]
    pub runtime: String,

    /// Change what can be made right although something else cannot.
    #[arg(long)]
    pub partial: bool,

    /// Replace a team's code signature; without it such a file is refused.
    #[arg(long, value_enum)]
    pub resign: Option<ResignChoice>,

    #[command(flatten)]
    pub to_where: InPlace,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}

/// `unpatch`.
#[derive(Debug, clap::Args)]
pub struct UnpatchArgs {
    /// The patched file; its receipt lies beside it.
    pub file: PathBuf,

    /// Change one name of a hard-linked file; the others keep their bytes.
    #[arg(long)]
    pub break_hard_link: bool,
}

/// `verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The matrix file.
    pub matrix: PathBuf,

    /// Only rows whose name or model contains TEXT; repeatable.
    #[arg(long, value_name = "TEXT")]
    pub only: Vec<String>,

    /// Only rows on this device, e.g. cpu, cuda, metal, cuda:1.
    #[arg(long)]
    pub device: Option<String>,

    /// Rows at once; figures are comparable only with 1.
    #[arg(long, short, default_value_t = 1)]
    pub jobs: usize,

    /// Runs of each row, instead of what the matrix says.
    #[arg(long, value_name = "N")]
    pub repeat: Option<u32>,

    /// Time limit of each run in seconds, instead of what the matrix says.
    #[arg(long, value_name = "SECONDS")]
    pub time_limit: Option<u64>,

    /// Count rows that could not run as failures.
    #[arg(long)]
    pub require_all: bool,

    /// Run rows although the rules say that they break.
    #[arg(long)]
    pub no_precheck: bool,

    /// Repair rows that cannot run, and say with what.
    #[arg(long, value_enum, default_value_t = ShimChoice::None)]
    pub shim: ShimChoice,

    /// Run the K-th of N shares of the rows; `artcheck merge` joins the JSON reports.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<artcheck_inspect::scan::Shard>,

    /// Report format: human, json, junit or markdown.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,

    /// Write a report to a file: FILE for the one of --format, FORMAT=FILE for a further one. Repeatable.
    #[arg(long, short, value_name = "[FORMAT=]FILE", value_parser = crate::report::output::parse)]
    pub output: Vec<crate::report::output::Output>,
}

/// `--shim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShimChoice {
    /// Only the shims that the matrix names.
    None,
    /// Also those that the findings call for.
    Auto,
}

/// `fix`.
#[derive(Debug, clap::Args)]
pub struct FixArgs {
    /// An artifact, or a folder of them.
    pub path: PathBuf,

    /// The runtime they must run on.
    #[arg(long, short)]
    pub runtime: String,

    /// Carry the plan out.
    #[arg(long)]
    pub apply: bool,

    /// Where a shim library goes, if the plan needs one.
    #[arg(long, value_name = "FILE")]
    pub shim_out: Option<PathBuf>,

    /// Replace a team's code signature; without it such a file is refused.
    #[arg(long, value_enum)]
    pub resign: Option<ResignChoice>,

    #[command(flatten)]
    pub to_where: InPlace,

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
