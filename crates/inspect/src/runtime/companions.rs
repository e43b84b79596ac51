//! Companions: libraries that are no part of a runtime, are in the process of a
//! file all the same, and export what others ask TVM for. A shim is one, and so
//! is a client's own C library.
//!
//! In the process of a file are, beside its runtime: what the user says is loaded
//! first; what it needs, and what that needs; what the parts of its runtime need.
//! What only lies beside it is in no process: it counts once something loads it.

use std::collections::{BTreeMap, HashMap};

use super::load_set::LoadSet;
use super::{libraries, system};
use crate::artifact::{Artifact, Role};
use crate::container::{Binary, BinaryKind, Format, Platform, UndefinedSymbol};
use crate::parts::stem;
use crate::place::Place;

/// Whether a companion answers for a symbol: by its name, or where the symbol is
/// bound to a library, as that library.
pub(crate) fn provides(companion: &Artifact, symbol: &UndefinedSymbol) -> bool {
    let Some(binary) = &companion.binary else {
        return false;
    };
    let is_bound_to = |library: &str| {
        let own = binary.identity.as_deref();
        let wanted = stem(library);
        stem(&companion.path.name()) == wanted || own.is_some_and(|own| stem(own) == wanted)
    };
    exports(binary, &symbol.name) && symbol.library.as_deref().is_none_or(is_bound_to)
}

/// Whether a library exports a C symbol of TVM's.
pub(crate) fn exports(binary: &Binary, name: &str) -> bool {
    let mut defined = binary.defined.iter();
    defined.any(|symbol| symbol.exported && symbol.name == name)
}

/// The libraries of a scan that may be companions of others.
pub(crate) struct Companions<'a> {
    /// Loaded first in every process.
    first: Vec<&'a Artifact>,
    in_folder: HashMap<Place, Vec<&'a Artifact>>,
    /// Every library, to follow what one needs; empty where that ends nowhere.
    libraries: HashMap<Place, &'a Artifact>,
}

/// The companions of one artifact.
#[derive(Debug, Clone, Default)]
pub(crate) struct Process<'a> {
    /// Those in its process.
    pub(crate) loaded: Vec<&'a Artifact>,
    /// Those in its folder, which nothing loads.
    pub(crate) beside: Vec<&'a Artifact>,
}

impl<'a> Companions<'a> {
    /// `needed` are what given runtimes need, `first` are those that the user says are
    /// loaded first.
    pub(crate) fn of(
        artifacts: &'a [Artifact],
        needed: &'a [Artifact],
        first: &'a [Artifact],
    ) -> Self {
        let mut in_folder: HashMap<Place, Vec<&Artifact>> = HashMap::new();
        for artifact in artifacts.iter().filter(|artifact| is_provider(artifact)) {
            let folder = artifact.path.folder();
            let folder = folder.unwrap_or_else(|| Place::file(""));
            in_folder.entry(folder).or_default().push(artifact);
        }
        let is_followed = |artifact: &&Artifact| is_library(artifact);
        let libraries = match in_folder.is_empty() && needed.is_empty() {
            true => HashMap::new(),
            false => artifacts
                .iter()
                .chain(needed)
                .filter(is_followed)
                .map(|artifact| (artifact.path.without_dots(), artifact))
                .collect(),
        };
        Self {
            first: first.iter().filter(|first| is_provider(first)).collect(),
            in_folder,
            libraries,
        }
    }

