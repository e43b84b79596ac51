//! AC205 library-not-found: a library of the TVM family that the loader is
//! asked for and will not find.

use std::collections::{BTreeMap, BTreeSet};

use super::ac201_device_api::PREFIX as DEVICE_API;
use super::{ArtifactContext, Binding, Check, Outcome, Rule, SHIM_MARK};
use crate::artifact::Role;
use crate::container::{Binary, Format, places};
use crate::finding::{Finding, Repair, Severity};
use crate::limits::MAX_FINDINGS;
use crate::module::Payload;
use crate::parts::stem;
use crate::place::Place;
use crate::runtime::libraries::Resolution;
use crate::runtime::load_set::LoadSet;
use crate::runtime::system::{self, Brings};
use crate::runtime::{PartKind, messages};

pub(super) static RULE: Rule = Rule {
    code: "AC205",
    name: "library-not-found",
    severity: Severity::Error,
    summary: "a library that the file needs is not where the loader looks",
    explain: include_str!("ac205_library_not_found.md"),
};

pub(super) const CHECKS: &[Check] = &[
    Check::Artifact(check_alone),
    Check::LoadSet(check),
    Check::LoadSet(check_others),
    Check::Binding(check_user),
];

/// A file that names itself, or a TVM library, by the folder it was built in, or
/// looks for libraries in such a folder alone.
fn check_alone(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let Some(binary) = &artifact.binary else {
        return;
    };
    if artifact.role == Role::Unrelated || !matches!(binary.format, Format::Elf | Format::MachO) {
        return;
    }
    let absolute = |name: &str| places::is_foreign_name(name);
    let what = match binary.format {
        Format::MachO => "install name",
        _ => "soname",
    };
    let mut names: Vec<String> = Vec::new();
    if let Some(identity) = binary.identity.as_deref().filter(|name| absolute(name)) {
        names.push(format!("{what} {identity}"));
    }
    for needed in binary.needed.iter().filter(|needed| absolute(&needed.name)) {
        names.push(format!("needs {}", needed.name));
    }
    let paths = binary
        .search_paths
        .iter()
        .flat_map(|paths| paths.split(':'));
    let foreign = paths
        .clone()
        .filter(|path| places::is_foreign_run_path(path));
    // Among others a folder that is not there is passed over.
    let breaks = !names.is_empty() || (foreign.clone().count() == paths.count());
    // A shim built where it will run is to find the runtime there.
    if breaks || !is_shim(binary) {
        names.extend(
            foreign
                .take(MAX_FINDINGS)
                .map(|path| format!("run path {path}")),
        );
    }
    if names.is_empty() {
        return;
    }
    let mut finding = Finding::new(
        &RULE,
        &artifact.path,
        "an absolute path of the build machine is recorded in the file",
    )
    // It works where the path exists.
    .severity(if breaks { Severity::Warning } else { Severity::Info })
    .repair(&[Repair::InPlace])
    .help("`artcheck patch relocate FILE` takes the folder out: names become @rpath/NAME or the bare file name, run paths @loader_path or $ORIGIN. The libraries that it needs must then be beside it");
    for name in names {
        finding = finding.evidence(name);
    }
    out.push(finding);
}

/// A library of `artcheck patch shim`, which also makes the device functions.
fn is_shim(binary: &Binary) -> bool {
    let mut defined = binary.defined.iter();
    defined.any(|symbol| {
        let is_ours = |prefix| symbol.name.starts_with(prefix);
        symbol.exported && (is_ours(SHIM_MARK) || is_ours(DEVICE_API))
    })
}

fn check(load_set: &LoadSet, out: &mut Outcome) {
    let mut absent: BTreeMap<String, (Vec<&Place>, Vec<String>)> = BTreeMap::new();
    for (index, needed, resolution) in load_set.libraries() {
        let Some(member) = load_set.members.get(index) else {
            continue;
        };
        if let Resolution::Absent { searched } = resolution {
            let entry = absent.entry(needed).or_default();
            entry.0.push(&member.path);
            entry.1.extend(searched);
        }
    }
    for (needed, (wanting, mut searched)) in absent {
        searched.sort();
        searched.dedup();
        let Some(first) = wanting.first() else {
            continue;
        };
        let mut finding = Finding::new(
            &RULE,
            *first,
            format!("`{needed}` is needed and is not among the files looked at"),
        )
        .severity(severity(load_set, first, &needed))
        .on(&load_set.name)
        .help(advice(&needed));
        let asking = load_set
            .members
            .iter()
            .find(|member| member.path == **first);
        if let Some(said) = asking.and_then(|member| says(&needed, member.binary.format)) {
            finding = finding.says(said);
        }
        if wanting.len() > 1 {
            let wanting: Vec<String> = wanting.iter().map(ToString::to_string).collect();
            finding = finding.evidence(format!("wanted by {}", wanting.join(", ")));
        }
        for place in searched.into_iter().take(6) {
            finding = finding.evidence(format!("looked for {place}"));
        }
        out.push(finding);
    }
}

/// What the system's loader says of a library that it does not find.
fn says(needed: &str, format: Format) -> Option<String> {
    messages::of_system("library-not-found", format, &[("library", needed)])
}

/// A library may lie where this scan did not look: in another package, on a system
/// path. Beside a runtime of the split there is no libtvm anywhere.
fn severity(load_set: &LoadSet, asking: &Place, needed: &str) -> Severity {
    let mut members = load_set.members.iter();
    let is_strict = members
        .find(|member| member.path == *asking)
        .is_some_and(|member| {
            let mut libraries = member.binary.needed.iter();
            libraries.any(|library| library.name == needed && !library.optional)
        });
    match is_strict && is_split(needed) && is_of_the_split(load_set) {
        true => Severity::Error,
        false => Severity::Warning,
    }
}

