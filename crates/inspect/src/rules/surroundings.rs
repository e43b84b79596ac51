//! What calls ask of the process around them: the API of a device that tensors are copied
//! to, functions of Python, and a Disco session whose workers run the program.

use std::collections::{BTreeMap, BTreeSet};

use super::{Outcome, Pair, Program, Rule};
use crate::finding::{Finding, Need};
use crate::runtime::ConstructorStyle;
use crate::vm::Argument;
use crate::vm::argument_kind::text;
use crate::vm::calls::RawCall;
use crate::vm::kv_cache::CREATE;

/// What makes the pages of a cache that is sent to other machines.
const NVSHMEM: &str = "runtime.disco.nvshmem.init_nvshmem";
/// The argument of the constructor of a KV cache that says whether it is.
const IS_SENT: usize = 7;
const CALL_PYTHON: &str = "vm.builtin.call_py_func";
pub(super) const TO_DEVICE: &str = "vm.builtin.to_device";
/// The argument of it that is the type of the device.
pub(super) const DEVICE_TYPE: usize = 1;
/// Device types that have an API of their own (DLPack's numbers); the CPU's is always there.
const DEVICES: [(i64, &str); 6] = [
    (2, "cuda"),
    (4, "opencl"),
    (7, "vulkan"),
    (8, "metal"),
    (10, "rocm"),
    (16, "hexagon"),
];

pub(super) fn check(
    rule: &'static Rule,
    pair: &Pair<'_>,
    program: &Program<'_>,
    out: &mut Outcome,
) {
    devices(rule, pair, program, out);
    transfer(rule, pair, program, out);
    python(pair, program, out);
    let mut callees = program.calls.keys();
    // Functions of a session's other side begin with a capital letter.
    let is_of_worker = |name: &str| {
        let rest = name.strip_prefix("runtime.disco.");
        rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
    };
    if callees.any(|(name, _)| is_of_worker(name)) {
        out.need(Need {
            library: String::from("a Disco session that runs it"),
            brought_by: String::from(
                "the application: the functions `runtime.disco.*` work in its workers alone",
            ),
        });
    }
}

/// Functions of Python that the machine calls by name; they are in no registry that is read.
fn python(pair: &Pair<'_>, program: &Program<'_>, out: &mut Outcome) {
    let calls = program.calls.iter();
    let calls = calls.filter(|((name, _), _)| *name == CALL_PYTHON);
    let names: BTreeSet<&str> = calls
        .flat_map(|(_, calls)| calls)
        .flat_map(|call| call.args.iter())
        .filter_map(|argument| text(program.executable, argument))
        .collect();
    for name in names.difference(&pair.facts.provided) {
        out.need(Need {
            library: format!("the Python function `{name}`"),
            brought_by: String::from(
                "the application, which registers it with `vm.builtin.register_py_func` (`--provides` says that it does)",
            ),
        });
    }
}

/// A cache whose pages go to other machines (disaggregated serving).
fn transfer(rule: &'static Rule, pair: &Pair<'_>, program: &Program<'_>, out: &mut Outcome) {
    // Earlier constructors have another argument there.
    if pair.runtime.constructor_style.value == Some(ConstructorStyle::Function) {
        return;
    }
    let calls = program.calls.iter();
    let calls = calls.filter(|((name, _), _)| *name == CREATE);
    let is_sent = |call: &&RawCall<'_>| call.args.get(IS_SENT) == Some(Argument::Immediate(1));
    let calls: Vec<RawCall<'_>> = calls
        .flat_map(|(_, calls)| calls)
        .filter(is_sent)
        .copied()
        .collect();
    if calls.is_empty() {
        return;
    }
    if pair.runtime.parts.is_empty() || pair.runtime.offers_function(NVSHMEM) != Some(false) {
        return out.need(Need {
            library: String::from("NVSHMEM"),
            brought_by: format!("a runtime built with USE_NVSHMEM=ON, which has `{NVSHMEM}`"),
        });
    }
    let finding = pair
        .finding(rule, format!("its KV cache is made to be sent to other machines, but this runtime has no `{NVSHMEM}`"))
        .says_known(pair.words("no-nvshmem", &[]))
        .help("use a runtime that is built with USE_NVSHMEM=ON, or compile the model without disaggregation");
    let (uses, position) = (program.uses(&calls), Some(IS_SENT as u64));
    let is_certain = pair.runtime.functions.is_certain();
    pair.hold_calls((program, &uses), is_certain, finding, position, out);
}

fn devices(rule: &'static Rule, pair: &Pair<'_>, program: &Program<'_>, out: &mut Outcome) {
    let calls = program.calls.iter();
    let calls = calls.filter(|((name, _), _)| *name == TO_DEVICE);
    let mut copies: BTreeMap<&str, Vec<RawCall<'_>>> = BTreeMap::new();
    for call in calls.flat_map(|(_, calls)| calls) {
        let Some(Argument::Immediate(number)) = call.args.get(DEVICE_TYPE) else {
            continue;
        };
        if let Some(device) = device(number) {
            copies.entry(device).or_default().push(*call);
        }
    }
    for (device, calls) in copies {
        if let Some(finding) = copy(rule, pair, device, out) {
            let (uses, position) = (program.uses(&calls), Some(DEVICE_TYPE as u64));
            let is_certain = pair.runtime.functions.is_certain();
            pair.hold_calls((program, &uses), is_certain, finding, position, out);
        }
    }
}

/// The device of such a type, where it has an API of its own.
pub(super) fn device(number: i64) -> Option<&'static str> {
    let found = DEVICES.iter().find(|(known, _)| *known == number)?;
    Some(found.1)
}

/// A copy of a tensor to a device that the runtime does not have; where it may, what the
/// process needs for it is noted.
pub(super) fn copy(
    rule: &'static Rule,
    pair: &Pair<'_>,
    device: &str,
    out: &mut Outcome,
) -> Option<Finding> {
    let loaders = pair.runtime.module_loaders.value.as_ref();
    let has_loader = loaders.is_none_or(|loaders| loaders.contains(device));
    let api = format!("device_api.{device}");
    if has_loader || pair.runtime.offers_function(&api) != Some(false) {
        out.need(Need {
            library: format!("a {device} device"),
            brought_by: format!("the machine, and a runtime with `{api}`"),
        });
        return None;
    }
    let finding = pair
        .finding(rule, format!("a tensor is copied to a {device} device, but this runtime has no `{api}`"))
        .says_known(pair.words("no-device-api", &[("device", device)]))
        .help(format!("use a runtime that is built for {device}, or compile the library for the devices that there are"));
    Some(finding)
}
