//! The objects of one archive, taken together: one system library.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::artifact::{Artifact, Problem, ProblemKind, Role};
use crate::container::{Binary, BinaryKind};
use crate::limits::MAX_JOINED_NAMES;
use crate::place::Place;

/// The objects of one archive are one system library: the object with the blob
/// gets the names that its neighbours define and want.
pub(super) fn join_archive_objects(artifacts: &mut [Artifact]) {
    let mut archives: HashMap<Place, Vec<usize>> = HashMap::new();
    for (index, artifact) in artifacts.iter().enumerate() {
        if artifact.binary.is_some()
            && let Some(archive) = artifact.path.archive()
        {
            archives.entry(archive).or_default().push(index);
        }
    }
    for members in archives.values() {
        join(artifacts, members);
    }
}

/// The same of objects that lie loose in one folder, as an archive that was unpacked: a
/// library has what its neighbours define. Which of them is linked with it is not known, so
/// what they want stays theirs.
pub(super) fn join_loose_objects(artifacts: &mut [Artifact]) {
    let mut folders: HashMap<Place, Vec<usize>> = HashMap::new();
    for (index, artifact) in artifacts.iter().enumerate() {
        let binary = artifact.binary.as_deref();
        let is_object = binary.is_some_and(|binary| binary.kind == BinaryKind::Object);
        let is_part = artifact.role == Role::RuntimePart;
        if is_object && !is_part && artifact.path.is_whole_file() {
            let folder = artifact.path.folder();
            let folder = folder.unwrap_or_else(|| Place::file(""));
            folders.entry(folder).or_default().push(index);
        }
    }
    for objects in folders.values().filter(|objects| objects.len() > 1) {
        let of = |index: &usize| Some((*index, artifacts.get(*index)?.binary.clone()?));
        let binaries: Vec<(usize, Arc<Binary>)> = objects.iter().filter_map(of).collect();
        let names = binaries.iter().map(|(_, binary)| binary.defined.len());
        let names: usize = names.sum();
        if names.saturating_mul(objects.len()) > MAX_JOINED_NAMES {
            continue;
        }
        for index in objects {
            let Some(artifact) = artifacts.get_mut(*index) else {
                continue;
            };
            if artifact.libraries.is_empty() {
                continue;
            }
            let own = artifact
                .binary
                .as_ref()
                .map(|own| (own.format, own.architecture));
            let neighbours = binaries.iter().filter(|(other, binary)| {
                other != index && own == Some((binary.format, binary.architecture))
            });
            for (_, neighbour) in neighbours {
                for library in artifact.libraries.iter_mut() {
                    library.add_host_names(neighbour);
                }
            }
        }
    }
}

fn join(artifacts: &mut [Artifact], members: &[usize]) {
    let of = |index: &usize| artifacts.get(*index);
    let holders: Vec<usize> = members
        .iter()
        .copied()
        .filter(|index| of(index).is_some_and(|artifact| !artifact.libraries.is_empty()))
        .collect();
    if holders.is_empty() {
        return;
    }
    let objects: Vec<(usize, Arc<Binary>)> = members
        .iter()
        .filter_map(|index| Some((*index, of(index)?.binary.clone()?)))
        .filter(|(_, binary)| binary.kind == BinaryKind::Object)
        .collect();
    let names = objects.iter().fold(0usize, |sum, (_, object)| {
        sum.saturating_add(object.defined.len())
            .saturating_add(object.undefined.len())
    });
    let too_many = names.saturating_mul(holders.len()) > MAX_JOINED_NAMES;
    let defined: HashSet<&str> = objects
        .iter()
        .flat_map(|(_, object)| object.defined.iter().map(|symbol| symbol.name.as_str()))
        .collect();
    for index in members {
        let Some(artifact) = artifacts.get_mut(*index) else {
            continue;
        };
        if artifact.libraries.is_empty() {
            if artifact.role == Role::Client {
                artifact.role = Role::LibraryObject;
            }
        } else if too_many {
            artifact.problems.push(Problem {
                kind: ProblemKind::Limit,
                detail: format!(
                    "one of {} libraries in an archive of {names} names: they are not taken together",
                    holders.len()
                ),
                offset: None,
            });
        } else {
            let neighbours = objects.iter().filter(|(other, _)| other != index);
            take_in(artifact, neighbours.map(|(_, object)| &**object), &defined);
        }
    }
}

/// Gives a library the names of its neighbours; what one of them defines is
/// not wanted of others.
fn take_in<'a>(
    artifact: &mut Artifact,
    neighbours: impl Iterator<Item = &'a Binary>,
    defined: &HashSet<&str>,
) {
    for neighbour in neighbours {
        for library in artifact.libraries.iter_mut() {
            library.add_host_names(neighbour);
        }
        if let Some(binary) = &mut artifact.binary {
            let undefined = &mut Arc::make_mut(binary).undefined;
            undefined.extend(neighbour.undefined.iter().cloned());
        }
    }
    if let Some(binary) = &mut artifact.binary {
        let binary = Arc::make_mut(binary);
        binary
            .undefined
            .retain(|symbol| !defined.contains(symbol.name.as_str()));
        binary.undefined.sort_by(|a, b| a.name.cmp(&b.name));
        binary.undefined.dedup();
    }
}