/// Whether a set has a part that came with the split or after it.
fn is_of_the_split(load_set: &LoadSet) -> bool {
    load_set.has(&PartKind::Compiler) || load_set.has(&PartKind::RuntimeExtra)
}

/// Whether this is the library that was split into two.
fn is_split(needed: &str) -> bool {
    stem(needed) == "tvm"
}

/// What the members of a set need beside TVM's own libraries. A part for a device is
/// loaded where it can be: what it lacks takes its device away and nothing else.
fn check_others(load_set: &LoadSet, out: &mut Outcome) {
    for member in &load_set.members {
        if !matches!(member.kind, PartKind::RuntimeDevice(_)) {
            others(&member.path, &member.binary, &load_set.name, out);
        }
    }
}

fn check_user(binding: &Binding<'_>, out: &mut Outcome) {
    let (Some(load_set), Some(binary)) = (binding.load_set, &binding.artifact.binary) else {
        return;
    };
    others(&binding.artifact.path, binary, &load_set.name, out);
    device_part(binding, load_set, out);
}

/// What the part of the runtime that runs a library's kernels needs of the machine:
/// without it that part does not load, and no loader for the kernels is registered.
fn device_part(binding: &Binding<'_>, load_set: &LoadSet, out: &mut Outcome) {
    let libraries = binding.artifact.libraries.iter();
    let blobs = libraries.filter_map(|library| library.blob.as_ref().ok());
    let modules = blobs.flat_map(|blob| &blob.modules);
    let devices = modules.filter(|module| matches!(module.payload, Payload::Device(_)));
    let kinds: BTreeSet<&str> = devices.map(|module| module.kind.as_str()).collect();
    for kind in kinds {
        let part = binding.runtime.provided_by.get(&format!("loader:{kind}"));
        let mut members = load_set.members.iter();
        let Some(part) = members.find(|member| Some(&member.path.to_string()) == part) else {
            continue;
        };
        let needed = part.binary.needed.iter().filter(|needed| !needed.optional);
        let wanted = needed.filter(|needed| {
            system::brings(&needed.name, part.binary.format).is_some()
                && system::is_there(&part.path, &part.binary, &needed.name) != Some(true)
        });
        let wanted: Vec<&str> = wanted.map(|needed| needed.name.as_str()).collect();
        if wanted.is_empty() {
            continue;
        }
        let wanted = wanted.join(", ");
        let message = format!("its `{kind}` kernels run only where the machine has {wanted}");
        let finding = Finding::new(&RULE, &binding.artifact.path, message)
            .severity(Severity::Info)
            .on(&load_set.name)
            .evidence(format!("{} needs them, and is loaded where they are", part.path))
            .help("install the device's driver and its runtime library, of the version in the name, on the machine that runs it");
        out.push(finding);
    }
}

/// What is known of who brings a library, where it is not there.
fn others(place: &Place, binary: &Binary, runtime: &str, out: &mut Outcome) {
    for needed in binary.needed.iter().filter(|needed| !needed.optional) {
        let name = &needed.name;
        let Some(brings) = system::brings(name, binary.format) else {
            continue;
        };
        if crate::runtime::libraries::is_family(name) {
            continue;
        }
        let is_there = system::is_there(place, binary, name);
        if is_there == Some(true) {
            continue;
        }
        let (severity, message, help) = match brings {
            Brings::Machine(what) => (
                Severity::Info,
                format!("needs `{name}` of the machine"),
                format!("the machine that it runs on must have {what}"),
            ),
            Brings::Toolkit(package) => (
                Severity::Info,
                format!("needs `{name}` of the machine"),
                format!(
                    "install {} ({} has it) or the toolkit that has it on the machine that it runs on",
                    package.name, package.version
                ),
            ),
            Brings::Package(package) if is_there == Some(false) => (
                Severity::Error,
                format!("`{name}` is needed and is not where the loader looks"),
                format!(
                    "install the package that brings it: {} ({} has it)",
                    package.name, package.version
                ),
            ),
            Brings::Package(_) => continue,
        };
        let mut finding = Finding::new(&RULE, place, message)
            .severity(severity)
            .on(runtime)
            .help(help);
        if let Some(said) = says(name, binary.format) {
            finding = finding.says(said);
        }
        out.push(finding);
    }
}

fn advice(needed: &str) -> &'static str {
    if needed.contains("tvm_ffi") {
        "scan the folder that holds libtvm_ffi too (package apache-tvm-ffi), or install that package beside this one"
    } else if is_split(needed) {
        "libtvm was split into libtvm_runtime and libtvm_compiler in 2026-04: build the client against the runtime it ships with"
    } else {
        "ship the library beside this one and give this one an rpath of $ORIGIN or @loader_path"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loader_has_its_own_words() {
        let dylib = says("@rpath/libtvm.dylib", Format::MachO);
        assert_eq!(
            dylib.as_deref(),
            Some("Library not loaded: @rpath/libtvm.dylib")
        );
        let so = says("libtvm.so", Format::Elf).unwrap_or_default();
        assert!(so.starts_with("libtvm.so: cannot open shared object file"));
        assert!(says("tvm.dll", Format::Pe).is_some_and(|said| said.contains("WinError 126")));
        assert_eq!(says("libtvm.so", Format::Wasm), None);
    }

    #[test]
    fn the_split_is_told_by_the_plain_name() {
        for name in ["libtvm.so", "@rpath/libtvm.dylib", "tvm.dll"] {
            assert!(advice(name).contains("split"), "{name}");
        }
        for name in ["libtvm_runtime.so", "@rpath/libtvm_ffi.dylib"] {
            assert!(!advice(name).contains("split"), "{name}");
        }
    }
}
