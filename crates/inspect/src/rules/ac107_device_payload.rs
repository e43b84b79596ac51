//! AC107 device-payload: device modules laid out for another generation, or left to be
//! compiled where they are loaded.

use super::{Check, Outcome, Pair, Rule};
use crate::finding::{Finding, Location, Repair, Severity};
use crate::module::{FunctionInfoForm, Payload, PayloadOrder};
use crate::runtime::history;
use crate::words::spell;

pub(super) static RULE: Rule = Rule {
    code: "AC107",
    name: "device-payload",
    severity: Severity::Error,
    summary: "device code is stored in a layout that the runtime does not read, or as CUDA source that must be compiled first",
    explain: include_str!("ac107_device_payload.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check_undecodable), Check::Pair(check)];

/// A device payload that fits no known layout: nobody can say what a runtime makes of it.
fn check_undecodable(context: &super::ArtifactContext<'_>, out: &mut Outcome) {
    for library in &context.artifact.libraries {
        let Ok(blob) = &library.blob else { continue };
        for module in &blob.modules {
            let Payload::Undecodable { error } = &module.payload else {
                continue;
            };
            // A limit is among the artifact's problems.
            if module.kind.starts_with("relax.") || error.is_limit {
                continue;
            }
            let at = library
                .file_offset
                .saturating_add(module.payload_offset)
                .saturating_add(error.at);
            out.push(
                Finding::new(
                    &RULE,
                    &context.artifact.path,
                    format!("the `{}` payload fits no known layout", module.kind),
                )
                .at(Location::at(at))
                .evidence(format!(
                    "at file offset {at:#x}: expected {}, found {}",
                    error.expected, error.found
                ))
                .help("compile the library again. If a TVM does load it, artcheck is wrong: please report that"),
            );
        }
    }
}

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    for module in &pair.blob.modules {
        let Payload::Device(device) = &module.payload else {
            continue;
        };
        let location = Location::at(pair.file_offset(module.payload_offset));
        if module.kind == "cuda" && device.code_format == SOURCE {
            source(pair, location.clone(), out);
        }
        if let Some(read) = pair.runtime.payload_order.value
            && device.order != PayloadOrder::Stable
            && read != device.order
        {
            pair.hold(&pair.runtime.payload_order,
                pair.finding(&RULE, format!("the `{}` payload has the field order of {}, but this runtime reads that of {}", module.kind, era(device.order), era(read)))
                    .at(location.clone())
                    .evidence("loading fails at a check of the loader, or kernels are misread without a message")
                    .help(if module.kind == "metal" {
                        "`artcheck fix FILE --runtime RUNTIME` reorders it, or load the shim's metal-payload part"
                    } else {
                        VULKAN
                    })
                    .repair(if module.kind == "metal" { &[Repair::Shim, Repair::InPlace] } else { &[] }),
                out,
            );
        }
        if let (Some(read), form @ (FunctionInfoForm::Plain | FunctionInfoForm::ExtraTags)) =
            (pair.runtime.function_info.value, device.function_info)
            && read != form
        {
            pair.hold(&pair.runtime.function_info,
                pair.finding(
                    &RULE,
                    format!(
                        "kernels of `{}` are described in the {} form, but this runtime reads {}",
                        module.kind,
                        spell(form),
                        spell(read)
                    ),
                )
                .at(location)
                .help(if module.kind == "vulkan" {
                    VULKAN
                } else {
                    "`artcheck fix FILE --runtime RUNTIME` rewrites the descriptions where there is room, or compile the library with the runtime's TVM"
                })
                .repair(if module.kind == "vulkan" { &[] } else { &[Repair::InPlace] }),
                out,
            );
        }
    }
}

/// The format of CUDA code that is source text.
const SOURCE: &str = "cuda";
/// What compiles it when a library is loaded, from 0.24.
const COMPILER: &str = "tvm_callback_cuda_compile";

/// A build machine without NVIDIA's compiler leaves the source in the library.
fn source(pair: &Pair<'_>, at: Location, out: &mut Outcome) {
    let unless = match pair.runtime.offers_function(COMPILER) {
        Some(true) => return,
        Some(false) => "; nothing here registers it",
        None => "",
    };
    out.push(
        pair.finding(
            &RULE,
            format!("the `cuda` payload is CUDA source, which `{COMPILER}` must compile when the library is loaded{unless}"),
        )
        .severity(Severity::Warning)
        .at(at)
        .says_known(pair.words("cuda-source", &[]))
        .help("in Python import `tvm.support.nvcc` before the library is loaded, where nvcc or NVRTC is installed; for any other client compile the library on a machine that has one of them, which stores machine code"),
    );
}

const VULKAN: &str = "compile the library with the runtime's TVM; artcheck changes no vulkan payload, because no release ships a vulkan loader that a changed one could be tried with";

/// The releases that read an order.
fn era(order: PayloadOrder) -> String {
    history::when(|known| known.payload_order.value == Some(order)).spoken()
}
