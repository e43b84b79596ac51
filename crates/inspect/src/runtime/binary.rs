//! A runtime profile read from real libraries, without running them.
//!
//! Each part is read once: its exports, the NUL-framed strings of its
//! read-only data, the texts of its checks and, for the VM runtime alone, its
//! code for references to the tag literals. Compiler libraries are only asked
//! for exports: they are a hundred times larger and hold no VM.

use std::collections::{BTreeMap, BTreeSet};

use super::strings::{self, Exclusion, Piece};
use super::{
    Confidence, Fact, RuntimeProfile, arity, functions, identity, infer, loaders, magics,
    registrations, slots, tags,
};
use crate::container::{Architecture, Format, Parsed, Platform};
use crate::parts::PartKind;

/// Longest string that any fact looks at whole.
const LONGEST_STRING: usize = functions::LONGEST;

/// How the registered functions of a part are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// From the code, where it can be followed.
    Followed,
    /// By the strings that can be their names.
    Strings,
}

/// The profile of one part. `file` is the name shown to people; `exclude`
/// names ranges that are a model's, not the runtime's (wasm).
pub fn read(
    file: &str,
    kind: &PartKind,
    parsed: &Parsed<'_>,
    exclude: &[Exclusion],
    registered: Registered,
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
    read_functions(&mut profile, kind, parsed, &texts, registered);
    read_strings(&mut profile, kind, parsed, &texts);
    if kind.has_vm() {
        profile.identity = identity::of(parsed).map(str::to_owned);
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
    let mut filled = BTreeSet::new();
    let mut literals = tags::Literals::default();
    let has_vm = kind.has_vm();
    if has_vm {
        strings::each_with(texts, slots::BEGIN, LONGEST_STRING, |framed| {
            if let Some(slot) = slots::name(framed.bytes) {
                filled.insert(slot.to_owned());
            }
        });
        for tag in tags::SOUGHT {
            strings::each_with(texts, tag, LONGEST_STRING, |framed| literals.visit(framed));
        }
        if parsed.binary.format == Format::Wasm && !literals.any() {
            literals.visit_code(parsed.data);
        }
    }
    if !filled.is_empty() {
        profile.context_slots =
            Fact::known(filled, Confidence::Binary).with_note("slot names in read-only data");
    }
    if kind.has_vm() && literals.any() {
        profile.attention_tags = tags::accepted(
            &literals,
            texts,
            &strings::code(parsed),
            parsed.binary.architecture,
        );
    }
}

/// The registered functions, from the code where all of it can be followed. Else
/// the strings that can be names are possible ones; where no code is followed at
/// all, they stand for the functions.
fn read_functions(
    profile: &mut RuntimeProfile,
    kind: &PartKind,
    parsed: &Parsed<'_>,
    texts: &[Piece<'_>],
    registered: Registered,
) {
    let read = match registered {
        Registered::Followed => registrations::read(parsed, texts, kind),
        Registered::Strings => registrations::Registrations::default(),
    };
    let mut possible = BTreeSet::new();
    if !read.is_complete {
        let mut keep = |framed: strings::Framed<'_>| {
            possible.extend(functions::name(framed.bytes, kind).map(str::to_owned));
        };
        strings::each_dotted(texts, LONGEST_STRING, &mut keep);
        for name in functions::UNDOTTED {
            strings::each_with(texts, name, LONGEST_STRING, &mut keep);
        }
    }
    let is_read = !read.names.is_empty();
    let (names, source, note) = if is_read {
        (read.names, Confidence::Binary, "registrations in the code")
    } else {
        let strings = std::mem::take(&mut possible);
        (
            strings,
            Confidence::BinaryLiteral,
            "strings in read-only data",
        )
    };
    possible.retain(|name| !names.contains(name) && !functions::is_behind_pieces(name, &names));
    let kinds = names.iter().chain(&possible);
    let kinds: BTreeSet<String> = kinds
        .filter_map(|name| loaders::kind(name).map(str::to_owned))
        .collect();
    if !kinds.is_empty() {
        profile.module_loaders = Fact::known(kinds, source).with_note("names of loader functions");
    }
    if !names.is_empty() {
        // The names of a wasm file are texts in it, whole or as the end of another.
        let holds_all = !is_read || parsed.binary.format == Format::Wasm;
        if read.is_complete || holds_all && kind.has_vm() {
            profile.function_namespaces.insert(String::new());
        }
        profile.functions = Fact::known(names, source).with_note(note);
    }
    profile.possible_functions = possible;
}

/// Exported `TVM*` C symbols.
fn c_exports(parsed: &Parsed<'_>) -> BTreeSet<String> {
    let binary = &parsed.binary;
    if binary.format == Format::Wasm {
        return binary
            .wasm_exports
            .iter()
            .map(|export| export.name.clone())
            .filter(|name| name.starts_with("TVM"))
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
        whole.identity = whole.identity.take().or_else(|| part.identity.clone());
        if !kind.is_core() {
            note_provider(&mut whole.provided_by, part);
        }
        whole.join(part);
        whole.compiler = whole.compiler.take().or_else(|| part.compiler.clone());
        whole
            .possible_functions
            .extend(part.possible_functions.iter().cloned());
    }
    // What is in no part's list is missing where every list is complete.
    let registers = |(_, part): &&(PartKind, &RuntimeProfile)| part.functions.value.is_some();
    let mut lists = parts.iter().filter(registers).peekable();
    if lists.peek().is_some() && lists.all(|(_, part)| part.lists_every_function()) {
        whole.function_namespaces.insert(String::new());
    }
    if let Some(names) = &whole.functions.value {
        whole
            .possible_functions
            .retain(|name| !names.contains(name));
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
        Platform::TvOs => "tvos",
        Platform::WatchOs => "watchos",
        Platform::VisionOs => "visionos",
        Platform::OtherApple => "other-apple",
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
