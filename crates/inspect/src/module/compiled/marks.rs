//! Marks of what a compiled function is given: one of its arguments (the VM, its registers,
//! constants, functions), or an element of one of these lists.

use crate::machine::Value;
use crate::vm::Argument;

/// Set in the mark of an element.
const ELEMENT: u64 = 1 << 63;

/// The mark of an element of one of the given lists.
pub(super) fn element(list: u64, index: i64) -> Value {
    match u32::try_from(index) {
        Ok(index) => Value::Marked(ELEMENT | list << 32 | u64::from(index)),
        Err(_) => Value::Unknown,
    }
}

/// The argument of a VM call that a mark stands for.
pub(super) fn argument(mark: u64) -> Option<Argument> {
    let index = i64::from(u32::try_from(mark & u64::from(u32::MAX)).ok()?);
    match (mark & ELEMENT != 0, (mark & !ELEMENT) >> 32) {
        (true, 1) => Some(Argument::Register(index)),
        (true, 2) => Some(Argument::Constant(index)),
        (true, 3) => Some(Argument::Function(index)),
        (false, 0) if index == 0 => Some(Argument::Vm),
        _ => None,
    }
}
