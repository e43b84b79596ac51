//! AC203 c-symbol: an undefined `TVM*` C function that no library has, or a symbol of no
//! library that the file names.

use std::collections::{BTreeMap, BTreeSet};

use super::ac201_device_api::PREFIX;
use super::check::{delayed, linker_word};
use super::pair::hold;
use super::{Binding, Check, FolderContext, Outcome, Rule, loaded, takes_shims};
use crate::artifact::{Artifact, Role};
use crate::container::{self, BinaryKind, ForeignSymbol, Format, Platform, UndefinedSymbol};
use crate::finding::{Finding, Location, Repair, Severity};
use crate::limits::MAX_FINDINGS;
use crate::place::Place;
use crate::runtime::elsewhere::Lacking;
use crate::runtime::java::{self, Native, Natives};
use crate::runtime::load_set::{LoadSet, Missing, MissingReason, Unread};
use crate::runtime::{PartKind, messages};

pub(super) static RULE: Rule = Rule {
    code: "AC203",
    name: "c-symbol",
    severity: Severity::Error,
    summary: "the file needs a C symbol that no scanned library exports",
    explain: include_str!("ac203_c_symbol.md"),
};

pub(super) const CHECKS: &[Check] = &[
    Check::Binding(check),
    Check::Binding(check_others),
    Check::Binding(check_loaded),
    Check::LoadSet(check_objects),
    Check::LoadSet(check_parts),
    Check::Folder(check_natives),
];

/// C functions that a shim provides exactly, within one calling convention.
const SHIMMED: &[&str] = &["TVMBackendGetFuncFromEnv"];

fn check(binding: &Binding<'_>, out: &mut Outcome) {
    let wanted: Vec<_> = binding
        .undefined()
        .filter(|symbol| {
            let name = symbol.name.strip_prefix('_').unwrap_or(&symbol.name);
            name.starts_with("TVM") && !name.starts_with(PREFIX) && !symbol.weak
        })
        .collect();
    if wanted.is_empty() {
        return;
    }
    let Some(missing) = binding.missing_c(&wanted) else {
        return out.undecided(
            &RULE,
            "the C symbols that this runtime exports are not known",
        );
    };
    for symbol in missing {
        let shimmed = SHIMMED.contains(&symbol.name.as_str()) && takes_shims(binding.artifact);
        let finding = Finding::new(
            &RULE,
            &binding.artifact.path,
            format!(
                "the file needs `{}`, which neither the runtime nor any other scanned library exports",
                symbol.name
            ),
        )
        .on(&binding.runtime.name)
        .at(Location::of_symbol(symbol.name.clone()))
        .says_known(binding.words(&symbol.name));
        let finding = match symbol.lazy {
            true => at_first_call(binding, symbol, finding),
            false => finding,
        };
        let finding = if shimmed {
            finding
                .help("link or load a shim that exports it: `artcheck patch shim --runtime RUNTIME --for FILE --out libshim.so`; or compile with the runtime's TVM")
                .repair(&[Repair::Shim])
        } else {
            finding.help("use the runtime of the generation this was built for, or build it again with the runtime's TVM")
        };
        // What libraries export was read of them.
        let is_certain = binding.load_set.is_some() || binding.runtime.c_symbols.is_certain();
        hold(binding.runtime, is_certain, finding, out);
    }
}

/// What comes of a symbol that is looked for at its first call.
fn at_first_call(binding: &Binding<'_>, symbol: &UndefinedSymbol, finding: Finding) -> Finding {
    let binary = binding.artifact.binary.as_ref();
    if binary.is_some_and(|binary| binary.format == Format::Pe) {
        return delayed(finding);
    }
    if symbol.idle && binding.artifact.role == Role::ModelLibrary {
        return finding
            .severity(Severity::Warning)
            .evidence(idle(&symbol.users));
    }
    finding.evidence(match symbol.users.as_slice() {
        [] => String::from("it is looked for at the first call: where the file is opened lazily it loads, and that call ends the process"),
        users => format!("the file loads, and the first call of it in {} ends the process", quoted(users)),
    })
}

