//! AC402 wasm-glue: the imports and exports of a wasm model library against
//! what the JavaScript side of either generation gives and takes.

use std::collections::BTreeSet;

use super::{ArtifactContext, Check, Outcome, Page, Rule};
use crate::artifact::Role;
use crate::container::{Binary, BinaryKind, Format, WasmImport, WasmKind};
use crate::finding::{Finding, Location, Severity};
use crate::module::Blob;
use crate::module::engine::Purpose;
use crate::module::metadata::OLD_FUNCTION;
use crate::place::Place;
use crate::runtime::glue::{self, Glue};
use crate::runtime::glue_asks::{self, FUNCTION};
use crate::runtime::messages;

pub(super) static RULE: Rule = Rule {
    code: "AC402",
    name: "wasm-glue",
    severity: Severity::Error,
    summary: "the wasm file's imports or exports do not fit the JavaScript that loads it",
    explain: include_str!("ac402_wasm_glue.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check), Check::Page(check_page)];

/// The module that JavaScript fills.
const GLUE: &str = "env";
/// The modules that every package offers: functions alone.
const MODULES: [&str; 2] = [GLUE, "wasi_snapshot_preview1"];
/// The export of a library's memory.
const MEMORY: &str = "memory";
const LINK: &str =
    "link it with the wasm runtime (tvm's web build, `mlc_llm compile --device webgpu`)";
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
    let has_runtime = has_runtime(binary);
    if has_runtime {
        strays(&artifact.path, binary, out);
    }
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
            .help("build model and wasm runtime with one TVM release"),
        );
    }
    let mut imports = binary.wasm_imports.iter();
    let wants_api = imports.find(|import| import.module == GLUE && is_c_api(&import.name));
    if let Some(import) = wants_api.filter(|_| !has_runtime) {
        out.push(
            Finding::new(
                &RULE,
                &artifact.path,
                "the file holds no TVM runtime yet: JavaScript does not provide its C functions",
            )
            .severity(Severity::Info)
            .at(symbol(&import.name))
            .help(LINK),
        );
    }
}

/// Whether TVM's runtime is in the file: it exports the functions by which JavaScript
/// calls it.
fn has_runtime(binary: &Binary) -> bool {
    let entry = ["TVMFFIFunctionCall", "TVMFuncCall"];
    let mut exports = binary.wasm_exports.iter();
    exports.any(|export| entry.contains(&export.name.as_str()))
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
    let mut exports = binary.wasm_exports.iter();
    imported || exports.any(|export| export.name == name)
}

/// Imports that the JavaScript of no known package fills.
fn strays(path: &Place, binary: &Binary, out: &mut Outcome) {
    let is_known = |name: &str| {
        let mut rows = glue::packages().iter();
        rows.any(|row| row.glue.has(name))
    };
    let Some((missing, others)) = missing(binary, is_known) else {
        return;
    };
    let name = &missing.import.name;
    let finding = Finding::new(
        &RULE,
        path,
        format!("the file imports `{name}`, which no known JavaScript package provides"),
    )
    .at(symbol(name))
    .says_known(missing.link_error())
    .help("rebuild the wasm runtime with the source that defines it; artcheck does not stub functions that it does not know");
    out.push(with_others(finding, &others));
}