    /// Those of an artifact, by their places.
    pub(crate) fn of_artifact(&self, artifact: &Artifact) -> Process<'a> {
        let Some(binary) = &artifact.binary else {
            return Process::default();
        };
        let fits = |companion: &Artifact| {
            let other = companion.binary.as_deref();
            companion.path != artifact.path && other.is_some_and(|other| go_together(binary, other))
        };
        let closure = self.closure(vec![(&artifact.path, binary)]);
        let loaded = self.first.iter().copied().chain(closure);
        let loaded: BTreeMap<&Place, &'a Artifact> = loaded
            .filter(|companion| is_provider(companion) && fits(companion))
            .map(|companion| (&companion.path, companion))
            .collect();
        let folder = artifact.path.folder().unwrap_or_else(|| Place::file(""));
        let beside = self.in_folder.get(&folder).into_iter().flatten().copied();
        // Nothing loads a library out of an archive first.
        let beside = beside.filter(|companion| {
            fits(companion) && !companion.path.is_member() && !loaded.contains_key(&companion.path)
        });
        Process {
            beside: beside.collect(),
            loaded: loaded.into_values().collect(),
        }
    }

    /// Those that the parts of a runtime need.
    pub(crate) fn of_set(&self, set: &LoadSet) -> Vec<&'a Artifact> {
        let members = set.members.iter();
        let asking = members.map(|member| (&member.path, &member.binary));
        let mut found = self.closure(asking.collect());
        found.retain(|companion| is_provider(companion));
        found
    }

    /// What some binaries need among the libraries of the scan, and what that needs.
    fn closure(&self, asking: Vec<(&Place, &Binary)>) -> Vec<&'a Artifact> {
        let mut found: BTreeMap<&Place, &'a Artifact> = BTreeMap::new();
        if self.libraries.is_empty() {
            return Vec::new();
        }
        let mut left = asking;
        while let Some((place, binary)) = left.pop() {
            for needed in &binary.needed {
                let places = where_found(place, binary, &needed.name);
                let library = places
                    .iter()
                    .find_map(|place| self.libraries.get(place).copied());
                if let Some(library) = library
                    && let Some(binary) = &library.binary
                    && found.insert(&library.path, library).is_none()
                {
                    left.push((&library.path, binary));
                }
            }
        }
        found.into_values().collect()
    }
}

/// How libraries are loaded first, as one types it.
pub(crate) fn load_first(format: Option<Format>, libraries: &[Place]) -> String {
    let name = |library: &Place| match library.folder() {
        // A bare name is looked for on the system's paths.
        Some(folder) if folder.is_here() => format!("./{library}"),
        _ => library.to_string(),
    };
    let names: Vec<String> = libraries.iter().map(name).collect();
    match format {
        Some(Format::Elf) => format!("LD_PRELOAD={}", names.join(":")),
        Some(Format::MachO) => format!("DYLD_INSERT_LIBRARIES={}", names.join(":")),
        _ => format!("load {} first", names.join(", ")),
    }
}

/// Where a needed library may be; a process that has started has found it, and of
/// those that are known the one beside what asks is it.
fn where_found(place: &Place, binary: &Binary, needed: &str) -> Vec<Place> {
    let mut places = libraries::candidates(place, binary, needed);
    let name = needed.rsplit(['/', '\\']).next().unwrap_or(needed);
    places.push(place.beside(name));
    places
}

/// The files that the parts of a runtime name, of those that are neither TVM's nor
/// the system's.
pub(crate) fn named_by(set: &LoadSet) -> Vec<Place> {
    let mut files = Vec::new();
    for member in &set.members {
        let needed =
            member.binary.needed.iter().filter(|needed| {
                !libraries::is_family(&needed.name) && !system::is_base(&needed.name)
            });
        for needed in needed {
            let mut places = where_found(&member.path, &member.binary, &needed.name).into_iter();
            files.extend(places.find(|place| !place.is_member() && place.path().is_file()));
        }
    }
    files
}

fn is_library(artifact: &Artifact) -> bool {
    let binary = artifact.binary.as_ref();
    binary.is_some_and(|binary| binary.kind == BinaryKind::SharedLibrary)
}

/// A library, no part of a runtime and no model, that exports TVM's C names.
fn is_provider(artifact: &Artifact) -> bool {
    let exports_any = |binary: &Binary| {
        let mut defined = binary.defined.iter();
        defined.any(|symbol| symbol.exported && symbol.name.starts_with("TVM"))
    };
    artifact.role == Role::Client
        && is_library(artifact)
        && artifact.binary.as_deref().is_some_and(exports_any)
}

/// Whether two binaries can be in one process.
fn go_together(one: &Binary, other: &Binary) -> bool {
    one.format == other.format
        && one.architecture == other.architecture
        && (one.platform == other.platform
            || one.platform == Platform::Unknown
            || other.platform == Platform::Unknown)
}
