//! AC402 wasm-glue: the imports and exports of a wasm model library against
//! what the JavaScript side of either generation gives and takes.

use super::{ArtifactContext, Check, Outcome, Page, Rule};
use crate::artifact::Role;
use crate::container::{Binary, BinaryKind, Format, ImportKind, WasmImport};
use crate::finding::{Finding, Location, Severity};
use crate::module::Blob;
use crate::module::engine::Purpose;
use crate::place::Place;
use crate::runtime::{glue, messages};

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
    exports.any(|export| entry.contains(&export.as_str()))
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

/// Imports that the JavaScript of no known package fills.
fn strays(path: &Place, binary: &Binary, out: &mut Outcome) {
    let is_known = |name: &str| {
        let mut rows = glue::packages().iter();
        rows.any(|row| row.glue.offers.contains(name))
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
    if let Some((missing, others)) = missing(binary, |name| page.glue.offers.contains(name)) {
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
    let absent = |name: &&String| !binary.wasm_exports.contains(name);
    let absent: Vec<&str> = page
        .glue
        .exports
        .iter()
        .filter(absent)
        .map(String::as_str)
        .collect();
    if let Some(first) = absent.first() {
        let message = format!(
            "{} looks for the export `{first}`, which the file lacks",
            page.package
        );
        let says = messages::of_others("exports", &[("names", &absent.join(","))]);
        return out.push(finding(message).at(symbol(first)).says_known(says));
    }
    let Some(runtime) = page.runtime else { return };
    for name in asked(page) {
        match runtime.offers_function(name) {
            Some(true) => {}
            Some(false) => {
                let package = page.package;
                let message = format!(
                    "{package} asks the runtime in the file for `{name}`, which that does not register"
                );
                let says = messages::of_others("global-function", &[("name", name)]);
                return out.push(finding(message).at(symbol(name)).says_known(says));
            }
            None => out.undecided(
                &RULE,
                format!("whether the runtime in the file registers `{name}` is not known"),
            ),
        }
    }
}

/// The global functions that the package asks for before it runs such a model.
fn asked<'a>(page: &Page<'a>) -> impl Iterator<Item = &'a String> {
    let executables = page.library.blob.iter().flat_map(Blob::executables);
    let executables = executables.map(|(_, executable)| executable);
    let mut executables = executables.zip(&page.library.outlines);
    let purpose = executables.find_map(|(executable, outline)| {
        let metadata = &outline.as_ref().ok()?.metadata;
        let functions = &executable.functions;
        Some(Purpose::of(metadata, |name| {
            functions.iter().any(|it| it.name == name)
        }))
    });
    let of_engine = match purpose {
        Some(Purpose::Chat) => &page.glue.chat[..],
        Some(Purpose::Encoder | Purpose::Decoder) => &page.glue.embedding,
        _ => &[],
    };
    page.glue.instance.iter().chain(of_engine)
}

/// An import that nobody fills, and its number.
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
            ImportKind::Function => "import",
            ImportKind::Memory => "import-memory",
            ImportKind::Other => return None,
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
        ImportKind::Function => {
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
