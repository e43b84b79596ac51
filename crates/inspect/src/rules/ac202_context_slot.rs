//! AC202 context-slot: a function pointer the runtime leaves null.

use std::collections::BTreeSet;

use super::{Check, Outcome, Pair, Rule, shim_mark, takes_shims};
use crate::artifact::Artifact;
use crate::container::is_context_symbol;
use crate::finding::{Location, Repair, Severity};
use crate::limits::MAX_FINDINGS;
use crate::module::is_asked_by_name;
use crate::runtime::{CallingConvention, companions, slots};

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

/// The cell's name from 0.22 on.
const CONTEXT: &str = "__tvm_ffi__library_ctx";

/// Slots that the linker kept back: a runtime asks for each by its name.
fn check_local(pair: &Pair<'_>, out: &mut Outcome) {
    let binary = pair.artifact.binary.as_deref();
    let Some(binary) = binary.filter(|binary| is_asked_by_name(binary)) else {
        return;
    };
    let names = |exported: bool| -> BTreeSet<&str> {
        let defined = binary.defined.iter();
        let slots = defined.filter(|one| slots::name(one.name.as_bytes()).is_some());
        let names = slots.filter(|one| one.exported == exported);
        names.map(|one| one.name.as_str()).collect()
    };
    let exported = names(true);
    let mut local = names(false);
    let idle: BTreeSet<&str> = pair.library.idle_slots.iter().map(String::as_str).collect();
    local.retain(|name| !exported.contains(name) && !idle.contains(name));
    let Some(first) = local.first() else { return };
    let message = match local.len() {
        1 => format!(
            "the library calls through slot `{first}`, which is local in the file: no runtime finds it, and the first call crashes"
        ),
        many => format!(
            "the library calls through {many} slots, as `{first}`, that are local in the file: no runtime finds them, and the first call crashes"
        ),
    };
    let mut finding = pair
        .finding(&RULE, message)
        .evidence("the linker was told to export other symbols only. The library loads; the first call through a slot ends with a segmentation fault, without a message")
        .help("link it again, with `__TVM*` beside `__tvm*` among the global symbols of the version script or export list");
    for name in local.iter().take(MAX_FINDINGS) {
        finding = finding.at(Location::of_symbol((*name).to_owned()));
    }
    out.push(finding);
}

/// The cell through which the host code of a library knows the library itself: a runtime
/// puts it there by the cell's name, and look-ups begin with it.
fn check_context(pair: &Pair<'_>, out: &mut Outcome) {
    let binary = pair.artifact.binary.as_deref();
    let Some(binary) = binary.filter(|binary| is_asked_by_name(binary)) else {
        return;
    };
    let mut defined = binary.defined.iter();
    let has_cell = defined.any(|one| one.exported && is_context_symbol(&one.name));
    if has_cell || !pair.library.looks_up() {
        return;
    }
    let finding = pair
        .finding(
            &RULE,
            "the functions of the library look up others through its context, but the file exports no cell for it: no runtime sets it, and the first look-up crashes",
        )
        .at(Location::of_symbol(String::from(CONTEXT)))
        .evidence("the linker kept the symbol back, or it was renamed. The library loads; the first look-up ends with a segmentation fault, without a message")
        .help("link it again with `__tvm*` among the global symbols, from objects whose symbols have the names that TVM gave them");
    out.push(finding);
}

/// Cells that a runtime writes to when it opens the library, where nothing may be written.
fn check_frozen(pair: &Pair<'_>, out: &mut Outcome) {
    let binary = pair.artifact.binary.as_deref();
    let Some(binary) = binary.filter(|binary| is_asked_by_name(binary)) else {
        return;
    };
    let filled = pair.runtime.context_slots.value.as_ref();
    let is_written = |name: &&String| {
        is_context_symbol(name) || filled.is_some_and(|filled| filled.contains(*name))
    };
    let frozen: Vec<&String> = binary.frozen.iter().filter(is_written).collect();
    let Some(first) = frozen.first() else { return };
    let mut finding = pair
        .finding(
            &RULE,
            format!("the runtime writes to `{first}` when it opens the library, but that memory may not be written"),
        )
        .evidence("there is no message: the process ends with a memory fault while the library is opened")
        .help("link it again with `.data` and `.bss` in a segment or section that may be written: without `/MERGE:.data=.rdata`, or a script that protects them");
    for name in frozen.into_iter().take(MAX_FINDINGS) {
        finding = finding.at(Location::of_symbol(name.clone()));
    }
    out.push(finding);
}

/// Whether a library says itself what slots it fills.
fn is_shim(library: &Artifact) -> bool {
    let binary = library.binary.as_deref();
    let mark = shim_mark(&RULE).unwrap_or_default();
    binary.is_some_and(|binary| companions::exports(binary, mark))
}

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    check_local(pair, out);
    check_context(pair, out);
    check_frozen(pair, out);
    let Some(filled) = &pair.runtime.context_slots.value else {
        if pair.library.used_slots().next().is_some() {
            out.undecided(
                &RULE,
                "the context slots that this runtime fills are not known",
            );
        }
        return;
    };
    for slot in pair.library.used_slots() {
        if filled.contains(slot) {
            continue;
        }
        if let Some(why) = pair.at_load.may_fill(slot, is_shim) {
            out.undecided(&RULE, why);
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
            Some((_, exact)) if ffi_convention && takes_shims(pair.artifact) => finding
                .help(format!("load a shim that fills it with `{exact}`: `artcheck patch shim --runtime RUNTIME --for FILE --out shim.so`; or compile with the runtime's TVM"))
                .repair(&[Repair::Shim]),
            Some(_) if ffi_convention => finding.help("compile the library with the runtime's TVM"),
            _ => finding.help("compile the library with the runtime's TVM: the calling convention differs"),
        };
        pair.hold(&pair.runtime.context_slots, finding, out);
    }
}
