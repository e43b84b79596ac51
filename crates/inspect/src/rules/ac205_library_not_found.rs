//! AC205 library-not-found: a library of the TVM family that the loader is
//! asked for and will not find.

use std::collections::BTreeMap;

use super::ac201_device_api::PREFIX as DEVICE_API;
use super::run_paths::{NOT_PASSED_ON, not_found};
use super::wanted::{User, wanted};
use super::{
    ArtifactContext, Binding, Check, Outcome, Rule, SHIM_MARK, device_parts, loaded, run_paths,
    start,
};
use crate::artifact::Role;
use crate::container::{Binary, BinaryKind, Format, places};
use crate::finding::{Finding, Need, Repair, Severity};
use crate::limits::MAX_FINDINGS;
use crate::module::ModelLibrary;
use crate::parts::stem;
use crate::place::Place;
use crate::runtime::dependencies::{self, Closure, Dependencies};
use crate::runtime::distribution::FFI;
use crate::runtime::file_found::{FileFound, look};
use crate::runtime::libraries::{self, Resolution};
use crate::runtime::load_set::LoadSet;
use crate::runtime::presence::Presence;
use crate::runtime::system::Brings;
use crate::runtime::{PartKind, messages, process, versions};

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
        if let Resolution::Absent { searched } = resolution
            && !is_linked(load_set, &member.path, &member.binary, &needed)
        {
            let entry = absent.entry(needed).or_default();
            entry.0.push(&member.path);
            entry.1.extend(searched);
        }
    }
    for (needed, (wanting, mut searched)) in absent {
        if is_fetched(load_set, &needed, &wanting) {
            continue;
        }
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
        let instead = asking.and_then(|one| run_paths::instead(&one.path, &one.binary, &needed));
        if let Some((file, what)) = &instead {
            finding.message = format!("`{needed}` is needed, and the file of that name {what}");
            finding = finding
                .severity(Severity::Error)
                .evidence(format!("{file} {what}"))
                .help("take that library from the build for this processor and system");
        }
        if let Some(said) =
            asking.and_then(|member| not_found(&needed, member.binary.format, false))
        {
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

/// Whether a library that was read under another name, as conda links them, is where the
/// loader looks, or where Python has loaded it from before.
fn is_linked(load_set: &LoadSet, place: &Place, binary: &Binary, needed: &str) -> bool {
    let is_file =
        |place: &Place| !place.is_member() && look(place.path(), binary) == FileFound::Library;
    let of_python = load_set
        .environment
        .as_ref()
        .filter(|_| process::is_loaded_by_python(needed));
    let name = needed.rsplit('/').next().unwrap_or(needed);
    let of_python = of_python.filter(|site| !site.is_member()).map(|site| {
        let folder = site.path().join("tvm_ffi").join("lib");
        Place::file(folder.join(name))
    });
    // Other folders are the machine's that scans, which need not be the one that runs.
    let places = match load_set.machine {
        Some(_) => libraries::candidates(place, binary, needed),
        None => libraries::beside(place, binary, needed),
    };
    let machine = load_set.machine.as_deref();
    let recorded = || places.iter().map(Place::path);
    of_python.iter().chain(&places).any(is_file)
        || machine.is_some_and(|machine| machine.find(name, recorded()).is_some())
}

/// Whether whatever installs the wheels that want tvm-ffi's library brings its package
/// too, since one of them requires it.
fn is_fetched(load_set: &LoadSet, needed: &str, wanting: &[&Place]) -> bool {
    let is_of_wheel = |place: &&Place| {
        let mut folders = place.folders();
        folders.any(|folder| folder.raw_name().ends_with(b".whl"))
    };
    let mut requires = load_set.distributions.iter().flat_map(|one| &one.requires);
    stem(needed) == "tvm_ffi"
        && wanting.iter().all(is_of_wheel)
        && requires.any(|required| required.name == FFI && required.marker.is_empty())
}

/// A library may lie where this scan did not look: in another package, on a system
/// path. On a machine that is all there is it does not, and with a runtime of the split
/// there is no libtvm anywhere.
fn severity(load_set: &LoadSet, asking: &Place, needed: &str) -> Severity {
    let mut members = load_set.members.iter();
    let is_strict = members
        .find(|member| member.path == *asking)
        .is_some_and(|member| {
            let mut libraries = member.binary.needed.iter();
            libraries.any(|library| library.name == needed && !library.optional)
        });
    let is_gone = is_split(needed) && load_set.is_of_the_split();
    match is_strict && (is_gone || load_set.machine.is_some()) {
        true => Severity::Error,
        false => Severity::Warning,
    }
}

/// Whether this is the library that was split into two.
fn is_split(needed: &str) -> bool {
    stem(needed) == "tvm"
}

/// What the members of a set need beside TVM's own libraries. A part for a device is
/// loaded where it can be: what it lacks takes its device away and nothing else.
fn check_others(load_set: &LoadSet, out: &mut Outcome) {
    let known = Dependencies::default();
    for member in &load_set.members {
        if matches!(member.kind, PartKind::RuntimeDevice(_)) {
            continue;
        }
        let is_certain = member.kind.is_core();
        let user = User {
            place: &member.path,
            binary: &member.binary,
            runtime: &load_set.name,
            machine: load_set.machine.as_deref(),
            is_certain,
            is_model: false,
            is_program: false,
            members: &[],
            known: &known,
        };
        let wanted = others(&user, out);
        versions(&member.path, &member.binary, load_set, out);
        // What the core lacks, every model lacks.
        if member.kind.is_core() {
            wanted.into_iter().for_each(|need| out.need(need));
            let own = [(&member.path, &member.binary)];
            let closure = dependencies::closure(&own, user.machine, &known);
            for need in of_loaded(&user, &closure, Some(load_set), out) {
                out.need(need);
            }
        }
    }
}

fn check_user(binding: &Binding<'_>, out: &mut Outcome) {
    let Some(binary) = &binding.artifact.binary else {
        return;
    };
    let place = &binding.artifact.path;
    let user = User {
        place,
        binary,
        runtime: &binding.runtime.name,
        machine: binding.machine,
        is_certain: true,
        is_model: binding.artifact.role == Role::ModelLibrary,
        is_program: binary.kind == BinaryKind::Program,
        members: binding.load_set.map_or(&[], |set| &set.members),
        known: binding.known,
    };
    let of_code = binding.artifact.libraries.iter().filter_map(extensions);
    let processor = processor(binary).into_iter().chain(of_code);
    for need in others(&user, out).into_iter().chain(processor) {
        out.need(need);
    }
    for need in of_loaded(&user, &binding.closure(), binding.load_set, out) {
        out.need(need);
    }
    run_paths::check(&RULE, binding, binary, out);
    start::check(&RULE, binding, binary, out);
    let Some(load_set) = binding.load_set else {
        return;
    };
    versions(place, binary, load_set, out);
    device_parts::check(&RULE, binding, load_set, out);
}

/// The processor that the loader asks for before it maps the file.
fn processor(binary: &Binary) -> Option<Need> {
    let level = binary.isa_level?;
    Some(Need {
        library: format!("a processor of the level x86-64-v{level}"),
        brought_by: String::from(
            "the machine: on others glibc says `CPU ISA level is lower than required`",
        ),
    })
}

/// The processor that a model library's host code was compiled for.
fn extensions(library: &ModelLibrary) -> Option<Need> {
    let (last, others) = library.extensions.split_last()?;
    let names = match others {
        [] => String::from(*last),
        others => format!("{} and {last}", others.join(", ")),
    };
    Some(Need {
        library: format!("a processor with {names}"),
        brought_by: String::from(
            "the machine: on others the first kernel that uses it ends the process (SIGILL)",
        ),
    })
}

/// What is known of who brings a library, where it is not there; and of that what
/// the machine is to bring.
fn others(user: &User<'_>, out: &mut Outcome) -> Vec<Need> {
    let mut needs = Vec::new();
    for one in wanted(user) {
        let name = one.name;
        // What imports the file may import what has it before.
        let is_beside = matches!(one.presence, Presence::Beside(_));
        if is_beside && user.machine.is_none() {
            continue;
        }
        let is_packages = matches!(one.brings, Some(Brings::Package(_)));
        let severity = match user.machine {
            _ if one.presence == Presence::Gone => Severity::Error,
            _ if one.from_start.is_some() => Severity::Info,
            Some(_) if is_beside || (one.brings.is_none() && !user.is_certain) => Severity::Warning,
            // Another folder may have it under that name.
            None if one.unlinked.is_some() => Severity::Warning,
            None if !is_packages => Severity::Info,
            _ => Severity::Error,
        };
        let message = match severity {
            Severity::Info if one.from_start.is_some() => {
                format!("finds `{name}` in the folder that the process is started in alone")
            }
            Severity::Info => format!("needs `{name}` of the machine"),
            _ => format!("`{name}` is needed and is not where the loader looks"),
        };
        let may_be_elsewhere = one.unlinked.is_some() && severity == Severity::Warning;
        if severity == Severity::Info || may_be_elsewhere {
            needs.push(one.need());
        }
        let finding = Finding::new(&RULE, user.place, message)
            .severity(severity)
            .on(user.runtime)
            .says_known(not_found(name, user.binary.format, user.is_program))
            .help(one.help());
        out.push(finding);
    }
    needs
}

/// The same of what is loaded for a file, told at the file; and libraries of its process that
/// the loader refuses.
fn of_loaded(
    user: &User<'_>,
    closure: &Closure,
    load_set: Option<&LoadSet>,
    out: &mut Outcome,
) -> Vec<Need> {
    let mut needs = Vec::new();
    for (library, names) in &closure.lacking {
        for name in names {
            let mut binary = library.binary.clone();
            binary.needed.retain(|needed| needed.name == *name);
            let asking = User {
                place: &library.place,
                binary: &binary,
                is_model: false,
                ..*user
            };
            let mut own = Outcome::default();
            let found = others(&asking, &mut own);
            match is_not_passed_on(user, name) {
                true => {
                    let [why, help] = NOT_PASSED_ON;
                    let findings = own.findings.into_iter();
                    own.findings = findings.map(|one| one.evidence(why).help(help)).collect();
                    needs.extend(found.iter().map(|_| run_paths::where_looked(name)));
                }
                false => needs.extend(found),
            }
            loaded::tell(user.place, &library.place, own, out);
        }
    }
    for library in &closure.libraries {
        let mut own = Outcome::default();
        if let Some(load_set) = load_set {
            versions(&library.place, &library.binary, load_set, &mut own);
        }
        loaded::tell(user.place, &library.place, own, out);
    }
    for refused in closure.refused.iter().take(MAX_FINDINGS) {
        let format = user.binary.format;
        out.push(run_paths::refused(&RULE, user.place, refused, format).on(user.runtime));
    }
    for place in closure.unread.iter().take(MAX_FINDINGS) {
        out.undecided(
            &RULE,
            format!("{place} is loaded with it and could not be read"),
        );
    }
    needs
}

/// Whether the run path of a file leads to a library, and is that of its own requests alone.
fn is_not_passed_on(user: &User<'_>, name: &str) -> bool {
    let places = libraries::candidates(user.place, user.binary, name);
    let found = || user.known.first(&places, user.binary, |_| true);
    user.binary.has_runpath && matches!(found(), Ok(Some(_)))
}

/// Libraries that are found and lack a symbol version.
fn versions(place: &Place, binary: &Binary, load_set: &LoadSet, out: &mut Outcome) {
    for lacking in versions::lacking(place, binary, load_set)
        .into_iter()
        .take(MAX_FINDINGS)
    {
        let library = Place::file(&lacking.library);
        let version = &lacking.version;
        let (message, key) = match lacking.ends_process {
            true => (
                format!(
                    "{library} is found and says nothing of versions, and it is asked for version `{version}`"
                ),
                "no-versions",
            ),
            false => (
                format!("{library} is found and does not define version `{version}`"),
                "version-not-found",
            ),
        };
        let file = place.to_string();
        let values = [("version", version.as_str()), ("file", file.as_str())];
        let words = messages::of_system(key, binary.format, &values);
        let finding = Finding::new(&RULE, place, message)
            .on(&load_set.name)
            .says_known(words.map(|words| match lacking.ends_process {
                true => words,
                false => format!("{library}: {words}"),
            }))
            .help("put the library that it was built with where the loader looks, or build it with the one that is there");
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
        let dylib = not_found("@rpath/libtvm.dylib", Format::MachO, false);
        assert_eq!(
            dylib.as_deref(),
            Some("Library not loaded: @rpath/libtvm.dylib")
        );
        let so = not_found("libtvm.so", Format::Elf, false).unwrap_or_default();
        assert!(so.starts_with("libtvm.so: cannot open shared object file"));
        assert!(
            not_found("tvm.dll", Format::Pe, false)
                .is_some_and(|said| said.contains("WinError 126"))
        );
        assert_eq!(not_found("libtvm.so", Format::Wasm, false), None);
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
