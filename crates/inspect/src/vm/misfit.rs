//! Calls that fail by their values on every runtime: an item that a tuple does not have,
//! a view that is larger than its tensor, where one function shows it.

use super::calls::RawCall;
use super::instruction::Argument;
use super::register_kinds::Registers;

/// A call that fails on every run, with the numbers that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfit {
    /// The item, and how many there are.
    Item(i64, u64),
    /// The bytes that a tensor is to have, and those it has.
    View(u64, u64),
}

impl Misfit {
    /// Whether a call of a builtin is one.
    pub fn of(name: &str, call: &RawCall<'_>, registers: &Registers<'_>) -> Option<Self> {
        let held = |position| Some(registers.held(call.instruction, call.args.get(position)?));
        match name {
            "vm.builtin.tuple_getitem" => {
                let items = held(0)?.items?;
                let Argument::Immediate(item) = call.args.get(1)? else {
                    return None;
                };
                let fits = u64::try_from(item).is_ok_and(|item| item < items);
                (!fits).then_some(Self::Item(item, items))
            }
            "vm.builtin.reshape" => {
                let (tensor, shape) = (held(0)?, held(1)?);
                let bytes = |elements: u64| elements.checked_mul(tensor.element?);
                let (has, wanted) = (bytes(tensor.elements?)?, bytes(shape.elements?)?);
                (wanted > has).then_some(Self::View(wanted, has))
            }
            _ => None,
        }
    }
}