/// The library in a page of this package.
fn check_page(page: &Page<'_>, out: &mut Outcome) {
    let Some(binary) = &page.artifact.binary else {
        return;
    };
    let help = match page.runtime {
        Some(_) => {
            "use the library that was built for this version of the package, or the package that the library was built for; then clear the browser's cache"
        }
        None => LINK,
    };
    let finding = |message: String| {
        let finding = Finding::new(&RULE, &page.artifact.path, message);
        finding.on(page.package).help(help)
    };
    if let Some((missing, others)) = missing(binary, |name| page.glue.has(name)) {
        let name = &missing.import.name;
        let message = format!(
            "the file imports `{name}`, which {} does not provide",
            page.package
        );
        let finding = finding(message)
            .at(symbol(name))
            .says_known(missing.link_error());
        return out.push(with_others(finding, &others));
    }
    if let Some((name, kind, says)) = unfit(binary, page.glue) {
        let is_there = binary.wasm_exports.iter().any(|it| it.name == name);
        let what = match kind {
            _ if !is_there => "which the file lacks",
            WasmKind::Memory => "which is no memory",
            _ => "which is no function",
        };
        let message = format!("{} looks for the export `{name}`, {what}", page.package);
        return out.push(finding(message).at(symbol(name)).says_known(says));
    }
    if binary.wasm_starts {
        let why =
            "what the file's start function does, before JavaScript has its memory, is not read";
        out.undecided(&RULE, why);
    }
    if page.runtime.is_some() {
        engine(page, &finding, out);
    }
}

/// What the engine asks for before it runs such a model.
fn engine(page: &Page<'_>, finding: &dyn Fn(String) -> Finding, out: &mut Outcome) {
    let package = page.package;
    let of_engine = match purpose(page) {
        Some(Purpose::Chat) => &page.glue.chat[..],
        Some(Purpose::Encoder | Purpose::Decoder) => {
            if page.glue.embedding.is_empty() && !page.glue.chat.is_empty() {
                let message = format!("{package} runs chat models, and no embedding models");
                return out.push(finding(message));
            }
            &page.glue.embedding
        }
        _ => &[],
    };
    let functions = functions(page);
    let has = |name: &str| match name.strip_prefix(FUNCTION) {
        Some(name) => Some(functions.contains(name)),
        None => page.runtime?.offers_function(name),
    };
    for words in [&page.glue.instance[..], of_engine] {
        let answer = glue_asks::ask(words, &has);
        for name in answer.unknown {
            out.undecided(
                &RULE,
                format!("whether the runtime in the file registers `{name}` is not known"),
            );
        }
        let Some(name) = answer.missing else { continue };
        let (message, key, name) = match name.strip_prefix(FUNCTION) {
            Some(name) => {
                let message =
                    format!("{package} calls `{name}` of the model, which has no such function");
                (message, "model-function", name)
            }
            None => {
                let message = format!(
                    "{package} asks the runtime in the file for `{name}`, which that does not register"
                );
                (message, "global-function", name)
            }
        };
        let says = messages::of_others(key, &[("name", name)]);
        return out.push(finding(message).at(symbol(name)).says_known(says));
    }
}

/// The first export that the package uses and the file lacks, or has as something else, and
/// what is printed. What Emscripten's part uses comes first, then the package compares a
/// list, then it calls others.
fn unfit<'a>(binary: &Binary, glue: &'a Glue) -> Option<(&'a str, WasmKind, Option<String>)> {
    let lacks = |name: &str, kind| {
        let mut exports = binary.wasm_exports.iter();
        !exports.any(|export| export.name == name && export.kind == kind)
    };
    let (called, own): (Vec<&String>, Vec<&String>) =
        glue.calls.iter().partition(|callee| callee.contains('.'));
    let first = |callees: &[&'a String]| {
        callees.iter().find_map(|callee| {
            let (name, kind) = export_of(callee);
            lacks(name, kind).then(|| (name, kind, said(binary, callee)))
        })
    };
    let compared = || {
        let names = glue.exports.iter().map(String::as_str);
        let absent: Vec<&str> = names
            .filter(|name| lacks(name, WasmKind::Function))
            .collect();
        let says = messages::of_others("exports", &[("names", &absent.join(","))]);
        Some((*absent.first()?, WasmKind::Function, says))
    };
    first(&own).or_else(compared).or_else(|| first(&called))
}

/// The export that JavaScript means. Emscripten puts a `_` before the names of functions.
fn export_of(callee: &str) -> (&str, WasmKind) {
    let name = match callee.rsplit_once('.') {
        Some((_, name)) => name,
        None if callee.starts_with("__") => callee.strip_prefix('_').unwrap_or(callee),
        None if callee == MEMORY => return (callee, WasmKind::Memory),
        None => callee,
    };
    (name, WasmKind::Function)
}

