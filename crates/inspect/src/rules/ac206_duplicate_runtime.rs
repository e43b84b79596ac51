//! AC206 duplicate-runtime: two registries, or two copies of LLVM, in one process.

use std::collections::{BTreeMap, BTreeSet};

use super::{Binding, Check, EnvironmentContext, FolderContext, Outcome, Rule};
use crate::artifact::{Artifact, Role};
use crate::container::{Architecture, Binary, Platform};
use crate::finding::{Finding, Location, Need, Severity};
use crate::limits::MAX_FINDINGS;
use crate::parts::{PartKind, stem};
use crate::place::Place;
use crate::runtime::distribution::{self, Distribution, FFI};
use crate::runtime::load_set::{Duplicate, LoadSet, MissingReason};
use crate::runtime::{libraries, messages};
use crate::source::is_same_file;

pub(super) static RULE: Rule = Rule {
    code: "AC206",
    name: "duplicate-runtime",
    severity: Severity::Error,
    summary: "two libraries in one process bring the same registry, or each exposes an LLVM of its own",
    explain: include_str!("ac206_duplicate_runtime.md"),
};

pub(super) const CHECKS: &[Check] = &[
    Check::LoadSet(check),
    Check::LoadSet(check_graft),
    Check::Binding(check_first),
    Check::Binding(check_copy),
    Check::Environment(check_together),
    Check::Folder(check_llvm),
];

const REPAIR_AGAIN: &str = "repair the wheel again with `auditwheel repair --exclude 'libtvm_ffi.so'`, so that it uses the installed one";

/// Packages of one environment that are held against each other.
const MAX_PACKAGES: usize = 8;

fn check(load_set: &LoadSet, out: &mut Outcome) {
    for duplicate in load_set.duplicates() {
        let paths: Vec<&Place> = duplicate
            .providers
            .iter()
            .filter_map(|index| load_set.members.get(*index))
            .map(|member| &member.path)
            .collect();
        let Some(first) = paths.first() else { continue };
        let holds = match duplicate.is_registry() {
            true => "hold a registry of their own",
            false => "register the same functions",
        };
        let severity = severity(load_set, &duplicate);
        let who = match severity {
            Severity::Error => "the process",
            _ => "a process that loads both",
        };
        let mut finding = Finding::new(&RULE, *first, format!("{} files of one load set {holds}", paths.len()))
            .severity(severity)
            .on(&load_set.name)
            .evidence(match load_set.is_static() {
                true => "the linker finds two definitions; without whole archives it leaves one out, unseen".to_owned(),
                false => format!("{who} ends with \"Global Function `...` is already registered\", or with \"TypeAttr `__ffi_repr__` is already registered\""),
            })
            .help("keep one copy: remove the other from the folder, or from what the parts and clients ask for");
        for path in paths.iter().take(MAX_FINDINGS) {
            finding = finding.evidence(format!("{path} defines {}", duplicate.symbols.join(", ")));
        }
        for symbol in &duplicate.symbols {
            finding = finding.at(Location::of_symbol(symbol.clone()));
        }
        out.push(finding);
    }
}

/// Two that something asks for end up in one process; one that nothing asks for, or only
/// files of a package that has no need of the other, may stay out of it. So may one of two
/// that a package brings and that different files ask for: its code says which it loads.
fn severity(load_set: &LoadSet, duplicate: &Duplicate) -> Severity {
    let is_in_one_process = duplicate.needed.len() > 1
        && (duplicate.by_one || !are_a_choice(load_set, duplicate))
        && !are_of_strangers(load_set, duplicate);
    match load_set.is_static() || is_in_one_process {
        true => Severity::Error,
        false => Severity::Warning,
    }
}

/// Whether all copies lie in one folder under names of their own: builds of one runtime for
/// one package.
fn are_a_choice(load_set: &LoadSet, duplicate: &Duplicate) -> bool {
    let providers = duplicate.providers.iter();
    let members = providers.filter_map(|index| load_set.members.get(*index));
    let folders: BTreeSet<Option<Place>> = members.map(|member| member.path.folder()).collect();
    folders.len() == 1
}

