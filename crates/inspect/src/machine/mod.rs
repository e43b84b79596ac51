//! Machine code, as far as it moves known values about. What a call means is for whoever
//! follows.

mod aarch64;
mod host_code;
mod instructions;
mod processor;
mod state;
mod x86_64;

pub use host_code::{HostCode, host_code};
pub use instructions::Piece;
pub(crate) use instructions::{Flow, Machine, Outline, Target};
pub(crate) use processor::extensions;
pub(crate) use state::{State, Value};

use crate::container::{Architecture, Format, Parsed, Region};

/// The code of a binary.
pub fn code<'a>(parsed: &'a Parsed<'_>) -> Vec<Piece<'a>> {
    let code = parsed.regions.iter().filter(|region| region.executable);
    let piece = |region: &'a Region<'_>| Piece {
        data: &region.data,
        address: region.address,
    };
    code.map(piece).collect()
}

/// The instruction set of a binary, with its calling convention; `None` for others.
pub(crate) fn of<'a>(parsed: &Parsed<'_>) -> Option<Box<dyn Machine<'a> + 'a>> {
    let windows = parsed.binary.format == Format::Pe;
    match parsed.binary.architecture {
        Architecture::X86_64 => Some(Box::new(x86_64::X86_64::new(windows))),
        Architecture::Aarch64 if !windows => Some(Box::new(aarch64::Aarch64)),
        _ => None,
    }
}