/// What Chromium prints where it is not what JavaScript means.
fn said(binary: &Binary, callee: &str) -> Option<String> {
    match callee {
        MEMORY => {
            let mut exports = binary.wasm_exports.iter();
            let is_other = exports.any(|export| export.name == MEMORY);
            (!is_other).then(|| messages::of_others("export-memory", &[]))?
        }
        _ if callee == export_of(callee).0 => None,
        _ => messages::of_others("export-call", &[("callee", callee)]),
    }
}

/// What the model is for, as its metadata says. Those of 2023 are all for chat.
fn purpose(page: &Page<'_>) -> Option<Purpose> {
    let executables = page.library.blob.iter().flat_map(Blob::executables);
    let executables = executables.map(|(_, executable)| executable);
    let mut executables = executables.zip(&page.library.outlines);
    executables.find_map(|(executable, outline)| {
        let has = |name: &str| executable.functions.iter().any(|it| it.name == name);
        match outline {
            Ok(outline) => Some(Purpose::of(&outline.metadata, has)),
            Err(_) => has(OLD_FUNCTION).then_some(Purpose::Chat),
        }
    })
}

/// The functions that JavaScript finds in the model: the machine's, and those of the modules
/// that it imports.
fn functions<'a>(page: &Page<'a>) -> BTreeSet<&'a str> {
    let Ok(blob) = &page.library.blob else {
        return BTreeSet::new();
    };
    let executables = blob.executables();
    let functions = executables.flat_map(|(_, executable)| &executable.functions);
    let mut names: BTreeSet<&str> = functions.map(|function| function.name.as_str()).collect();
    names.extend(page.library.own_functions(blob));
    names
}

/// An import that no JavaScript fills, and its number.
struct Missing<'a> {
    number: usize,
    import: &'a WasmImport,
}

impl Missing<'_> {
    /// In the words of Chromium.
    fn link_error(&self) -> Option<String> {
        let number = self.number.to_string();
        let values = [
            ("number", number.as_str()),
            ("module", &self.import.module),
            ("name", &self.import.name),
        ];
        let is_offered = MODULES.contains(&self.import.module.as_str());
        let key = match self.import.kind {
            _ if !is_offered => "import-module",
            WasmKind::Function => "import",
            WasmKind::Memory => "import-memory",
            WasmKind::Other => return None,
        };
        messages::of_others(key, &values)
    }
}

/// The first import that is not offered, and the names of the others. Objects get memory and
/// tables when they are linked.
fn missing<'a>(
    binary: &'a Binary,
    is_known: impl Fn(&str) -> bool,
) -> Option<(Missing<'a>, Vec<&'a str>)> {
    let is_linked = binary.kind != BinaryKind::Object;
    let is_missing = |import: &WasmImport| match import.kind {
        WasmKind::Function => {
            let is_offered = MODULES.contains(&import.module.as_str());
            !is_known(&import.name) || (is_linked && !is_offered)
        }
        _ => is_linked,
    };
    let mut missing = binary.wasm_imports.iter().enumerate();
    let (number, import) = missing.find(|(_, import)| is_missing(import))?;
    let others = missing.filter(|(_, import)| is_missing(import));
    let others = others.map(|(_, import)| import.name.as_str()).collect();
    Some((Missing { number, import }, others))
}

/// Names the first few of the other imports.
fn with_others(finding: Finding, others: &[&str]) -> Finding {
    const SHOWN: usize = 4;
    let shown = others.iter().take(SHOWN);
    let finding = shown.fold(finding, |finding, name| {
        finding.evidence(format!("also `{name}`"))
    });
    match others.len().saturating_sub(SHOWN) {
        0 => finding,
        more => finding.evidence(format!("and {more} more")),
    }
}

fn symbol(name: &str) -> Location {
    Location {
        symbol: Some(name.to_owned()),
        ..Location::default()
    }
}