/// Objects that are linked into one program: what no archive of it defines.
/// Linked libraries are AC204's and AC205's.
fn check_objects(load_set: &LoadSet, out: &mut Outcome) {
    if !load_set.is_static() {
        return;
    }
    for (index, missing) in load_set.missing() {
        let Some(member) = load_set.members.get(index) else {
            continue;
        };
        let is_absent =
            |missing: &&Missing| matches!(missing.reason, MissingReason::LibraryAbsent { .. });
        let (absent, nowhere): (Vec<_>, Vec<_>) = missing
            .iter()
            .filter(|missing| missing.symbol.starts_with("TVM"))
            .partition(is_absent);
        let mut report = |symbols: Vec<&Missing>, severity, what: &str, help: &str| {
            let Some(first) = symbols.first() else { return };
            let mut finding = Finding::new(
                &RULE,
                &member.path,
                format!("{} {what}", count(symbols.len())),
            )
            .severity(severity)
            .on(&load_set.name)
            .says_known(messages::of_system(
                "unlinked-symbol",
                member.binary.format,
                &[
                    ("symbol", &first.symbol),
                    ("architecture", &linker_word(member.binary.architecture)),
                ],
            ))
            .help(help);
            for missing in symbols.into_iter().take(MAX_FINDINGS) {
                finding = finding.at(Location::of_symbol(missing.symbol.clone()));
            }
            out.push(finding);
        };
        report(
            nowhere,
            Severity::Error,
            "of TVM that no archive of the program defines",
            "take all archives from one build of TVM",
        );
        let is_unread = |part: &&Unread| part.kind == PartKind::Ffi;
        let unread = load_set.unread.iter().find(is_unread);
        match unread.filter(|_| !absent.is_empty()) {
            Some(part) => {
                let why = format!("what {} defines was not read", part.place);
                out.undecided_of(&RULE, &member.path, why);
            }
            None => report(
                absent,
                Severity::Warning,
                "of tvm-ffi, which is not among the archives",
                "link libtvm_ffi_static.a of the same build too",
            ),
        }
    }
}

/// Native methods that TVM's Java classes declare and the library for them lacks.
/// Of several archives with such classes the one that is nearest to a library counts.
fn check_natives(context: &FolderContext<'_>, out: &mut Outcome) {
    if context.natives.is_empty() {
        return;
    }
    for (artifact, functions) in with_natives(context.artifacts) {
        let shared = |natives: &&Natives| common(&natives.place, &artifact.path);
        let Some(nearest) = context.natives.iter().map(|one| shared(&one)).max() else {
            continue;
        };
        let classes = context.natives.iter();
        let classes = classes.filter(|natives| shared(natives) == nearest);
        let methods = classes.flat_map(|class| class.methods.iter().map(move |one| (class, one)));
        let has = |native: &Native| {
            let names = [&native.function, &native.long];
            names.iter().any(|name| functions.contains(name.as_str()))
        };
        let missing: Vec<(&Natives, &Native)> = methods.filter(|(_, one)| !has(one)).collect();
        let Some((class, first)) = missing.first() else {
            continue;
        };
        let is_android = artifact
            .binary
            .as_ref()
            .is_some_and(|binary| binary.platform == Platform::Android);
        let mut finding = Finding::new(
            &RULE,
            &artifact.path,
            match missing.len() {
                1 => format!("it lacks a native method that `{}` declares", class.class),
                several => format!(
                    "it lacks {several} native methods that `{}` declares",
                    class.class
                ),
            },
        )
        .says(match is_android {
            true => format!(
                "java.lang.UnsatisfiedLinkError: No implementation found for {} (tried {} and {})",
                first.method, first.function, first.long
            ),
            false => format!("java.lang.UnsatisfiedLinkError: '{}'", first.method),
        })
        .help("take the library and the .jar or .aar of one build of TVM");
        for (class, native) in missing.iter().take(MAX_FINDINGS) {
            finding = finding
                .at(Location {
                    symbol: Some(native.function.clone()),
                    ..Location::default()
                })
                .evidence(format!("{}: {}", class.place, native.method));
        }
        out.push(finding);
        out.and_more(missing.len().saturating_sub(MAX_FINDINGS));
    }
}

