//! AC104 call-arity: a builtin called as another release defines it.

use super::{Check, Outcome, Pair, Program, Rule, call_kinds, host_calls, misfits, surroundings};
use crate::finding::{Location, Severity};
use crate::runtime::{ConstructorStyle, history};
use crate::vm::kv_cache::{CREATE, CREATE_REDUCED, KernelValue};
use crate::words::spell;

pub(super) static RULE: Rule = Rule {
    code: "AC104",
    name: "call-arity",
    severity: Severity::Error,
    summary: "a builtin is called with a number or kind of arguments that the runtime rejects",
    explain: include_str!("ac104_call_arity.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Pair(check)];

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    let has_programs = !pair.facts.programs.is_empty();
    if pair.runtime.builtin_arity.value.is_none() && has_programs {
        return out.undecided(
            &RULE,
            "the argument counts that this runtime's builtins take are not known",
        );
    }
    for program in &pair.facts.programs {
        for ((name, count), calls) in &program.calls {
            let Some((accepted, is_certain)) = pair.runtime.arity_of(name) else {
                continue;
            };
            if accepted.contains(*count) {
                continue;
            }
            let accepted = accepted.to_string();
            if pair.runtime.counts_nothing(name) {
                out.undecided(&RULE, uncounted(name, *count, &accepted));
                continue;
            }
            let finding = pair
                .finding(&RULE, format!("`{name}` is called with {count} arguments, but this runtime takes {accepted}"))
                .says_known(words(pair, name, *count, &accepted))
                .help("compile the library with the runtime's TVM: the arguments differ in meaning, not only in number");
            pair.hold_calls(
                (program, &program.uses(calls)),
                is_certain,
                finding,
                None,
                out,
            );
        }
        call_kinds::check(&RULE, pair, program, out);
        misfits::check(&RULE, pair, program, out);
        surroundings::check(&RULE, pair, program, out);
        check_style(pair, program, out);
    }
    host_calls::check(&RULE, pair, out);
    if let Some(why) = pair.library.unread() {
        out.undecided(&RULE, format!("{why}; what it calls was not checked"));
    }
}

/// 28 and 29 arguments are valid on both sides of 0.20 with another meaning:
/// there argument 15 became a tuple of tag and kernel.
fn check_style(pair: &Pair<'_>, program: &Program<'_>, out: &mut Outcome) {
    let Some(wanted) = pair.runtime.constructor_style.value else {
        return;
    };
    for cache in program
        .kv_caches
        .iter()
        .filter(|cache| cache.callee == CREATE)
    {
        let Some(site) = cache.sites.iter().find(|site| site.argument == 15) else {
            continue;
        };
        let (values, why) = site.value.parts();
        let mut styles = values.iter().filter_map(|value| match value {
            KernelValue::Function { .. } => Some(ConstructorStyle::Function),
            KernelValue::Empty { .. }
            | KernelValue::Tagged { .. }
            | KernelValue::Untagged { .. } => Some(ConstructorStyle::Tuple),
            KernelValue::Absent => None,
        });
        let Some(style) = styles.next() else {
            if let Some(why) = why {
                out.undecided(&RULE, program.not_followed(cache, 15, why));
            }
            continue;
        };
        if style != wanted {
            let finding =
                pair.finding(&RULE, format!("argument 15 of `{CREATE}` is a {}, but this runtime takes a {}", spell(style), spell(wanted)))
                    .at(Location {
                        argument: Some(15),
                        ..program.place(cache.function, Some(cache.instruction))
                    })
                    .help(format!("compile the library with the runtime's TVM: the constructor takes a tuple there in {}", takes_a_tuple()));
            pair.hold(&pair.runtime.constructor_style, finding, out);
        }
    }
}

fn takes_a_tuple() -> String {
    history::when(|known| known.constructor_style.value == Some(ConstructorStyle::Tuple)).spoken()
}

/// What is known of a call that goes to a function which does not count.
pub(super) fn uncounted(name: &str, count: u64, accepted: &str) -> String {
    format!(
        "`{name}` is called with {count} arguments and reads {accepted} without counting them: for those that are missing it takes whatever follows the last one in memory"
    )
}

fn words(pair: &Pair<'_>, name: &str, count: u64, accepted: &str) -> Option<String> {
    let key = match name {
        CREATE | CREATE_REDUCED => "constructor-arity",
        // It has words of its own.
        _ if pair.runtime.is_open(name) => return None,
        _ => "builtin-arity",
    };
    let count = count.to_string();
    let values = [("name", name), ("accepted", accepted), ("count", &count)];
    pair.words(key, &values)
}
