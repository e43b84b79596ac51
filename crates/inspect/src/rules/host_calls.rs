//! The host code half of AC104: what kernels call by name, with a number or kind of
//! arguments that the runtime's function rejects.

use std::collections::BTreeSet;

use super::{Outcome, Pair, Rule, call_kinds, surroundings};
use crate::finding::{Finding, Location};
use crate::limits::MAX_FINDINGS;
use crate::module::HostCall;
use crate::vm::DataType;
use crate::vm::kernel::KernelParameter;

pub(super) fn check(rule: &'static Rule, pair: &Pair<'_>, out: &mut Outcome) {
    let calls = pair.library.host_calls.iter();
    let wrong = calls.filter(|call| !is_of_program(pair, call));
    let wrong = wrong.filter_map(|call| {
        let count = count(rule, pair, call);
        let kind = count.or_else(|| kind(rule, pair, call));
        let dtype = kind.or_else(|| dtype(rule, pair, call));
        dtype.or_else(|| memory(rule, pair, call))
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

/// Memory of the kernel's own tensors that it hands on as a tensor of wider or narrower
/// elements: compilers make `float32` of `bfloat16` and `float8` where they should not.
fn memory(rule: &'static Rule, pair: &Pair<'_>, call: &HostCall) -> Option<(Finding, bool)> {
    let kernel = call.kernel.as_deref()?;
    let parameters = pair.library.kernels.get(kernel)?.iter();
    let takes: Option<Vec<(&str, u8)>> = parameters.filter_map(tensor).collect();
    let takes = takes.filter(|takes| !takes.is_empty())?;
    let mut given = call.arguments.iter().enumerate();
    let (position, given) = given.find_map(|(position, argument)| {
        let given = argument
            .dtype
            .filter(|dtype| argument.is_given && is_whole(*dtype))?;
        let mut takes = takes.iter();
        let is_other = takes.all(|(name, bits)| {
            *bits != given.bits || name.contains("float") != given.to_string().contains("float")
        });
        is_other.then_some((position, given))
    })?;
    let names: BTreeSet<&str> = takes.iter().map(|(name, _)| *name).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let message = format!(
        "kernel `{kernel}` takes tensors of {}, but hands their memory on as a tensor of {given}: argument {position} of `{}`",
        names.join(" and "),
        call.callee
    );
    let finding = pair
        .finding(rule, message)
        .at(Location {
            function: Some(kernel.to_owned()),
            ..Location::default()
        })
        .evidence("there is no message: the function reads elements of another size than the tensor has, its results are wrong, and it may read memory behind the tensor; TVM's compilers do so with tensors of bfloat16 and float8")
        .help(format!("cast the tensor to {given} in the model before it is given to the operator, as before `R.argsort`, and compile the library again"));
    Some((finding, true))
}

/// The data type of a tensor that a kernel takes, and its bits; nothing inside where that
/// was not read.
fn tensor(parameter: &KernelParameter) -> Option<Option<(&str, u8)>> {
    match parameter {
        KernelParameter::Number(_) => None,
        KernelParameter::Other => Some(None),
        KernelParameter::Tensor { dtype, .. } => {
            let digits = dtype.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            let end = digits.find(|c: char| !c.is_ascii_digit());
            let digits = digits
                .get(..end.unwrap_or(digits.len()))
                .unwrap_or_default();
            // Vectors have an `x` in their names.
            let bits = match dtype.as_str() {
                "bool" => Some(8),
                name if name.contains('x') => None,
                _ => digits.parse().ok(),
            };
            Some(bits.map(|bits| (dtype.as_str(), bits)))
        }
    }
}

/// Whether the elements of a data type are single numbers of whole bytes.
fn is_whole(dtype: DataType) -> bool {
    dtype.lanes == 1 && dtype.bits >= 8
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
