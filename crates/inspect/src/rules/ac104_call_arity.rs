//! AC104 call-arity: a builtin called as another release defines it.

use std::collections::BTreeMap;

use super::{Outcome, Pair, Rule};
use crate::finding::{Location, Severity};
use crate::vm::dataflow::all_calls;
use crate::vm::kv_cache::{CREATE, KernelValue, kv_caches};
use crate::vm::{Executable, FunctionKind};

pub(super) static RULE: Rule = Rule {
    code: "AC104",
    name: "call-arity",
    severity: Severity::Error,
    summary: "a builtin called with a number or kind of arguments that the runtime rejects",
    explain: include_str!("ac104_call_arity.md"),
    artifact: None,
    pair: Some(check),
    binding: None,
    load_set: None,
};

/// Places named in full per builtin; the rest are counted.
const PLACES: usize = 5;

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    let Some(arities) = &pair.runtime.builtin_arity.value else {
        return out.undecided(
            &RULE,
            "the argument counts this runtime's builtins take cannot be told",
        );
    };
    for (_, executable) in pair.blob.executables() {
        for ((name, count), places) in calls(executable) {
            let Some(accepted) = arities.get(name) else {
                continue;
            };
            if accepted.contains(&count) {
                continue;
            }
            let accepted: Vec<String> = accepted.iter().map(u64::to_string).collect();
            let accepted = accepted.join(" or ");
            let mut finding = pair
                .finding(&RULE, format!("`{name}` is called with {count} arguments, this runtime takes {accepted}"))
                .says(words(name, count, &accepted))
                .help("compile the library with the runtime's TVM: the arguments differ in meaning, not only in number");
            if places.len() > PLACES {
                finding = finding.evidence(format!(
                    "{} such calls; the first {PLACES} are shown",
                    places.len()
                ));
            }
            for place in places.into_iter().take(PLACES) {
                finding = finding.at(place);
            }
            out.push(finding);
        }
        check_style(pair, executable, out);
    }
}

/// Every call of a packed function, by name and argument count.
fn calls(executable: &Executable) -> BTreeMap<(&str, u64), Vec<Location>> {
    let mut calls: BTreeMap<(&str, u64), Vec<Location>> = BTreeMap::new();
    for call in all_calls(executable) {
        let Some(callee) = usize::try_from(call.callee)
            .ok()
            .and_then(|callee| executable.functions.get(callee))
        else {
            continue;
        };
        if callee.kind == FunctionKind::Packed {
            calls
                .entry((&callee.name, call.args.len() as u64))
                .or_default()
                .push(Location {
                    function: executable
                        .functions
                        .get(call.function)
                        .map(|function| function.name.clone()),
                    instruction: Some(call.instruction),
                    ..Location::default()
                });
        }
    }
    calls
}

/// 28 and 29 arguments are valid on both sides of 0.20 with another meaning:
/// there argument 15 became a tuple of tag and kernel.
fn check_style(pair: &Pair<'_>, executable: &Executable, out: &mut Outcome) {
    let Some(wanted) = &pair.runtime.constructor_style.value else {
        return;
    };
    for cache in kv_caches(executable)
        .into_iter()
        .filter(|cache| cache.callee == CREATE)
    {
        let style = cache
            .sites
            .iter()
            .filter(|site| site.argument == 15)
            .find_map(|site| match site.value {
                KernelValue::Function { .. } => Some("function"),
                KernelValue::Empty { .. }
                | KernelValue::Tagged { .. }
                | KernelValue::Untagged { .. } => Some("tuple"),
                KernelValue::Other { .. } => None,
            });
        let Some(style) = style else { continue };
        if style != wanted {
            out.push(
                pair.finding(&RULE, format!("argument 15 of `{CREATE}` is a {style}, this runtime takes a {wanted}"))
                    .at(Location {
                        function: executable.functions.get(cache.function).map(|function| function.name.clone()),
                        instruction: Some(cache.instruction),
                        argument: Some(15),
                        ..Location::default()
                    })
                    .help("compile the library with the runtime's TVM: TVM 0.20 gave the constructor's arguments another meaning"),
            );
        }
    }
}

fn words(name: &str, count: u64, accepted: &str) -> String {
    if name == CREATE {
        format!("Invalid number of KV cache constructor args: {count}")
    } else {
        format!("Function {name}(...) expects {accepted} arguments, but {count} were provided")
    }
}
