//! Strings of an executable that only an error message quotes.
//!
//! The compiler gives every shape and type check a text that says where the
//! check stands; the runtime prints it when the check fails and reads it for
//! nothing else. Their ends are the one place inside an executable where bytes
//! can be taken from without changing what it computes.

use artcheck_inspect::vm::calls::constant_uses;
use artcheck_inspect::vm::{ConstantValue, Executable, Instruction};

/// Checks whose last argument is such a text.
const CHECKS: [&str; 7] = [
    "vm.builtin.match_shape",
    "vm.builtin.match_prim_value",
    "vm.builtin.check_tensor_info",
    "vm.builtin.check_shape_info",
    "vm.builtin.check_tuple_info",
    "vm.builtin.check_prim_value_info",
    "vm.builtin.check_func_info",
];
/// How the compiler begins such a text.
const OPENING: &str = "ErrorContext(";
/// What is kept of one, so that it still says which function and parameter.
const KEPT: usize = 64;

/// A text that may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContextString {
    /// Pool index.
    pub(super) constant: usize,
    /// The text.
    pub(super) text: String,
}

impl ContextString {
    /// Bytes that may be cut from its end.
    pub(super) fn spare(&self) -> usize {
        self.text.len().saturating_sub(KEPT)
    }

    /// The text with at least `bytes` fewer bytes; never half a character.
    pub(super) fn cut(&self, bytes: usize) -> Option<&str> {
        let mut end = self.text.len().checked_sub(bytes)?;
        while !self.text.is_char_boundary(end) {
            end = end.checked_sub(1)?;
        }
        self.text.get(..end)
    }
}

/// The texts of an executable that may be cut, longest first.
pub(super) fn of(executable: &Executable) -> Vec<ContextString> {
    let mut found: Vec<ContextString> = executable
        .constants
        .iter()
        .enumerate()
        .filter_map(|(constant, entry)| match &entry.value {
            ConstantValue::String(text)
                if text.starts_with(OPENING)
                    && !text.contains(char::REPLACEMENT_CHARACTER)
                    && only_quoted(executable, constant) =>
            {
                Some(ContextString {
                    constant,
                    text: text.clone(),
                })
            }
            _ => None,
        })
        .filter(|found| found.spare() > 0)
        .collect();
    found.sort_by(|a, b| {
        b.text
            .len()
            .cmp(&a.text.len())
            .then(a.constant.cmp(&b.constant))
    });
    found
}

fn only_quoted(executable: &Executable, constant: usize) -> bool {
    let uses = constant_uses(executable, constant);
    !uses.is_empty()
        && uses.iter().all(|(_, instruction, position)| {
            let Some(Instruction::Call { function, args, .. }) =
                executable.instruction(*instruction)
            else {
                return false;
            };
            let callee = usize::try_from(function)
                .ok()
                .and_then(|index| executable.functions.get(index));
            callee.is_some_and(|callee| CHECKS.contains(&callee.name.as_str()))
                && position.checked_add(1) == Some(args.len())
        })
}
