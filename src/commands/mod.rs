//! One file per command.

mod completions;
mod diff;
mod doctor;
mod dump;
mod explain;
mod fix;
mod init;
mod man;
mod matrix;
mod merge;
mod patch;
mod rules;
mod runtime;
mod scan;
mod schema;
mod unpatch;
mod verify;
mod verify_hooks;

use std::io::IsTerminal;

use crate::args::{Args, ColorChoice, Command};
use crate::exit::Status;
use crate::runtimes;

/// What every command needs to know of the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Colour standard output.
    pub color: bool,
    /// Show progress on standard error.
    pub progress: bool,
    /// Only the report.
    pub quiet: bool,
}

/// Runs the command that was asked for.
pub fn run(args: Args) -> anyhow::Result<Status> {
    let terminal = Terminal {
        color: match args.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        },
        progress: !args.quiet && std::io::stderr().is_terminal(),
        quiet: args.quiet,
    };
    if let Some(path) = &args.release_table {
        runtimes::use_table(path)?;
    }
    match args.command {
        Command::Scan(scan) => scan::run(&scan, terminal),
        Command::Matrix(scan) => matrix::run(&scan, terminal),
        Command::Dump(dump) => dump::run(&dump),
        Command::Runtime(runtime) => runtime::run(&runtime),
        Command::Explain(explain) => explain::run(&explain),
        Command::Rules(rules) => rules::run(&rules),
        Command::Patch { command } => patch::run(&command),
        Command::Unpatch(unpatch) => unpatch::run(&unpatch),
        Command::Fix(fix) => fix::run(&fix),
        Command::Verify(verify) => verify::run(&verify, terminal),
        Command::VerifyRow => std::process::exit(i32::from(artcheck_verify::child_main())),
        Command::Schema => schema::run(),
        Command::Init(init) => init::run(&init),
        Command::Merge(merge) => merge::run(&merge, terminal),
        Command::Diff(diff) => diff::run(&diff, terminal),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Completions(completions) => completions::run(&completions),
        Command::Man(man) => man::run(&man),
    }
}
