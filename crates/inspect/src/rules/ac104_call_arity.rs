//! AC104 call-arity: a builtin called as another release defines it.

use super::{Check, Outcome, Pair, Program, Rule};
use crate::finding::{Location, Severity};
use crate::runtime::{Confidence, ConstructorStyle, Fact, RuntimeProfile, any_of, history};
use crate::vm::kv_cache::{CREATE, CREATE_REDUCED, KernelValue};
use crate::words::spell;

pub(super) static RULE: Rule = Rule {
    code: "AC104",
    name: "call-arity",
    severity: Severity::Error,
    summary: "a builtin called with a number or kind of arguments that the runtime rejects",
    explain: include_str!("ac104_call_arity.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Pair(check)];

/// Places named in full per builtin; the rest are counted.
const PLACES: usize = 5;

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    let Some(arities) = &pair.runtime.builtin_arity.value else {
        return out.undecided(
            &RULE,
            "the argument counts this runtime's builtins take cannot be told",
        );
    };
    for program in &pair.facts.programs {
        for ((name, count), calls) in &program.calls {
            let Some(accepted) = arities.get(*name) else {
                continue;
            };
            if accepted.contains(count) {
                continue;
            }
            let accepted = any_of(accepted);
            if !is_certain(pair.runtime, &pair.runtime.builtin_arity, Some(name)) {
                out.undecided(
                    &RULE,
                    format!("`{name}` is called with {count} arguments; runtimes like this one take {accepted}, which was not read of this one"),
                );
                continue;
            }
            let mut finding = pair
                .finding(&RULE, format!("`{name}` is called with {count} arguments, this runtime takes {accepted}"))
                .says(words(name, *count, &accepted))
                .help("compile the library with the runtime's TVM: the arguments differ in meaning, not only in number");
            if calls.len() > PLACES {
                finding = finding.evidence(format!(
                    "{} such calls; the first {PLACES} are shown",
                    calls.len()
                ));
            }
            for call in calls.iter().take(PLACES) {
                finding = finding.at(program.place(call.function, Some(call.instruction)));
            }
            out.push(finding);
        }
        check_style(pair, program, out);
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
        if style != wanted && !is_certain(pair.runtime, &pair.runtime.constructor_style, None) {
            out.undecided(
                &RULE,
                format!("argument 15 of `{CREATE}` is a {}; runtimes like this one take a {}, which was not read of this one", spell(style), spell(wanted)),
            );
        } else if style != wanted {
            out.push(
                pair.finding(&RULE, format!("argument 15 of `{CREATE}` is a {}, this runtime takes a {}", spell(style), spell(wanted)))
                    .at(Location {
                        argument: Some(15),
                        ..program.place(cache.function, Some(cache.instruction))
                    })
                    .help(format!("compile the library with the runtime's TVM: the constructor takes a tuple there in {}", takes_a_tuple())),
            );
        }
    }
}

/// Whether a fact may be held against a library: it was read, it is of a release of
/// the table, or the runtime equals a release in all that was read. Runtimes inside
/// wasm libraries were mostly built between releases, which they only resemble.
/// Of `builtin_arity`, only the counts of the constructors can be read.
fn is_certain<T>(runtime: &RuntimeProfile, fact: &Fact<T>, builtin: Option<&str>) -> bool {
    let is_of_the_table = runtime.parts.is_empty();
    let is_read = fact.source != Some(Confidence::Release)
        && builtin.is_none_or(|name| matches!(name, CREATE | CREATE_REDUCED));
    let is_wasm = runtime.architecture.as_deref() == Some("wasm32");
    is_of_the_table || is_read || (runtime.release.is_some() && !is_wasm)
}

fn takes_a_tuple() -> String {
    history::when(|known| known.constructor_style.value == Some(ConstructorStyle::Tuple)).spoken()
}

fn words(name: &str, count: u64, accepted: &str) -> String {
    if name == CREATE {
        format!("Invalid number of KV cache constructor args: {count}")
    } else {
        format!("Function {name}(...) expects {accepted} arguments, but {count} were provided")
    }
}
