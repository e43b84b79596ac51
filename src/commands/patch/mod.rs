//! `artcheck patch`: one file per way of patching.

mod carry_out;
mod convert;
mod model_lib;
mod relocate;
mod retag;
mod shim;
mod sign;
mod source;

use crate::args::PatchCommand;
use crate::exit::Status;

pub use carry_out::{output, resign};

/// Runs one way of patching.
pub fn run(command: &PatchCommand) -> anyhow::Result<Status> {
    match command {
        PatchCommand::Source(args) => source::run(args),
        PatchCommand::Shim(args) => shim::run(args),
        PatchCommand::Retag(args) => retag::run(args),
        PatchCommand::Convert(args) => convert::run(args),
        PatchCommand::Relocate(args) => relocate::run(args),
        PatchCommand::Sign(args) => sign::run(args),
        PatchCommand::ModelLib(args) => model_lib::run(args),
    }
}
