//! AC205 library-not-found: a library of the TVM family that the loader is
//! asked for and will not find.

use std::collections::BTreeMap;

use super::{ArtifactContext, Check, Outcome, Rule};
use crate::artifact::Role;
use crate::container::{Format, places};
use crate::finding::{Finding, Repair, Severity};
use crate::place::Place;
use crate::runtime::libraries::Resolution;
use crate::runtime::load_set::LoadSet;

pub(super) static RULE: Rule = Rule {
    code: "AC205",
    name: "library-not-found",
    severity: Severity::Error,
    summary: "NEEDED library, install name or DLL not resolvable over rpaths and the given set",
    explain: include_str!("ac205_library_not_found.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check_alone), Check::LoadSet(check)];

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
    let mut paths = binary
        .search_paths
        .iter()
        .flat_map(|paths| paths.split(':'));
    if paths.clone().all(places::is_foreign_run_path) {
        names.extend(paths.next().map(|path| format!("run path {path}")));
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
    .severity(Severity::Warning)
    .repair(&[Repair::InPlace])
    .help("`artcheck patch relocate FILE` takes the folder out: names become @rpath/NAME or the bare file name, run paths @loader_path or $ORIGIN");
    for name in names {
        finding = finding.evidence(name);
    }
    out.push(finding);
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
        // It may lie where this scan did not look: another package, a system path.
        .severity(Severity::Warning)
        .on(&load_set.name)
        .says(format!(
            "{needed}: cannot open shared object file: No such file or directory"
        ))
        .help(advice(&needed));
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

fn advice(needed: &str) -> &'static str {
    if needed.contains("tvm_ffi") {
        "scan the folder that holds libtvm_ffi too (package apache-tvm-ffi), or install that package beside this one"
    } else if needed.starts_with("libtvm.") {
        "libtvm was split into libtvm_runtime and libtvm_compiler in 2026-04: build the client against the runtime it ships with"
    } else {
        "ship the library beside this one and give this one an rpath of $ORIGIN or @loader_path"
    }
}