/// Whether each copy lies in a package of its own, and none but the owner's requires the
/// registry's package.
fn are_of_strangers(load_set: &LoadSet, duplicate: &Duplicate) -> bool {
    let Some(environment) = &load_set.environment else {
        return false;
    };
    let providers = duplicate.providers.iter();
    let members = providers.filter_map(|index| load_set.members.get(*index));
    // A wheel becomes what is in it.
    let is_site = |folder: &Place| folder == environment || folder.raw_name().ends_with(b".whl");
    let packages = members.map(|member| {
        let mut folders = member.path.folders();
        folders.find(|folder| folder.folder().is_some_and(|around| is_site(&around)))
    });
    let packages: BTreeSet<Option<Place>> = packages.collect();
    let requires = |package: &Place| {
        let name = package.name().replace('_', "-");
        let mut distributions = load_set.distributions.iter();
        distributions
            .any(|one| one.name == name && one.requires.iter().any(|required| required.name == FFI))
    };
    // What was repaired into a wheel was linked against the other.
    let is_graft = |package: &Place| package.raw_name().ends_with(b".libs");
    packages.len() == duplicate.providers.len()
        && !packages.contains(&None)
        && !packages
            .iter()
            .flatten()
            .any(|one| is_graft(one) || requires(one))
}

/// A package that bundles the registry of one that it also requires: a wheel that
/// `auditwheel repair` took for one without dependencies.
fn check_graft(load_set: &LoadSet, out: &mut Outcome) {
    let mut packages = load_set.distributions.iter();
    if packages.clone().any(|package| package.name == FFI) {
        return;
    }
    let requires = |package: &&Distribution| {
        let mut requires = package.requires.iter();
        requires.any(|required| required.name == FFI && required.marker.is_empty())
    };
    let Some(package) = packages.find(requires) else {
        return;
    };
    let mut members = load_set.members.iter();
    // In the package's own folder it is the package's, whatever lists of files are gone.
    let is_copy = |path: &Place| !distribution::is_ffi_folder(path.folder());
    let Some(copy) = members.find(|member| member.kind == PartKind::Ffi && is_copy(&member.path))
    else {
        return;
    };
    out.push(
        Finding::new(
            &RULE,
            &copy.path,
            format!(
                "{} brings a tvm-ffi of its own and requires {FFI}, which brings another",
                package.name
            ),
        )
        .on(&load_set.name)
        .says_known(messages::of_runtime(
            "duplicate-attribute",
            &load_set.profile,
            &[("name", "__ffi_convert__")],
        ))
        .evidence(format!(
            "{} {}: {FFI} is in its METADATA",
            package.name, package.version
        ))
        .help(REPAIR_AGAIN),
    );
}

/// A library that is loaded before the runtime brings what it needs itself: where its run
/// path leads to another copy than the runtime's, the process has both.
fn check_first(binding: &Binding<'_>, out: &mut Outcome) {
    let (Some(binary), Some(load_set)) = (&binding.artifact.binary, binding.load_set) else {
        return;
    };
    if !binding.is_first {
        return;
    }
    let place = &binding.artifact.path;
    let own_of = |name: &str| {
        let own = load_set.members.get(load_set.member_named(name)?)?;
        (!own.path.is_member()).then_some(own)
    };
    let needed = binary.needed.iter();
    let needed = needed.filter_map(|needed| Some((&needed.name, &own_of(&needed.name)?.path)));
    let mut others = needed.filter_map(|(name, own)| {
        let places = libraries::candidates(place, binary, name).into_iter();
        let mut files = places.filter(|file| !file.is_member() && file.path().is_file());
        let Some(found) = files.next() else {
            let variable = libraries::search_variable(binary.format);
            let folder = own.folder().unwrap_or_else(|| Place::file("."));
            out.need(Need {
                library: name.clone(),
                brought_by: format!(
                    "{variable}={folder}: {place} is loaded first, and its run path does not lead there"
                ),
            });
            return None;
        };
        (!is_same_file(found.path(), own.path())).then_some((name, own, found))
    });
    // The second copy of one library is enough.
    let Some((name, own, found)) = others.next() else {
        return;
    };
    let words = messages::of_runtime(
        "duplicate-attribute",
        &load_set.profile,
        &[("name", "__ffi_convert__")],
    );
    out.push(
        Finding::new(
            &RULE,
            place,
            format!("it is loaded first and brings another `{name}` than the runtime's"),
        )
        .on(&load_set.name)
        .says_known(words.filter(|_| load_set.environment.is_some()))
        .evidence(format!("its run path leads to {found}"))
        .evidence(format!("the runtime's is {own}"))
        .help("build the shim again for this runtime (`artcheck patch shim --runtime RUNTIME`), or load it after `import tvm`: then it uses what is there"),
    );
}

