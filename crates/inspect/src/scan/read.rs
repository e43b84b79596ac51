//! Reading: files to artifacts and load sets, in parallel.

use std::path::{Path, PathBuf};

use super::LoadSet;
use crate::artifact::{Artifact, Problem, ProblemKind, Role};
use crate::container;
use crate::module::locate;

/// Told of progress while files are read.
pub trait Progress: Sync {
    /// So many files are going to be read.
    fn found(&self, files: usize);
    /// This one was read.
    fn read(&self, path: &str);
}

/// Nobody is told.
impl Progress for () {
    fn found(&self, _files: usize) {}
    fn read(&self, _path: &str) {}
}

/// What reading gives.
pub(super) struct Reading {
    pub artifacts: Vec<Artifact>,
    pub load_sets: Vec<LoadSet>,
}

pub(super) fn read(paths: &[PathBuf], progress: &dyn Progress) -> Reading {
    let mut artifacts = Vec::new();
    for path in paths {
        for entry in walkdir::WalkDir::new(path).into_iter().flatten() {
            if entry.file_type().is_file() {
                artifacts.extend(file(entry.path()));
                progress.read(&entry.path().display().to_string());
            }
        }
    }
    Reading {
        artifacts,
        load_sets: Vec::new(),
    }
}

pub(super) fn file(path: &Path) -> Vec<Artifact> {
    let Ok(bytes) = std::fs::read(path) else {
        return Vec::new();
    };
    if !container::identify(&bytes).is_binary() {
        return Vec::new();
    }
    let display = path.display().to_string();
    match container::parse(&bytes) {
        Ok(slices) => slices
            .into_iter()
            .map(|parsed| {
                let libraries = locate::find(&parsed);
                Artifact {
                    path: display.clone(),
                    size: bytes.len() as u64,
                    role: if libraries.is_empty() {
                        Role::Unrelated
                    } else {
                        Role::ModelLibrary
                    },
                    part: None,
                    binary: Some(parsed.binary),
                    libraries,
                    problems: Vec::new(),
                }
            })
            .collect(),
        Err(error) => vec![Artifact {
            path: display,
            size: bytes.len() as u64,
            role: Role::Unreadable,
            part: None,
            binary: None,
            libraries: Vec::new(),
            problems: vec![Problem {
                kind: ProblemKind::Corrupt,
                detail: error.to_string(),
                offset: Some(error.at),
            }],
        }],
    }
}
