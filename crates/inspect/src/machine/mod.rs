//! Machine code, as far as it moves known values about: what an instruction set must be
//! able to do to have its calls followed. What a call means is for whoever follows.

mod aarch64;
mod state;
mod x86_64;

pub(crate) use state::{State, Value};

use crate::container::{Architecture, Format, Parsed, Region};

/// A run of bytes of an image.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// Address of the first one.
    pub address: u64,
}

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
pub(crate) fn of(parsed: &Parsed<'_>) -> Option<Box<dyn Machine>> {
    let windows = parsed.binary.format == Format::Pe;
    match parsed.binary.architecture {
        Architecture::X86_64 => Some(Box::new(x86_64::X86_64::new(windows))),
        Architecture::Aarch64 if !windows => Some(Box::new(aarch64::Aarch64)),
        _ => None,
    }
}

/// Where a call or jump leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// To this code.
    Code(u64),
    /// To what this cell holds.
    Cell(u64),
    /// Anywhere.
    Unknown,
}

/// What follows an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The next one.
    On,
    /// The next one, after a call.
    Call(Target),
    /// The next one, or this one.
    Branch(u64),
    /// The target only.
    Jump(Target),
    /// Nothing.
    End,
}

/// One instruction set.
pub(crate) trait Machine {
    /// The registers of the first parameters.
    fn parameters(&self) -> &'static [usize];

    /// The register of a result.
    fn result(&self) -> usize;

    /// The stack pointer.
    fn stack(&self) -> usize;

    /// Registers that a callee may change.
    fn lost(&self) -> &'static [usize];

    /// Carries out the instruction at byte `at` of `code`, a call's effect left out.
    /// The answer is its length and what follows; `None` at the end of the code.
    fn step(&mut self, code: Piece<'_>, at: usize, state: &mut State) -> Option<(usize, Flow)>;

    /// Calls and jumps with a target, wherever code may hold one.
    fn calls(&self, code: Piece<'_>, visit: &mut dyn FnMut(u64, u64));

    /// Jumps through a cell that are all of a stub, and calls through one: the
    /// place, the cell, and whether it is a jump.
    fn through_cells(&self, code: Piece<'_>, visit: &mut dyn FnMut(u64, u64, bool));
}
