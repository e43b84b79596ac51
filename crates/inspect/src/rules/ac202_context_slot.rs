//! AC202 context-slot: a function pointer the runtime leaves null.

use super::{Check, Outcome, Pair, Rule};
use crate::finding::{Location, Repair, Severity};
use crate::module::is_asked_by_name;
use crate::runtime::{CallingConvention, slots};

pub(super) static RULE: Rule = Rule {
    code: "AC202",
    name: "context-slot",
    severity: Severity::Error,
    summary: "the library calls through a slot that the runtime does not fill: a crash without a message",
    explain: include_str!("ac202_context_slot.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Pair(check)];

/// Slots that a shim can fill exactly, with what it fills them.
const SHIMMED: &[(&str, &str)] = &[
    (
        "__TVMBackendGetFuncFromEnv",
        "TVMFFIEnvModLookupFromImports",
    ),
    (
        "__TVMFFIEnvModLookupFromImports",
        "TVMFFIEnvModLookupFromImports",
    ),
    ("__TVMFFIHandleInitOnce", "TVMFFIHandleInitOnce"),
];

/// Slots that the linker kept back: a runtime asks for each by its name.
fn check_local(pair: &Pair<'_>, out: &mut Outcome) {
    let binary = pair.artifact.binary.as_deref();
    let Some(binary) = binary.filter(|binary| is_asked_by_name(binary)) else {
        return;
    };
    let (exported, local): (Vec<_>, Vec<_>) = binary
        .defined
        .iter()
        .filter(|symbol| slots::name(symbol.name.as_bytes()).is_some())
        .partition(|symbol| symbol.exported);
    for slot in local {
        if exported.iter().any(|other| other.name == slot.name) {
            continue;
        }
        let name = &slot.name;
        let message = format!(
            "the library calls through slot `{name}`, which is local in the file: no runtime finds it, and the first call crashes"
        );
        out.push(
            pair.finding(&RULE, message)
                .at(Location::of_symbol(name.clone()))
                .evidence("the linker was told to export other symbols only; there is no message: loading succeeds, the first call through the slot is a segmentation fault")
                .help("link it again, with `__TVM*` beside `__tvm*` among the global symbols of the version script or export list"),
        );
    }
}

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    check_local(pair, out);
    let Some(filled) = &pair.runtime.context_slots.value else {
        if !pair.library.slots.is_empty() {
            out.undecided(
                &RULE,
                "the context slots that this runtime fills are not known",
            );
        }
        return;
    };
    for slot in &pair.library.slots {
        if filled.contains(slot) {
            continue;
        }
        let shim = SHIMMED.iter().find(|(name, _)| name == slot);
        let ffi_convention =
            pair.runtime.calling_convention.value != Some(CallingConvention::PackedC);
        let finding = pair
            .finding(&RULE, format!("the library calls through slot `{slot}`, which this runtime never sets; the first call crashes"))
            .at(Location::of_symbol(slot.clone()))
            .evidence("there is no message: loading and VM initialisation succeed, the first call through the slot is a segmentation fault");
        let finding = match shim {
            Some((_, exact)) if ffi_convention => finding
                .help(format!("load a shim that fills it with `{exact}`: `artcheck patch shim --runtime RUNTIME --for FILE --out shim.so`; or compile with the runtime's TVM"))
                .repair(&[Repair::Shim]),
            _ => finding.help("compile the library with the runtime's TVM: the calling convention differs"),
        };
        pair.hold(&pair.runtime.context_slots, finding, out);
    }
}