/// Libraries with functions of TVM's Java classes: of those in one folder for one machine,
/// which are loaded together, the one with the most, and the functions of all.
fn with_natives(artifacts: &[Artifact]) -> Vec<(&Artifact, BTreeSet<&str>)> {
    let mut together: BTreeMap<_, (usize, &Artifact, BTreeSet<&str>)> = BTreeMap::new();
    for artifact in artifacts {
        let Some(binary) = &artifact.binary else {
            continue;
        };
        let defined = binary.defined.iter();
        let functions: BTreeSet<&str> = defined
            .filter(|symbol| symbol.exported && symbol.name.starts_with(java::PREFIX))
            .map(|symbol| symbol.name.as_str())
            .collect();
        let count = functions.len();
        if count == 0 {
            continue;
        }
        let key = (artifact.path.folder(), binary.architecture, binary.platform);
        let most = together
            .entry(key)
            .or_insert_with(|| (count, artifact, BTreeSet::new()));
        if count > most.0 {
            (most.0, most.1) = (count, artifact);
        }
        most.2.extend(functions);
    }
    let all = together.into_values();
    all.map(|(_, artifact, functions)| (artifact, functions))
        .collect()
}

/// How many folders and archives two places have in common.
fn common(one: &Place, other: &Place) -> usize {
    one.folders()
        .filter(|folder| other.is_below(folder))
        .count()
}

/// Linked parts of a runtime: what no library of the set exports. A part for a device
/// is passed over where it does not load.
fn check_parts(load_set: &LoadSet, out: &mut Outcome) {
    if load_set.is_static() {
        return;
    }
    for (index, missing) in load_set.missing() {
        let Some(member) = load_set.members.get(index) else {
            continue;
        };
        let is_here = |one: &&Missing| !matches!(one.reason, MissingReason::LibraryAbsent { .. });
        let missing = missing.iter().filter(|one| one.symbol.starts_with("TVM"));
        let missing: Vec<&Missing> = missing.filter(is_here).collect();
        let Some(first) = missing.first() else {
            continue;
        };
        if matches!(
            member.kind,
            PartKind::RuntimeDevice(_) | PartKind::WasmRuntime
        ) {
            continue;
        }
        let symbol = [("symbol", first.symbol.as_str())];
        let words = messages::of_system("undefined-symbol", member.binary.format, &symbol);
        let mut finding = Finding::new(
            &RULE,
            &member.path,
            format!(
                "{} of TVM that no library of this process exports",
                count(missing.len())
            ),
        )
        .on(&load_set.name)
        .says_known(words)
        .help("install the pair that belongs together: take runtime and tvm-ffi from one build");
        for one in missing.iter().take(MAX_FINDINGS) {
            finding = finding.at(Location {
                symbol: Some(one.symbol.clone()),
                ..Location::default()
            });
        }
        if member.binary.format == Format::Pe && missing.iter().all(|one| one.lazy) {
            finding = delayed(finding);
        }
        // It is tried, and passed over where it does not load.
        if member.kind == PartKind::RuntimeExtra {
            finding = finding.severity(Severity::Warning);
        }
        out.push(finding);
    }
}

fn count(symbols: usize) -> String {
    match symbols {
        1 => "a C symbol".to_owned(),
        many => format!("{many} C symbols"),
    }
}

