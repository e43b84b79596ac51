//! AC402 wasm-glue: the imports and exports of a wasm model library against
//! what the JavaScript side of either generation gives and takes.

use super::{ArtifactContext, Check, Outcome, Rule};
use crate::artifact::Role;
use crate::container::{Binary, Format};
use crate::finding::{Finding, Location, Severity};
use crate::place::Place;

pub(super) static RULE: Rule = Rule {
    code: "AC402",
    name: "wasm-glue",
    severity: Severity::Error,
    summary: "wasm imports or exports that do not fit the JavaScript runtime's generation",
    explain: include_str!("ac402_wasm_glue.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check)];

/// The module that JavaScript fills.
const GLUE: &str = "env";
/// C++ names that the glue of every generation answers.
const EXPECTED_CXX: [&str; 2] = [
    "_ZN3tvm7runtime9threading10NumThreadsEv",
    "_ZN3tvm7runtime9threading15ResetThreadPoolEv",
];
/// Names that tell the generation, as imports and as exports.
const OLD: [&str; 4] = [
    "TVMWasmPackedCFunc",
    "TVMWasmPackedCFuncFinalizer",
    "TVMFuncCall",
    "TVMWasmFuncCreateFromCFunc",
];
const NEW: [&str; 4] = [
    "TVMFFIWasmSafeCall",
    "TVMFFIWasmFunctionDeleter",
    "TVMFFIFunctionCall",
    "TVMFFIWasmFunctionCreate",
];

fn check(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let Some(binary) = artifact
        .binary
        .as_ref()
        .filter(|binary| binary.format == Format::Wasm && artifact.role != Role::Unrelated)
    else {
        return;
    };
    stray_cxx(&artifact.path, binary, out);
    let old = OLD.iter().find(|name| exchanges(binary, name));
    let new = NEW.iter().find(|name| exchanges(binary, name));
    if let (Some(old), Some(new)) = (old, new) {
        out.push(
            Finding::new(
                &RULE,
                &artifact.path,
                "the file mixes two generations of the JavaScript interface",
            )
            .evidence(format!(
                "`{old}` is of the one before tvm-ffi, `{new}` of the one with it"
            ))
            .says("LinkError: WebAssembly.instantiate(): function import requires a callable")
            .help("build model and wasm runtime with one TVM release"),
        );
    }
    // The runtime's own entry is exported by every page-ready file.
    let wants_api = binary
        .wasm_imports
        .iter()
        .find(|import| import.module == GLUE && is_c_api(&import.name));
    if let Some(import) = wants_api {
        out.push(
            Finding::new(
                &RULE,
                &artifact.path,
                "the file holds no TVM runtime yet: JavaScript does not provide its C functions",
            )
            .severity(Severity::Info)
            .at(symbol(&import.name))
            .help("link it with the wasm runtime (tvm's web build, `mlc_llm compile --device webgpu`)"),
        );
    }
}

/// The C functions of the runtime, without those that JavaScript fills in.
fn is_c_api(name: &str) -> bool {
    name.starts_with("TVM") && !name.starts_with("TVMWasm") && !name.starts_with("TVMFFIWasm")
}

/// Whether JavaScript and the file exchange this name.
fn exchanges(binary: &Binary, name: &str) -> bool {
    let imported = binary
        .wasm_imports
        .iter()
        .any(|import| import.module == GLUE && import.name == name);
    imported || binary.wasm_exports.iter().any(|export| export == name)
}

fn stray_cxx(path: &Place, binary: &Binary, out: &mut Outcome) {
    let mut stray = binary.wasm_imports.iter().filter(|import| {
        import.module == GLUE
            && import.name.starts_with("_Z")
            && !EXPECTED_CXX.contains(&import.name.as_str())
    });
    let Some(first) = stray.next() else { return };
    let mut finding = Finding::new(
        &RULE,
        path,
        format!("the C++ function `{}` was left to JavaScript, which has none", first.name),
    )
    .at(symbol(&first.name))
    .says(format!(
        "LinkError: WebAssembly.instantiate(): module=\"env\" function=\"{}\": function import requires a callable",
        first.name
    ))
    .help("rebuild the wasm runtime with the source that defines it; artcheck refuses to stub code it does not know");
    for import in stray {
        finding = finding.evidence(format!("also `{}`", import.name));
    }
    out.push(finding);
}

fn symbol(name: &str) -> Location {
    Location {
        symbol: Some(name.to_owned()),
        ..Location::default()
    }
}
