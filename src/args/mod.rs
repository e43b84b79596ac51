//! The command line's grammar: what all commands share, and their list.
//! Each command's own arguments are in the file of its name.

mod application;
mod diff;
mod doctor;
mod dump;
mod fix;
mod format;
mod init;
mod merge;
mod patch;
mod report;
mod rules;
mod runtime;
mod scan;
mod shell;
mod verify;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub use self::diff::DiffArgs;
pub use self::doctor::DoctorArgs;
pub use self::dump::DumpArgs;
pub use self::fix::FixArgs;
pub use self::format::PlainFormat;
pub use self::init::InitArgs;
pub use self::merge::MergeArgs;
pub use self::patch::{
    ChangeArgs, InPlace, PatchAlignArgs, PatchCommand, PatchConvertArgs, PatchFileArgs,
    PatchModelLibArgs, PatchRetagArgs, PatchShimArgs, PatchSourceArgs, ResignChoice, UnpatchArgs,
};
pub use self::rules::{ExplainArgs, RulesArgs};
pub use self::runtime::RuntimeArgs;
pub use self::scan::ScanArgs;
pub use self::shell::{CompletionsArgs, ManArgs};
pub use self::verify::{ShimChoice, ThreadOrder, VerifyArgs};

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

    /// Take the releases from FILE instead of the built-in table: for a fork's
    /// runtimes, and for a new entry before it is built in.
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub release_table: Option<PathBuf>,
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
