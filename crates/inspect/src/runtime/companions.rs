//! Companions: libraries that are no part of a runtime, are in the process of a
//! file all the same, and export what others ask TVM for. A shim is one, and so
//! is a client's own C library.
//!
//! In the process of a file are, beside its runtime: what the user says is loaded
//! first; what lies in the file's own folder; what it needs, and what that needs.

use std::collections::{BTreeMap, HashMap};

use super::libraries;
use crate::artifact::{Artifact, Role};
use crate::container::{Binary, BinaryKind, Platform, UndefinedSymbol};
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

impl<'a> Companions<'a> {
    /// `first` are those that the user says are loaded first.
    pub(crate) fn of(artifacts: &'a [Artifact], first: &'a [Artifact]) -> Self {
        let mut in_folder: HashMap<Place, Vec<&Artifact>> = HashMap::new();
        for artifact in artifacts.iter().filter(|artifact| is_provider(artifact)) {
            let folder = artifact.path.folder();
            let folder = folder.unwrap_or_else(|| Place::file(""));
            in_folder.entry(folder).or_default().push(artifact);
        }
        let is_followed = |artifact: &&Artifact| is_library(artifact);
        let libraries = match in_folder.is_empty() {
            true => HashMap::new(),
            false => artifacts
                .iter()
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

    /// Those in the process of an artifact, by their places.
    pub(crate) fn of_artifact(&self, artifact: &Artifact) -> Vec<&'a Artifact> {
        let Some(binary) = &artifact.binary else {
            return Vec::new();
        };
        let mut found: BTreeMap<&Place, &'a Artifact> = BTreeMap::new();
        let folder = artifact.path.folder().unwrap_or_else(|| Place::file(""));
        let beside = self.in_folder.get(&folder).into_iter().flatten();
        for companion in self.first.iter().chain(beside) {
            found.insert(&companion.path, companion);
        }
        if !self.libraries.is_empty() {
            for needed in self.closure(artifact) {
                if is_provider(needed) {
                    found.insert(&needed.path, needed);
                }
            }
        }
        let fits = |companion: &&Artifact| {
            let other = companion.binary.as_deref();
            companion.path != artifact.path && other.is_some_and(|other| go_together(binary, other))
        };
        found.into_values().filter(fits).collect()
    }

    /// What an artifact needs among the libraries of the scan, and what that needs.
    fn closure(&self, artifact: &Artifact) -> Vec<&'a Artifact> {
        let mut found: BTreeMap<&Place, &'a Artifact> = BTreeMap::new();
        let mut left = vec![artifact];
        while let Some(asking) = left.pop() {
            let Some(binary) = &asking.binary else {
                continue;
            };
            for needed in &binary.needed {
                let places = libraries::candidates(&asking.path, binary, &needed.name);
                let library = places
                    .iter()
                    .find_map(|place| self.libraries.get(place).copied());
                if let Some(library) = library
                    && found.insert(&library.path, library).is_none()
                {
                    left.push(library);
                }
            }
        }
        found.into_values().collect()
    }
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