/// Symbols that are neither TVM's nor the system's, in a file whose libraries are
/// all known.
fn check_others(binding: &Binding<'_>, out: &mut Outcome) {
    let missing = binding.missing_others();
    let is_program = |kind| kind == BinaryKind::Program;
    let binary = binding.artifact.binary.as_ref();
    let kind = binary.map(|binary| binary.kind);
    // A newer macOS may have more C names.
    let is_of_mac = binary.is_some_and(|binary| binary.format == Format::MachO);
    // What loads a client's library may define more; what loads a model is TVM.
    let (certain, open): (Vec<Lacking<'_>>, Vec<_>) = missing.into_iter().partition(|missing| {
        let is_last = binding.artifact.role == Role::ModelLibrary || kind.is_some_and(is_program);
        let is_certain = is_last && missing.may.is_none();
        !is_of_mac && (is_certain || is_of_compiler(&missing.symbol.name))
    });
    if let Some(first) = open.first() {
        let known = match (is_of_mac, first.may) {
            (true, _) => String::from(
                "is looked for in every loaded library, and none that is known defines it: a newer macOS may, or the program",
            ),
            (false, Some(other)) => loaded::may_be_of_system(other),
            (false, None) => String::from(
                "is defined by no library that this one names; the program that loads it may define it",
            ),
        };
        let why = format!("`{}` {known}", first.symbol.name);
        out.undecided(&RULE, why);
    }
    let certain: Vec<&ForeignSymbol> = certain.iter().map(|missing| missing.symbol).collect();
    let Some(first) = certain.first() else { return };
    // What the runtime never calls may lie there unresolved.
    let is_called = |symbol: &&ForeignSymbol| !symbol.idle;
    let severity =
        match binding.artifact.role == Role::ModelLibrary && !certain.iter().any(is_called) {
            true => Severity::Warning,
            false => Severity::Error,
        };
    let mut finding = Finding::new(
        &RULE,
        &binding.artifact.path,
        match certain.len() {
            1 => format!("`{}` is defined by no library that is loaded", first.name),
            several => format!("{several} symbols are defined by no library that is loaded"),
        },
    )
    .severity(severity)
    .on(&binding.runtime.name)
    .says_known(binding.words(&loaded::with_version(first)))
    .help(match is_of_compiler(&first.name) {
        true => "link with libgcc or compiler-rt: compilers call this function for arithmetic that the processor does not have",
        false => "link the library that defines it, so that this file names it as NEEDED",
    });
    for symbol in certain.iter().take(MAX_FINDINGS) {
        finding = finding
            .at(Location::of_symbol(symbol.name.clone()))
            .evidence(use_of(symbol));
        if let Some(version) = container::first_gcc(&symbol.name) {
            finding = finding.evidence(format!(
                "`{}` is in libgcc_s.so.1 of GCC {version} and later only",
                symbol.name
            ));
        }
    }
    out.push(finding);
}

/// The same of the libraries that the file loads.
fn check_loaded(binding: &Binding<'_>, out: &mut Outcome) {
    loaded::symbols(&RULE, binding, out);
}

/// Why a symbol that is lacking stops nothing.
fn idle(users: &[String]) -> String {
    format!(
        "only {} uses it, and nothing in the library leads there: TVM opens libraries lazily, and the model runs; with LD_BIND_NOW set it is not opened",
        quoted(users)
    )
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Who uses a symbol, and when that fails.
fn use_of(symbol: &ForeignSymbol) -> String {
    let users = quoted(&symbol.users);
    let name = &symbol.name;
    if symbol.idle {
        return format!("`{name}`: {}", idle(&symbol.users));
    }
    match (symbol.lazy, users.is_empty()) {
        (true, true) => format!("`{name}`: the file loads, and its first call ends the process"),
        (true, false) => {
            format!("`{name}`: the file loads, and its first call in {users} ends the process")
        }
        (false, true) => format!("`{name}`: looked for at load, which fails"),
        (false, false) => format!("`{name}`: used by {users}, looked for at load, which fails"),
    }
}

/// A function that compilers call on their own: `__truncsfbf2`, `__udivti3`.
fn is_of_compiler(name: &str) -> bool {
    const MODES: [&str; 9] = ["hf", "bf", "sf", "df", "xf", "tf", "si", "di", "ti"];
    container::first_gcc(name).is_some()
        || name.strip_prefix("__").is_some_and(|rest| {
            rest.ends_with(['2', '3'])
                && rest
                    .bytes()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
                && MODES.iter().any(|mode| rest.contains(mode))
        })
}

#[cfg(test)]
mod tests {
    use super::is_of_compiler;

    #[test]
    fn functions_of_compilers_are_told_by_their_form() {
        for name in [
            "__truncsfbf2",
            "__extendhftf2",
            "__udivti3",
            "__floatuntibf",
            "__fixsfbitint2",
        ] {
            assert!(is_of_compiler(name), "{name}");
        }
        for name in [
            "cblas_sgemm",
            "__cxa_throw",
            "__truncsfbf",
            "__Foo_si2",
            "trunc2",
        ] {
            assert!(!is_of_compiler(name), "{name}");
        }
    }
}
