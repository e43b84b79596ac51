//! Libraries outside what the user named that its files load: those on run paths that
//! begin at the file itself.
//!
//! A run path that begins elsewhere on this machine says nothing of the machine that will
//! load the file, and is not followed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::artifact::{Artifact, Role};
use crate::place::Place;
use crate::runtime::{libraries, system};

/// Libraries that one scan follows.
const MAX_FOLLOWED: usize = 64;

/// Files that are read already, and how many were followed to.
#[derive(Default)]
pub(super) struct Followed {
    known: HashSet<PathBuf>,
    count: usize,
}

impl Followed {
    /// The files that some artifacts load and that are not read yet.
    pub(super) fn next(&mut self, artifacts: &[&Artifact]) -> Vec<PathBuf> {
        let files = artifacts.iter().map(|artifact| artifact.path.path());
        let wanted: Vec<PathBuf> = artifacts
            .iter()
            .flat_map(|artifact| loaded_by(artifact))
            .collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        self.known.extend(files.map(real));
        let mut next = Vec::new();
        for file in wanted {
            if self.count < MAX_FOLLOWED && self.known.insert(real(&file)) {
                self.count = self.count.saturating_add(1);
                next.push(file);
            }
        }
        next
    }
}

/// Whether what an artifact loads is in the process that is asked about.
pub(super) fn is_asked_about(artifact: &Artifact) -> bool {
    let roles = [Role::ModelLibrary, Role::Client, Role::RuntimePart];
    roles.contains(&artifact.role)
}

fn loaded_by(artifact: &Artifact) -> Vec<PathBuf> {
    let Some(binary) = artifact.binary.as_deref() else {
        return Vec::new();
    };
    if artifact.path.is_member() {
        return Vec::new();
    }
    let needed = binary.needed.iter().map(|needed| &needed.name);
    let needed = needed.filter(|name| !system::is_base(name));
    let first = |name: &String| {
        let places = libraries::beside(&artifact.path, binary, name);
        let mut files = places.iter().map(Place::path);
        files.find(|file| file.is_file()).map(Path::to_owned)
    };
    needed.filter_map(first).collect()
}

fn real(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}
