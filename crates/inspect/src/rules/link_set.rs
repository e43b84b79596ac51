//! Objects and archives in the folder of a static runtime: a program before it is
//! linked. Facts for the rules on what its linker says.

use std::collections::BTreeMap;

use crate::artifact::{Artifact, Role};
use crate::container::{Binary, BinaryKind};
use crate::place::Place;

/// What one linker is handed.
pub(super) struct LinkSet<'a> {
    /// Objects of a static runtime or tvm-ffi.
    pub(super) runtime: Vec<(&'a Artifact, &'a Binary)>,
    /// The other objects that concern TVM.
    pub(super) others: Vec<(&'a Artifact, &'a Binary)>,
}

/// The folders with a static runtime.
pub(super) fn link_sets(artifacts: &[Artifact]) -> Vec<LinkSet<'_>> {
    let mut sets = folders(artifacts);
    sets.retain(|set| !set.runtime.is_empty());
    sets
}

/// All folders with objects.
pub(super) fn folders(artifacts: &[Artifact]) -> Vec<LinkSet<'_>> {
    let mut sets: BTreeMap<Place, LinkSet<'_>> = BTreeMap::new();
    for artifact in artifacts {
        let Some(binary) = artifact.binary.as_deref() else {
            continue;
        };
        if binary.kind != BinaryKind::Object || artifact.role == Role::Unrelated {
            continue;
        }
        let file = archive_of(artifact);
        let folder = file.folder().unwrap_or_else(|| Place::file(""));
        let set = sets.entry(folder).or_insert_with(|| LinkSet {
            runtime: Vec::new(),
            others: Vec::new(),
        });
        match artifact.role {
            Role::RuntimePart => set.runtime.push((artifact, binary)),
            _ => set.others.push((artifact, binary)),
        }
    }
    sets.into_values().collect()
}

/// The archive of an object, or the object itself.
pub(super) fn archive_of(artifact: &Artifact) -> Place {
    let archive = artifact.path.archive();
    archive.unwrap_or_else(|| artifact.path.clone())
}
