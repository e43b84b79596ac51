//! The commands that have no use in a page.

mod completions;
mod doctor;
mod init;
mod init_verify;
mod man;
mod merge;
mod redaction;
mod schema;
mod verify;
mod verify_hooks;
mod verify_mission;
mod verify_one;

use super::terminal::Terminal;
use crate::args::NativeCommand;
use crate::exit::Status;

/// Runs one of them.
pub fn run(command: NativeCommand, terminal: Terminal) -> anyhow::Result<Status> {
    match command {
        NativeCommand::Verify(verify) => verify::run(&verify, terminal),
        NativeCommand::VerifyRow => std::process::exit(i32::from(artcheck_verify::child_main())),
        NativeCommand::Schema => schema::run(),
        NativeCommand::Init(init) => init::run(&init),
        NativeCommand::Merge(merge) => merge::run(&merge, terminal),
        NativeCommand::Doctor(doctor) => doctor::run(&doctor, terminal),
        NativeCommand::Completions(completions) => completions::run(&completions),
        NativeCommand::Man(man) => man::run(&man),
    }
}
