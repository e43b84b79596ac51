//! Companions: libraries that are no part of a runtime, are in the process of a
//! file all the same, and export what others ask TVM for. A shim is one, and so
//! is a client's own C library.
//!
//! In the process of a file are, beside its runtime: what the user says is loaded
//! first; what it needs, and what that needs; what the parts of its runtime need.
//! What only lies beside it is in no process: it counts once something loads it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::at_load::{self, AtLoad, Registering};
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
    /// What the code of those registers.
    registering: Registering,
}

/// The companions of one artifact.
#[derive(Debug, Clone, Default)]
pub(crate) struct Process<'a> {
    /// Those that the user says are loaded first.
    pub(crate) first: Vec<&'a Artifact>,
    /// Those in its process.
    pub(crate) loaded: Vec<&'a Artifact>,
    /// Those in its folder, which nothing loads.
    pub(crate) beside: Vec<&'a Artifact>,
    /// Those in its process that may register functions when they are loaded.
    pub(crate) registering: Vec<&'a Artifact>,
    /// What it needs, and what that needs, of libraries that were not read.
    pub(crate) unread: Vec<String>,
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
        let asking = artifacts.iter().chain(first);
        let is_needless = in_folder.is_empty() && needed.is_empty() && !any_asks_others(asking);
        let libraries = match is_needless {
            true => HashMap::new(),
            false => artifacts
                .iter()
                .chain(needed)
                .chain(first)
                .filter(is_followed)
                .map(|artifact| (artifact.path.without_dots(), artifact))
                .collect(),
        };
        Self {
            first: first.iter().filter(is_followed).collect(),
            in_folder,
            libraries,
            registering: Registering::default(),
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
        let first = self.first.iter().copied().filter(|first| fits(first));
        let first: Vec<&'a Artifact> = first.collect();
        let asking = first
            .iter()
            .filter_map(|first| Some((&first.path, first.binary.as_deref()?)));
        let asking = asking.chain([(&artifact.path, &**binary)]).collect();
        let (closure, unread) = self.closure(asking);
        let all = self.first.iter().copied().chain(closure);
        let all: BTreeMap<&Place, &'a Artifact> = all
            .filter(|companion| fits(companion))
            .map(|companion| (&companion.path, companion))
            .collect();
        let registering = all.values().copied();
        let registering = registering.filter(|library| at_load::may_register(library));
        let registering = registering.collect();
        let mut loaded = all;
        loaded.retain(|_, companion| is_provider(companion));
        let folder = artifact.path.folder().unwrap_or_else(|| Place::file(""));
        let beside = self.in_folder.get(&folder).into_iter().flatten().copied();
        // Nothing loads a library out of an archive first.
        let beside = beside.filter(|companion| {
            fits(companion) && !companion.path.is_member() && !loaded.contains_key(&companion.path)
        });
        Process {
            first,
            beside: beside.collect(),
            loaded: loaded.into_values().collect(),
            registering,
            unread,
        }
    }

    /// Those that the parts of a runtime need.
    pub(crate) fn of_set(&self, set: &LoadSet) -> Vec<&'a Artifact> {
        let members = set.members.iter();
        let asking = members.map(|member| (&member.path, &member.binary));
        let (mut found, _) = self.closure(asking.collect());
        // The functions of its own parts are known.
        let is_part = |library: &Artifact| {
            let mut members = set.members.iter();
            members.any(|member| member.path == library.path)
        };
        found.retain(|library| !is_part(library));
        found
    }

    /// What may register functions when an artifact is loaded on a runtime. The parts of
    /// a release, or of a kind that the runtime has, are the runtime's.
    pub(crate) fn at_load<'b>(
        &'b self,
        artifact: &'b Artifact,
        process: &'b Process<'a>,
        set: Option<&LoadSet>,
    ) -> AtLoad<'b> {
        let counts = |library: &&&Artifact| match (&library.part, set) {
            (Some(part), Some(set)) => !part.is_core() && !set.has(part),
            (part, _) => part.is_none(),
        };
        let own = process.registering.iter().filter(counts).copied();
        let of_set = set.map(|set| self.of_set(set)).unwrap_or_default();
        // A runtime's own libraries open what they like, and register nothing by that.
        let of_set = of_set.into_iter();
        let of_set = of_set.filter(|library| at_load::registers(library));
        let others = own.chain(of_set).collect();
        AtLoad::with(artifact, others, &process.unread, &self.registering)
    }

    /// What some binaries need among the libraries of the scan, and what that needs; and
    /// the names of those that are not among them and are no system's or runtime's.
    fn closure(&self, asking: Vec<(&Place, &Binary)>) -> (Vec<&'a Artifact>, Vec<String>) {
        let mut found: BTreeMap<&Place, &'a Artifact> = BTreeMap::new();
        let mut unread: Vec<String> = Vec::new();
        if self.libraries.is_empty() {
            return (Vec::new(), unread);
        }
        let asking = asking.into_iter();
        let mut left: Vec<_> = asking
            .map(|(place, binary)| (place, binary, true))
            .collect();
        while let Some((place, binary, is_own)) = left.pop() {
            for needed in &binary.needed {
                let places = where_found(place, binary, &needed.name);
                let library = places
                    .iter()
                    .find_map(|place| self.libraries.get(place).copied());
                if let Some(library) = library
                    && let Some(binary) = &library.binary
                    && found.insert(&library.path, library).is_none()
                {
                    left.push((&library.path, binary, is_own && library.part.is_none()));
                }
                // What a part of a runtime needs is the runtime's.
                let is_unread = library.is_none() && is_own && is_other(&needed.name);
                if is_unread && !unread.contains(&needed.name) {
                    unread.push(needed.name.clone());
                }
            }
        }
        (found.into_values().collect(), unread)
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

/// Whether a library of this name is neither TVM's nor the system's, nor what a driver or
/// a toolkit brings.
fn is_other(name: &str) -> bool {
    !libraries::is_family(name) && !system::is_base(name) && !system::is_brought(name)
}

/// Whether any artifact needs such a library. Copies share what is known of them.
fn any_asks_others<'a>(artifacts: impl Iterator<Item = &'a Artifact>) -> bool {
    let mut seen: HashSet<usize> = HashSet::new();
    let binaries = artifacts.filter_map(|one| one.binary.as_ref());
    let mut distinct = binaries.filter(|binary| seen.insert(Arc::as_ptr(binary).addr()));
    distinct.any(|binary| binary.needed.iter().any(|needed| is_other(&needed.name)))
}

fn is_library(artifact: &Artifact) -> bool {
    let binary = artifact.binary.as_ref();
    binary.is_some_and(|binary| binary.kind == BinaryKind::SharedLibrary)
}

/// A library, no part of a runtime and no model, that exports TVM's C names.
pub(crate) fn is_provider(artifact: &Artifact) -> bool {
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