/// A file that was repaired into a wheel with a copy of tvm-ffi under a name of its own: on
/// a runtime from elsewhere, which has another, the process has both.
fn check_copy(binding: &Binding<'_>, out: &mut Outcome) {
    let (Some(binary), Some(load_set)) = (&binding.artifact.binary, binding.load_set) else {
        return;
    };
    // `libtvm_ffi-c33ef534.so`, as auditwheel, delvewheel and delocate name copies.
    let is_copy = |name: &str| stem(name).starts_with("tvm_ffi-");
    let mut needed = binary.needed.iter().map(|needed| needed.name.as_str());
    let copy = needed.find(|name| is_copy(name) && load_set.member_named(name).is_none());
    let mut members = load_set.members.iter();
    let own = members.find(|member| member.kind == PartKind::Ffi);
    let (Some(copy), Some(own)) = (copy, own) else {
        return;
    };
    let name = [("name", "__ffi_convert__")];
    let words = messages::of_runtime("duplicate-attribute", &load_set.profile, &name);
    out.push(
        Finding::new(
            &RULE,
            &binding.artifact.path,
            format!("it needs `{copy}`, a copy of tvm-ffi of its own, and the runtime has another"),
        )
        .on(&load_set.name)
        .says_known(words)
        .evidence(format!("the runtime's is {}", own.path))
        .help(REPAIR_AGAIN),
    );
}

/// Packages of one environment that work alone and not together: the second runtime
/// registers what the first has registered, and a library that both bring under one
/// name is the first one's for both.
fn check_together(context: &EnvironmentContext<'_>, out: &mut Outcome) {
    let sets = context.sets.get(..MAX_PACKAGES).unwrap_or(context.sets);
    for (index, second) in sets.iter().enumerate() {
        for first in sets.iter().take(index) {
            let (Some(_), Some(runtime)) = (own_runtime(first), own_runtime(second)) else {
                continue;
            };
            // Wheels for several systems may lie together; their sets never meet.
            if system_of(first) != system_of(second) {
                continue;
            }
            let (one, other) = (first.home.name(), second.home.name());
            let message = format!(
                "`{one}` and `{other}` each bring a runtime, and one process cannot have both"
            );
            // tvm-ffi says it, which both use.
            let name = [("name", "device_api.cpu")];
            let words =
                |set: &LoadSet| messages::of_runtime("duplicate-function", &set.profile, &name);
            let mut finding = Finding::new(&RULE, runtime, message)
                .severity(Severity::Warning)
                .says_known(words(second).or_else(|| words(first)))
                .help("import one of them in a process, or keep them in environments of their own");
            for (taken, own) in [(first, second), (second, first)] {
                finding
                    .evidence
                    .extend(taken_from(taken, own, context.clients));
            }
            out.push(finding);
        }
    }
}

