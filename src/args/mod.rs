//! The command line's grammar: what all commands share, and their list.
//! Each command's own arguments are in the file of its name.

mod application;
mod diff;
mod dump;
mod fix;
mod format;
#[cfg(not(target_family = "wasm"))]
mod native;
mod patch;
mod report;
mod rules;
mod runtime;
mod scan;

use std::path::{Path, PathBuf};

use artcheck_inspect::shown::shown;
use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, CommandFactory as _, Parser, Subcommand, ValueEnum};

pub use self::diff::DiffArgs;
pub use self::dump::DumpArgs;
pub use self::fix::FixArgs;
pub use self::format::PlainFormat;
#[cfg(not(target_family = "wasm"))]
pub use self::native::*;
pub use self::patch::{
    ChangeArgs, InPlace, PatchAlignArgs, PatchCommand, PatchConvertArgs, PatchFileArgs,
    PatchModelLibArgs, PatchRetagArgs, PatchShimArgs, PatchSourceArgs, ResignChoice, UnpatchArgs,
};
pub use self::rules::{ExplainArgs, RulesArgs};
pub use self::runtime::RuntimeArgs;
pub use self::scan::ScanArgs;

/// Says whether a compiled model library will load and run on a runtime.
///
/// Model libraries are what mlc-llm and Apache TVM Relax compile a model to.
#[derive(Debug, Parser)]
#[command(
    name = "artcheck",
    version,
    about,
    max_term_width = 100,
    disable_help_flag = true
)]
#[command(after_help = "Example: artcheck scan dist\n\n\
Exit status: 0 clean; 1 findings at or above --fail-on; 2 wrong usage, or the\n\
job could not be done; 3 nothing to look at; 4 could not decide\n\
(--allow-undecided).")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Print help.
    #[arg(long, short, global = true, action = ArgAction::HelpShort)]
    pub help: Option<bool>,

    /// Colour: auto, always or never.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_possible_values = true, hide_default_value = true)]
    pub color: ColorChoice,

    /// Only the report: no progress, no hints.
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

/// What is wrong with a command line; nothing where help or the version was asked for.
/// Who names a file or the verb of another tool means `scan`.
pub fn refused(error: &clap::Error, color: bool) -> Option<String> {
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => word.as_str(),
        _ => return error.use_stderr().then(|| usage(error, color)),
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
        return Some(format!(
            "artcheck: `{word}` is not a command; to check libraries, type\n  artcheck scan {rest}\n"
        ));
    }
    Some(usage(error, color))
}

/// The words of the parser, with an example of the command that was meant.
fn usage(error: &clap::Error, color: bool) -> String {
    let text = error.render();
    // The parser of the page has no colours.
    #[cfg(not(target_family = "wasm"))]
    let text = match color {
        true => text.ansi().to_string(),
        false => text.to_string(),
    };
    #[cfg(target_family = "wasm")]
    let (text, _) = (text.to_string(), color);
    let Some((text, _)) = text.split_once("For more information") else {
        return text;
    };
    let mut command = Args::command();
    for word in std::env::args_os().skip(1) {
        if let Some(inner) = command.find_subcommand(&word) {
            command = inner.clone();
        }
    }
    let example = command.get_after_help().map(ToString::to_string);
    let example = example.and_then(|text| text.lines().next().map(str::to_owned));
    format!("{text}{}\n", example.unwrap_or_default())
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
    /// Check files and folders: will they load and run, and if not, why.
    #[command(after_help = "Example: artcheck scan dist --runtime tvm-0.27")]
    Scan(ScanArgs),
    /// Show which artifact runs on which runtime, as a table.
    #[command(after_help = "Example: artcheck matrix dist")]
    Matrix(ScanArgs),
    /// Show what one file holds: modules, bytecode, metadata, symbols.
    #[command(after_help = "Example: artcheck dump dist/qwen3.so")]
    Dump(DumpArgs),
    /// Show what a runtime accepts and offers.
    #[command(after_help = "Example: artcheck runtime .venv --save ours.json")]
    Runtime(RuntimeArgs),
    /// Explain a rule, or find the rule behind an error or a log.
    #[command(after_help = "Example: python run.py 2>&1 | artcheck explain -")]
    Explain(ExplainArgs),
    /// List the rules.
    #[command(after_help = "Example: artcheck rules")]
    Rules(RulesArgs),
    /// Make a file and a runtime fit: change one, or extend the other.
    #[command(after_help = "Example: artcheck patch retag dist/qwen3.so --to tirx --in-place")]
    Patch {
        /// Which way.
        #[command(subcommand)]
        command: PatchCommand,
    },
    /// Undo a change that artcheck made to a file.
    #[command(after_help = "Example: artcheck unpatch dist/qwen3.so")]
    Unpatch(UnpatchArgs),
    /// Plan a repair for every error, and carry it out with --apply.
    #[command(after_help = "Example: artcheck fix dist/qwen3.so --runtime tvm-0.27 --apply")]
    Fix(FixArgs),
    /// Show what changed between two artifacts.
    #[command(after_help = "Example: artcheck diff before.so after.so")]
    Diff(DiffArgs),
    /// What has no use in a page.
    #[cfg(not(target_family = "wasm"))]
    #[command(flatten)]
    Native(NativeCommand),
}
