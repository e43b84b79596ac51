//! `artcheck patch`: the ways of patching.

mod in_place;
mod shim;
mod source;

pub use in_place::{output, resign, wrote};
pub use shim::COMPILING;

use super::terminal::Terminal;
use crate::args::PatchCommand;
use crate::exit::Status;

/// Runs one way of patching.
pub fn run(command: &PatchCommand, terminal: Terminal) -> anyhow::Result<Status> {
    let style = terminal.style;
    match command {
        PatchCommand::Source(args) => source::run(args, style),
        PatchCommand::Shim(args) => shim::run(args, terminal),
        PatchCommand::Retag(args) => in_place::retag(args, style),
        PatchCommand::Convert(args) => in_place::convert(args, style),
        PatchCommand::Relocate(args) => in_place::relocate(args, style),
        PatchCommand::Sign(args) => in_place::sign(args, style),
        PatchCommand::Align(args) => in_place::align(args, style),
        PatchCommand::ModelLib(args) => in_place::model_lib(args, style),
    }
}
