//! The values half of AC104: an item that a tuple does not have, and a view that is
//! larger than its tensor, where the program alone shows it.

use super::{Outcome, Pair, Program, Rule};
use crate::limits::MAX_FINDINGS;
use crate::vm::misfit::Misfit;

/// Asked of the releases whose signatures are known: what they do is known of them too.
pub(super) fn check(
    rule: &'static Rule,
    pair: &Pair<'_>,
    program: &Program<'_>,
    out: &mut Outcome,
) {
    if pair.runtime.argument_kinds.value.is_none() {
        return;
    }
    for (misfit, uses) in program.misfits.iter().take(MAX_FINDINGS) {
        let finding = match misfit {
            Misfit::Item(item, items) => pair
                .finding(
                    rule,
                    format!(
                        "`vm.builtin.tuple_getitem` asks for item {item} of a tuple of {items}"
                    ),
                )
                .says_known(pair.words(
                    "tuple-item",
                    &[("item", &item.to_string()), ("items", &items.to_string())],
                )),
            Misfit::View(wanted, has) => pair
                .finding(
                    rule,
                    format!(
                        "`vm.builtin.reshape` makes a view of {wanted} bytes of a tensor of {has}"
                    ),
                )
                .says_known(pair.words("view-too-large", &[])),
        };
        let finding =
            finding.help("mend the model and compile it again: this call fails on every run");
        let finding = program.at_places(finding, &uses.first, uses.count, Some(1));
        pair.hold(&pair.runtime.argument_kinds, finding, out);
    }
    out.and_more(program.misfits.len().saturating_sub(MAX_FINDINGS));
}
