//! The values half of AC104: what the program alone shows, an item that a tuple does not
//! have, a view that is larger than its tensor, an argument that a kernel refuses.

use super::{Outcome, Pair, Program, Rule};
use crate::limits::MAX_FINDINGS;
use crate::vm::misfit::Misfit;

const BUILTIN: &str = "vm.builtin.";

/// Of builtins asked of the releases whose signatures are known: what they do is known too.
pub(super) fn check(
    rule: &'static Rule,
    pair: &Pair<'_>,
    program: &Program<'_>,
    out: &mut Outcome,
) {
    for (misfit, uses) in program.misfits.iter().take(MAX_FINDINGS) {
        let (position, says) = match misfit {
            Misfit::Item(item, items) => {
                let values = [("item", &*item.to_string()), ("items", &items.to_string())];
                (Some(1), pair.words("tuple-item", &values))
            }
            Misfit::View(..) => (Some(1), pair.words("view-too-large", &[])),
            Misfit::Argument(_, position, ..) => (Some(*position as u64), None),
            Misfit::Nothing(_) => (Some(0), None),
            Misfit::Room(..) | Misfit::Count(..) => (None, None),
        };
        let finding = pair
            .finding(rule, said(misfit))
            .says_known(says)
            .help("fix the model and compile it again: this call fails on every run");
        // What functions of the library itself take is known of the library.
        let is_own = match misfit {
            Misfit::Argument(name, ..) => !name.starts_with(BUILTIN),
            Misfit::Count(..) => true,
            _ => false,
        };
        let kinds = &pair.runtime.argument_kinds;
        if is_own || kinds.value.is_some() {
            let is_certain = is_own || kinds.is_certain();
            pair.hold_calls((program, uses), is_certain, finding, position, out);
        }
    }
    out.and_more(program.misfits.len().saturating_sub(MAX_FINDINGS));
}

fn said(misfit: &Misfit<'_>) -> String {
    match misfit {
        Misfit::Item(item, items) => {
            format!("`vm.builtin.tuple_getitem` asks for item {item} of a tuple of {items}")
        }
        Misfit::View(wanted, has) => {
            format!("`vm.builtin.reshape` makes a view of {wanted} bytes of a tensor of {has}")
        }
        Misfit::Room(end, has) => {
            format!(
                "`vm.builtin.alloc_tensor` makes a tensor that ends at byte {end} of a storage of {has}"
            )
        }
        Misfit::Count(name, takes, given) => {
            format!(
                "`{name}` of the library is called with {given} arguments, but it takes {takes}"
            )
        }
        Misfit::Argument(name, position, takes, given) if name.starts_with(BUILTIN) => {
            format!("argument {position} of `{name}` is {given}, but this runtime takes {takes}")
        }
        Misfit::Argument(name, position, takes, given) => {
            format!(
                "argument {position} of `{name}` of the library is {given}, but it takes {takes}"
            )
        }
        Misfit::Nothing(name) => {
            format!("`{name}` is given a register that nothing was written to")
        }
    }
}
