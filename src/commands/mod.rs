//! One file per command.

mod diff;
mod dump;
mod explain;
mod fix;
mod fix_early;
mod fixable;
mod matrix;
#[cfg(not(target_family = "wasm"))]
mod native;
mod patch;
#[cfg_attr(target_family = "wasm", path = "prove_nothing.rs")]
mod prove;
mod rules;
mod runtime;
mod scan;
mod terminal;
mod tried;
mod unpatch;

use crate::args::{Args, Command};
use crate::exit::Status;
use crate::runtimes;
use terminal::Terminal;

/// How what goes to standard error is set.
pub fn error_style() -> crate::report::style::Style {
    terminal::error_style()
}

/// Runs the command that was asked for.
pub fn run(args: Args) -> anyhow::Result<Status> {
    let terminal = Terminal::of(&args);
    if let Some(path) = &args.release_table {
        runtimes::use_table(path)?;
    }
    match args.command {
        Command::Scan(scan) => scan::run(&scan, terminal),
        Command::Matrix(scan) => matrix::run(&scan, terminal),
        Command::Dump(dump) => dump::run(&dump, terminal),
        Command::Runtime(runtime) => runtime::run(&runtime, terminal),
        Command::Explain(explain) => explain::run(&explain, terminal),
        Command::Rules(rules) => rules::run(&rules, terminal),
        Command::Patch { command } => patch::run(&command, terminal),
        Command::Unpatch(unpatch) => unpatch::run(&unpatch, terminal.style),
        Command::Fix(fix) => fix::run(&fix, terminal),
        Command::Diff(diff) => diff::run(&diff, terminal),
        #[cfg(not(target_family = "wasm"))]
        Command::Native(native) => native::run(native, terminal),
    }
}
