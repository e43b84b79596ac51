//! A runtime profile read from real libraries, without running them.
//!
//! Each part is read once: its exports, the NUL-framed strings of its
//! read-only data, the texts of its checks and, for the VM runtime alone, its
//! code for references to the tag literals. Compiler libraries are only asked
//! for exports: they are a hundred times larger and hold no VM.

use std::collections::{BTreeMap, BTreeSet};

use super::strings::{self, Exclusion, Piece};
use super::{
    Confidence, Fact, RuntimeProfile, arity, functions, infer, loaders, magics, slots, tags,
};
use crate::container::{Architecture, Format, Parsed, Platform};
use crate::parts::PartKind;

/// Longest string that any fact looks at whole.
const LONGEST_STRING: usize = functions::LONGEST;

/// The profile of one part. `file` is the name shown to people; `exclude`
/// names ranges that are a model's, not the runtime's (wasm).
pub fn read(
    file: &str,
    kind: &PartKind,
    parsed: &Parsed<'_>,
    exclude: &[Exclusion],
) -> RuntimeProfile {
    let binary = &parsed.binary;
    let mut profile = RuntimeProfile {
        name: file.to_owned(),
        parts: vec![file.to_owned()],
        os: operating_system(binary.platform).map(str::to_owned),
        architecture: architecture_name(binary.architecture),
        ..RuntimeProfile::default()
    };
    let exports = c_exports(parsed);
    if !exports.is_empty() {
        profile.c_symbols = Fact::known(exports, Confidence::Binary).with_note("export table");
    }
    if *kind == PartKind::Compiler {
        return profile;
    }
    let texts = strings::read_only(parsed, exclude);
    read_strings(&mut profile, kind, parsed, &texts);
    if kind.has_vm() {
        profile.vm_magics = magics::accepted(&texts);
        profile.vm_version = magics::version(&texts);
        profile.constant_table = magics::constant_table(&texts);
        profile.builtin_arity = arity::constructors(&texts);
        profile.unknown_dtype = arity::unknown_dtype(&texts);
        profile.cache_config_lengths = arity::cache_config(&texts);
    }
    profile
}

/// The facts that are strings of their own.
fn read_strings(
    profile: &mut RuntimeProfile,
    kind: &PartKind,
    parsed: &Parsed<'_>,
    texts: &[Piece<'_>],
) {
    let mut registered = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    let mut filled = BTreeSet::new();
    let mut literals = tags::Literals::default();
    let has_vm = kind.has_vm();
    let mut register = |framed: strings::Framed<'_>| {
        if let Some(name) = functions::name(framed.bytes, kind) {
            if let Some(kind) = loaders::kind(name) {
                kinds.insert(kind.to_owned());
            }
            registered.insert(name.to_owned());
        }
    };
    strings::each_dotted(texts, LONGEST_STRING, &mut register);
    for name in functions::UNDOTTED {
        strings::each_with(texts, name, LONGEST_STRING, &mut register);
    }
    if has_vm {
        strings::each_with(texts, slots::BEGIN, LONGEST_STRING, |framed| {
            if let Some(slot) = slots::name(framed.bytes) {
                filled.insert(slot.to_owned());
            }
        });
        for tag in tags::SOUGHT {
            strings::each_with(texts, tag, LONGEST_STRING, |framed| literals.visit(framed));
        }
    }
    let known = |names: BTreeSet<String>, note: &str| {
        if names.is_empty() {
            Fact::default()
        } else {
            Fact::known(names, Confidence::Binary).with_note(note)
        }
    };
    profile.functions = known(registered, "strings in read-only data");
    profile.module_loaders = known(kinds, "names of loader functions");
    profile.context_slots = known(filled, "slot names in read-only data");
    if kind.has_vm() && literals.any() {
        profile.attention_tags =
            tags::accepted(&literals, texts, &code(parsed), parsed.binary.architecture);
    }
    if kind.has_vm() && profile.functions.value.is_some() {
        // Everything this runtime registers is among the strings.
        profile.function_namespaces.insert(String::new());
    }
}

fn code<'a>(parsed: &'a Parsed<'_>) -> Vec<Piece<'a>> {
    parsed
        .regions
        .iter()
        .filter(|region| region.executable)
        .map(|region| Piece {
            data: &region.data,
            address: region.address,
        })
        .collect()
}

/// Exported `TVM*` C symbols.
fn c_exports(parsed: &Parsed<'_>) -> BTreeSet<String> {
    let binary = &parsed.binary;
    if binary.format == Format::Wasm {
        return binary
            .wasm_exports
            .iter()
            .filter(|name| name.starts_with("TVM"))
            .cloned()
            .collect();
    }
    binary
        .defined
        .iter()
        .filter(|symbol| symbol.exported && symbol.name.starts_with("TVM"))
        .map(|symbol| symbol.name.clone())
        .collect()
}

/// Puts the parts of one load set together and adds what the release table
/// knows of runtimes with exactly these facts.
pub fn merge(name: &str, parts: &[(PartKind, &RuntimeProfile)]) -> RuntimeProfile {
    let mut whole = join(name, parts);
    if parts.iter().any(|(kind, _)| kind.has_vm()) {
        infer::complete(&mut whole);
    }
    whole
}

/// Puts parts together and adds nothing to what was read.
pub fn join(name: &str, parts: &[(PartKind, &RuntimeProfile)]) -> RuntimeProfile {
    let mut whole = RuntimeProfile {
        name: name.to_owned(),
        ..RuntimeProfile::default()
    };
    for (kind, part) in parts {
        whole.parts.extend(part.parts.iter().cloned());
        whole.os = whole.os.take().or_else(|| part.os.clone());
        whole.architecture = whole
            .architecture
            .take()
            .or_else(|| part.architecture.clone());
        if !kind.is_core() {
            note_provider(&mut whole.provided_by, part);
        }
        whole.join(part);
        whole
            .function_namespaces
            .extend(part.function_namespaces.iter().cloned());
    }
    whole
}

/// Remembers which optional part a function or loader comes from.
fn note_provider(provided_by: &mut BTreeMap<String, String>, part: &RuntimeProfile) {
    let file = part.parts.first().cloned().unwrap_or_default();
    for name in part.functions.value.iter().flatten() {
        provided_by
            .entry(name.clone())
            .or_insert_with(|| file.clone());
    }
    for kind in part.module_loaders.value.iter().flatten() {
        provided_by
            .entry(format!("loader:{kind}"))
            .or_insert_with(|| file.clone());
    }
}

/// The word of profiles and targets for a system.
pub(crate) fn operating_system(platform: Platform) -> Option<&'static str> {
    Some(match platform {
        Platform::Linux => "linux",
        Platform::Android => "android",
        Platform::MacOs => "macos",
        Platform::Ios => "ios",
        Platform::IosSimulator => "ios-simulator",
        Platform::MacCatalyst => "mac-catalyst",
        Platform::Windows => "windows",
        Platform::Web => "web",
        Platform::Unknown => return None,
    })
}

/// Spelled as the architecture serialises.
fn architecture_name(architecture: Architecture) -> Option<String> {
    match serde_json::to_value(architecture) {
        Ok(serde_json::Value::String(name)) => Some(name),
        _ => None,
    }
}
