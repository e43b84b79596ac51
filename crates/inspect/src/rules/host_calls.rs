//! The host code half of AC104: what kernels call by name, with a number or kind of
//! arguments that the runtime's function rejects.

use std::collections::BTreeSet;

use super::{Outcome, Pair, Rule, call_kinds, surroundings};
use crate::finding::{Finding, Location};
use crate::limits::MAX_FINDINGS;
use crate::module::HostCall;

pub(super) fn check(rule: &'static Rule, pair: &Pair<'_>, out: &mut Outcome) {
    let calls = pair.library.host_calls.iter();
    let wrong = calls.filter(|call| !is_of_program(pair, call));
    let wrong = wrong.filter_map(|call| {
        let count = count(rule, pair, call);
        let kind = count.or_else(|| kind(rule, pair, call));
        kind.or_else(|| dtype(rule, pair, call))
    });
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (finding, is_certain) in wrong {
        if seen.insert(finding.message.clone()) && seen.len() <= MAX_FINDINGS {
            pair.hold_if(is_certain, finding, out);
        }
    }
    out.and_more(seen.len().saturating_sub(MAX_FINDINGS));
    devices(rule, pair, out);
}

/// Copies to devices that the runtime does not have.
fn devices(rule: &'static Rule, pair: &Pair<'_>, out: &mut Outcome) {
    let calls = pair.library.host_calls.iter();
    let copies = calls.filter(|call| call.callee == surroundings::TO_DEVICE);
    let copies = copies.filter(|call| !is_of_program(pair, call));
    let numbers = copies.filter_map(|call| call.arguments.get(surroundings::DEVICE_TYPE)?.number);
    let devices: BTreeSet<&str> = numbers.filter_map(surroundings::device).collect();
    for device in devices {
        let finding = surroundings::copy(rule, pair, device, out);
        if let Some(finding) = finding {
            let finding = finding.evidence("a kernel makes the copy");
            pair.hold(&pair.runtime.functions, finding, out);
        }
    }
}

/// Whether a compiled VM function makes the call: those are looked at one by one.
fn is_of_program(pair: &Pair<'_>, call: &HostCall) -> bool {
    let form = (call.callee.as_str(), call.arguments.len() as u64);
    let mut programs = pair.facts.programs.iter();
    !pair.library.recovered.is_empty() && programs.any(|program| program.calls.contains_key(&form))
}

fn count(rule: &'static Rule, pair: &Pair<'_>, call: &HostCall) -> Option<(Finding, bool)> {
    let (name, count) = (call.callee.as_str(), call.arguments.len() as u64);
    let (accepted, is_certain) = pair.runtime.arity_of(name)?;
    if accepted.contains(count) {
        return None;
    }
    let accepted = accepted.to_string();
    let message = format!(
        "a kernel calls `{name}` with {count} arguments, but this runtime takes {accepted}"
    );
    let given = count.to_string();
    let values = [("name", name), ("accepted", &accepted), ("count", &given)];
    let is_typed = pair.runtime.signature(name).is_some();
    let says = is_typed
        .then(|| pair.words("builtin-arity", &values))
        .flatten();
    Some((
        finding(rule, pair, name, message).says_known(says),
        is_certain,
    ))
}

fn kind(rule: &'static Rule, pair: &Pair<'_>, call: &HostCall) -> Option<(Finding, bool)> {
    /// By their signatures they take anything, and the pointers that host code passes too.
    const ANYTHING: [&str; 2] = ["vm.builtin.reshape", "vm.builtin.shape_of"];
    let name = call.callee.as_str();
    if ANYTHING.contains(&name) {
        return None;
    }
    let known = &pair.runtime.argument_kinds;
    let wanted = known.value.as_ref()?.get(name)?.iter();
    let mut wrong = wanted.zip(&call.arguments).enumerate();
    let (position, wanted, kind) = wrong.find_map(|(position, (wanted, argument))| {
        let kind = argument.kind?;
        (!wanted.takes(kind)).then_some((position, wanted, kind))
    })?;
    let (given, wanted) = (kind.word(), wanted.word());
    let place = position.to_string();
    let values = [
        ("position", place.as_str()),
        ("name", name),
        ("wanted", wanted),
        ("given", given),
    ];
    let key = match pair.runtime.signature(name) {
        Some(_) => "argument-type",
        None => "argument-conversion",
    };
    let message = format!(
        "a kernel gives argument {position} of `{name}` as `{given}`, but this runtime takes `{wanted}`"
    );
    let finding = finding(rule, pair, name, message).says_known(pair.words(key, &values));
    Some((finding, known.is_certain()))
}

/// The first tensor of a data type that is not taken.
fn dtype(rule: &'static Rule, pair: &Pair<'_>, call: &HostCall) -> Option<(Finding, bool)> {
    let mut given = call.arguments.iter().enumerate();
    let finding = given.find_map(|(position, argument)| {
        call_kinds::of_dtype(rule, pair, &call.callee, position, argument.dtype?)
    })?;
    let finding = in_kernel(finding, &call.callee);
    Some((finding, pair.runtime.argument_kinds.is_certain()))
}

fn in_kernel(finding: Finding, name: &str) -> Finding {
    finding
        .at(Location {
            function: Some(name.to_owned()),
            ..Location::default()
        })
        .evidence("the library loads, and the call fails whenever the kernel makes it")
}

fn finding(rule: &'static Rule, pair: &Pair<'_>, name: &str, message: String) -> Finding {
    in_kernel(pair.finding(rule, message), name)
        .help("give the function what it takes in the kernel, and compile the library again")
}
