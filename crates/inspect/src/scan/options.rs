//! What to scan, against what.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::shard::Shard;
use crate::artifact::Artifact;
use crate::runtime::RuntimeProfile;
use crate::runtime::grouping::Joined;
use crate::runtime::load_set::LoadSet;
use crate::runtime::machine::Machine;
use crate::target::Target;

/// What to scan, against what.
#[derive(Debug, Default)]
pub struct ScanOptions {
    /// Files and directories.
    pub paths: Vec<PathBuf>,
    /// Runtimes the user named; empty means "those among the paths, else every release".
    pub runtimes: Vec<GivenRuntime>,
    /// Libraries that every process loads first.
    pub with: Vec<Artifact>,
    /// The machine it must run on.
    pub target: Option<Target>,
    /// Threads of its own; `None` for those of the process, see [`use_threads`].
    pub jobs: Option<usize>,
    /// Read only this share of the files, and the runtimes.
    pub shard: Option<Shard>,
    /// Compare the checksums of weight shards, which reads them whole.
    pub checksums: bool,
    /// The machine that the paths claim to be the whole of; what it lacks is an error.
    pub machine: Option<Arc<Machine>>,
    /// Folders of packages that are one environment with another.
    pub joined: Joined,
    /// Global functions that the application registers.
    pub provides: BTreeSet<String>,
}

impl ScanOptions {
    /// One path, nothing else asked for.
    pub(super) fn of(path: &Path) -> Self {
        Self {
            paths: vec![path.to_owned()],
            ..Self::default()
        }
    }
}

/// A runtime the user named.
#[derive(Debug, Clone)]
pub struct GivenRuntime {
    /// What it accepts and offers.
    pub profile: RuntimeProfile,
    /// Its files, when it was read from files.
    pub load_set: Option<LoadSet>,
}
