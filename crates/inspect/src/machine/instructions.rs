//! What an instruction set must be able to do to have its calls followed.

use super::state::State;

/// A run of bytes of an image.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// Address of the first one.
    pub address: u64,
}

impl Piece<'_> {
    /// Whether an address is one of its bytes'.
    pub(crate) fn holds(&self, address: u64) -> bool {
        let end = self.address.saturating_add(self.data.len() as u64);
        address >= self.address && address < end
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

/// What the instructions of a function show before any is carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// How many there are.
    pub(crate) instructions: usize,
    /// Whether one may lead out of the function and not only back to its caller.
    pub(crate) calls: bool,
}

/// One instruction set, and the code of one part.
pub(crate) trait Machine<'a> {
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
    fn step(&mut self, code: Piece<'a>, at: usize, state: &mut State) -> Option<(usize, Flow)>;

    /// Jumps of a function to a place, whether they are always taken or not: from, to.
    fn branches(&self, code: Piece<'a>, visit: &mut dyn FnMut(u64, u64)) -> Outline;

    /// Calls and jumps with a target, wherever code may hold one.
    fn calls(&self, code: Piece<'_>, visit: &mut dyn FnMut(u64, u64));

    /// Jumps through a cell that are all of a stub, and calls through one: the
    /// place, the cell, and whether it is a jump.
    fn through_cells(&self, code: Piece<'_>, visit: &mut dyn FnMut(u64, u64, bool));
}
