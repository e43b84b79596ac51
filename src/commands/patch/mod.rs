//! `artcheck patch`: the ways of patching.

mod in_place;
mod shim;
mod source;

pub use in_place::{output, resign};

use crate::args::PatchCommand;
use crate::exit::Status;

/// Runs one way of patching.
pub fn run(command: &PatchCommand) -> anyhow::Result<Status> {
    match command {
        PatchCommand::Source(args) => source::run(args),
        PatchCommand::Shim(args) => shim::run(args),
        PatchCommand::Retag(args) => in_place::retag(args),
        PatchCommand::Convert(args) => in_place::convert(args),
        PatchCommand::Relocate(args) => in_place::relocate(args),
        PatchCommand::Sign(args) => in_place::sign(args),
        PatchCommand::Align(args) => in_place::align(args),
        PatchCommand::ModelLib(args) => in_place::model_lib(args),
    }
}
