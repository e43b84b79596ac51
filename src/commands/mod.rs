//! One file per command.

#[cfg(not(target_family = "wasm"))]
mod completions;
mod diff;
mod doctor;
mod dump;
mod explain;
mod fix;
mod fix_early;
mod fixable;
mod init;
mod init_verify;
#[cfg(not(target_family = "wasm"))]
mod man;
mod matrix;
mod merge;
mod patch;
#[cfg_attr(target_family = "wasm", path = "prove_nothing.rs")]
mod prove;
mod redaction;
mod rules;
mod runtime;
mod scan;
mod schema;
mod terminal;
mod tried;
mod unpatch;
#[cfg(not(target_family = "wasm"))]
mod verify;
#[cfg(not(target_family = "wasm"))]
mod verify_hooks;
#[cfg(not(target_family = "wasm"))]
mod verify_mission;
#[cfg(not(target_family = "wasm"))]
mod verify_one;

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
        #[cfg(not(target_family = "wasm"))]
        Command::Verify(verify) => verify::run(&verify, terminal),
        #[cfg(not(target_family = "wasm"))]
        Command::VerifyRow => std::process::exit(i32::from(artcheck_verify::child_main())),
        Command::Schema => schema::run(),
        Command::Init(init) => init::run(&init),
        Command::Merge(merge) => merge::run(&merge, terminal),
        Command::Diff(diff) => diff::run(&diff, terminal),
        Command::Doctor(doctor) => doctor::run(&doctor, terminal),
        #[cfg(not(target_family = "wasm"))]
        Command::Completions(completions) => completions::run(&completions),
        #[cfg(not(target_family = "wasm"))]
        Command::Man(man) => man::run(&man),
    }
}
