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

use std::path::{Path, PathBuf};

use artcheck_inspect::shown::shown;
use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

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
#[command(
    name = "artcheck",
    version,
    about,
    max_term_width = 100,
    disable_help_flag = true
)]
#[command(
    after_help = "Exit status: 0 clean; 1 findings at or above --fail-on; 2 wrong usage, or the job could \
not be done; 3 nothing to look at; 4 could not decide (see --allow-undecided)."
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Print help.
    #[arg(long, short, global = true, action = ArgAction::HelpShort)]
    pub help: Option<bool>,

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

/// Words that other checkers have for what `scan` does.
const SCANS: [&str; 8] = [
    "check", "lint", "inspect", "test", "analyse", "analyze", "validate", "audit",
];

/// Says what is wrong with a command line, and ends. Who names a file or the verb of
/// another tool means `scan`.
pub fn refuse(error: clap::Error) -> ! {
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => word.as_str(),
        _ => error.exit(),
    };
    let rest: Vec<String> = std::env::args_os()
        .skip_while(|argument| argument.to_str() != Some(word))
        .skip(usize::from(SCANS.contains(&word)))
        .map(|argument| artcheck_inspect::shell::quote(&argument.to_string_lossy()))
        .collect();
    if SCANS.contains(&word) || Path::new(word).exists() || word.contains(['.', '/', '\\']) {
        let rest = if rest.is_empty() {
            "PATH".to_owned()
        } else {
            rest.join(" ")
        };
        let word = shown(word);
        eprintln!(
            "artcheck: `{word}` is no command; to check libraries, type\n  artcheck scan {rest}"
        );
        std::process::exit(2);
    }
    error.exit()
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
    #[command(after_help = "Example: artcheck scan dist --runtime tvm-0.27")]
    Scan(ScanArgs),
    /// Show artifacts x runtimes as a table.
    #[command(after_help = "Example: artcheck matrix dist")]
    Matrix(ScanArgs),
    /// Show what one file holds: module tree, disassembly, statistics, metadata, symbols.
    #[command(after_help = "Example: artcheck dump dist/qwen3.so")]
    Dump(DumpArgs),
    /// Show what a runtime accepts and offers.
    #[command(after_help = "Example: artcheck runtime .venv --save ours.json")]
    Runtime(RuntimeArgs),
    /// Explain a rule: what breaks, what the runtime says, how to see and fix it.
    #[command(after_help = "Example: python run.py 2>&1 | artcheck explain -")]
    Explain(ExplainArgs),
    /// List the rules.
    #[command(after_help = "Example: artcheck rules")]
    Rules(RulesArgs),
    /// Make an artifact and a runtime fit: source patches, a shim library, or the artifact itself.
    Patch {
        /// Which way.
        #[command(subcommand)]
        command: PatchCommand,
    },
    /// Give a patched file back the bytes it had, from its receipt.
    #[command(after_help = "Example: artcheck unpatch dist/qwen3.so")]
    Unpatch(UnpatchArgs),
    /// Plan the repair of every error found, and carry it out with --apply.
    #[command(after_help = "Example: artcheck fix dist/qwen3.so --runtime tvm-0.27 --apply")]
    Fix(FixArgs),
    /// Run models end to end on a real runtime and compare the answers.
    #[command(
        after_help = "Example: artcheck verify dist/qwen3.so --weights dist/weights --prompt Hello"
    )]
    Verify(VerifyArgs),
    /// The child process of one row.
    #[command(hide = true)]
    VerifyRow,
    /// Print the JSON Schema of the JSON report.
    Schema,
    /// Write a commented artcheck.toml.
    #[command(after_help = "Example: artcheck init")]
    Init(InitArgs),
    /// Join JSON reports (of shards, of platforms) into one report of any format.
    #[command(after_help = "Example: artcheck merge linux.json mac.json --format markdown")]
    Merge(MergeArgs),
    /// Show what changed between two artifacts.
    #[command(after_help = "Example: artcheck diff before.so after.so")]
    Diff(DiffArgs),
    /// Show this machine's load set and cached model libraries, fit for pasting into an issue.
    #[command(after_help = "Example: artcheck doctor .venv")]
    Doctor(DoctorArgs),
    /// Print the completions of a shell.
    #[command(after_help = "Example: artcheck completions bash")]
    Completions(CompletionsArgs),
    /// Print the manual page.
    #[command(after_help = "Example: artcheck man --out man")]
    Man(ManArgs),
}