/// The system and processor that a set is for.
fn system_of(set: &LoadSet) -> Option<(Platform, Architecture)> {
    let first = set.members.first()?;
    Some((first.binary.platform, first.binary.architecture))
}

/// The runtime that a package of an environment brings.
fn own_runtime(set: &LoadSet) -> Option<&Place> {
    let mut members = set.members.iter();
    let own = members.find(|member| member.kind.has_vm() && member.path.is_below(&set.home))?;
    Some(&own.path)
}

/// The symbol that a client of `own` misses where the libraries of `taken`, loaded
/// before, answer for those of its own package.
fn taken_from(taken: &LoadSet, own: &LoadSet, clients: &[&Artifact]) -> Option<String> {
    let missing = |set: &LoadSet, client: &Artifact| -> Vec<String> {
        let binary = client.binary.as_deref();
        let missing = binary.map_or_else(Vec::new, |binary| set.missing_for(&client.path, binary));
        let here = missing
            .into_iter()
            .filter(|one| !matches!(one.reason, MissingReason::LibraryAbsent { .. }));
        here.map(|one| one.symbol).collect()
    };
    let mut clients = clients
        .iter()
        .filter(|client| client.path.is_below(&own.home));
    clients.find_map(|client| {
        let known = missing(own, client);
        let mut others = missing(taken, client).into_iter();
        let symbol = others.find(|symbol| !known.contains(symbol))?;
        Some(format!(
            "after `{}`, loading {}: undefined symbol: {symbol}",
            taken.home.name(),
            client.path
        ))
    })
}

/// A library that shows its LLVM.
struct Rival<'a> {
    stem: String,
    place: &'a Place,
    symbol: &'a str,
}

fn name_of(artifact: &Artifact) -> String {
    stem(&artifact.path.name()).to_owned()
}

/// Two libraries that show an LLVM of their own to the whole process: the
/// second one loaded binds to the first one's functions. One of them must be
/// TVM's or use it; what else lies in a folder is nobody's business here.
fn check_llvm(context: &FolderContext<'_>, out: &mut Outcome) {
    let with_llvm: Vec<(&Artifact, &Binary, &str)> = context
        .artifacts
        .iter()
        .filter_map(|artifact| {
            let binary = artifact.binary.as_ref()?;
            Some((artifact, &**binary, binary.visible_llvm.as_deref()?))
        })
        .collect();
    // The first of a platform, and the first under another name: one of them is
    // the rival of any other.
    let mut rivals: BTreeMap<(Architecture, Platform), Vec<Rival<'_>>> = BTreeMap::new();
    for (artifact, binary, symbol) in &with_llvm {
        let here = rivals
            .entry((binary.architecture, binary.platform))
            .or_default();
        let stem = name_of(artifact);
        if here.len() < 2 && here.iter().all(|known| known.stem != stem) {
            here.push(Rival {
                stem,
                place: &artifact.path,
                symbol,
            });
        }
    }
    let ours = with_llvm
        .iter()
        .filter(|(artifact, ..)| artifact.role != Role::Unrelated);
    for (artifact, binary, symbol) in ours {
        let here = rivals.get(&(binary.architecture, binary.platform));
        // The same library in another environment is no second copy.
        let other = |rival: &&Rival<'_>| rival.stem != name_of(artifact);
        let Some(rival) = here.into_iter().flatten().find(other) else {
            continue;
        };
        out.push(
            Finding::new(&RULE, &artifact.path, "two libraries show an LLVM of their own to the whole process")
                .severity(Severity::Warning)
                .at(Location::of_symbol((*symbol).to_owned()))
                .evidence(format!("{} exports {symbol}", artifact.path))
                .evidence(format!("{} exports {}", rival.place, rival.symbol))
                .evidence("loading the second one ends in a crash in LLVM's static initialisers, or in `CommandLine Error: Option ... registered more than once!`")
                .help("load only one of them in a process, or use a TVM whose LLVM is hidden or linked with `-Wl,--exclude-libs,ALL`"),
        );
    }
}
