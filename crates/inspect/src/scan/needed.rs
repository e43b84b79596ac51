//! Libraries outside what the user named that its files load: those on run paths that
//! begin at the file itself.
//!
//! A run path that begins elsewhere on this machine says nothing of the machine that will
//! load the file, and is not followed.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::artifact::{Artifact, Role};
use crate::place::Place;
use crate::runtime::{libraries, system};

/// Files that are read already.
#[derive(Default)]
pub(super) struct Followed {
    known: HashSet<PathBuf>,
    /// Folders that those who load a file pass on to it (`DT_RPATH`).
    passed_on: HashMap<PathBuf, Vec<Place>>,
}

impl Followed {
    /// The files that some artifacts load and that are not read yet.
    pub(super) fn next(&mut self, artifacts: &[&Artifact]) -> Vec<PathBuf> {
        let files = artifacts.iter().map(|artifact| artifact.path.path());
        let mut wanted: Vec<PathBuf> = Vec::new();
        for artifact in artifacts {
            wanted.extend(self.loaded_by(artifact));
        }
        if wanted.is_empty() {
            return Vec::new();
        }
        self.known.extend(files.map(real));
        wanted.retain(|file| self.known.insert(real(file)));
        wanted
    }

    fn loaded_by(&mut self, artifact: &Artifact) -> Vec<PathBuf> {
        let Some(binary) = artifact.binary.as_deref() else {
            return Vec::new();
        };
        if artifact.path.is_member() {
            return Vec::new();
        }
        let needed = binary.needed.iter().map(|needed| &needed.name);
        let needed: Vec<&String> = needed.filter(|name| !system::is_base(name)).collect();
        if needed.is_empty() {
            return Vec::new();
        }
        let own = libraries::run_path(&artifact.path, None, binary);
        let passed = self.passed_on.get(&real(artifact.path.path()));
        let passed = passed.cloned().unwrap_or_default();
        let looked_in = match binary.has_runpath {
            true => Vec::new(),
            false => passed.clone(),
        };
        let first = |name: &&String| {
            let beside = libraries::beside(&artifact.path, binary, name).into_iter();
            let passed = looked_in
                .iter()
                .map(|folder| Place::file(folder.path().join(name)));
            let mut files = beside.chain(passed);
            files.find(|file| file.path().is_file())
        };
        let found = needed.iter().filter_map(first);
        let found: Vec<PathBuf> = found.map(|place| place.path().to_owned()).collect();
        let mut folders = passed;
        if !binary.has_runpath {
            folders.splice(0..0, own);
        }
        for file in found.iter().filter(|_| !folders.is_empty()) {
            self.passed_on
                .entry(real(file))
                .or_insert_with(|| folders.clone());
        }
        found
    }
}

/// Whether what an artifact loads is in the process that is asked about.
pub(super) fn is_asked_about(artifact: &Artifact) -> bool {
    let roles = [Role::ModelLibrary, Role::Client, Role::RuntimePart];
    roles.contains(&artifact.role)
}

fn real(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}
