//! What to scan, against what.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::shard::Shard;
use crate::artifact::Artifact;
use crate::runtime::grouping::Joined;
use crate::runtime::load_set::LoadSet;
use crate::runtime::machine::Machine;
use crate::runtime::{RuntimeProfile, history};
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

    /// Whether runtimes were named and none of them has libtvm in one piece.
    pub(super) fn run_on_split(&self) -> bool {
        let mut native = self
            .runtimes
            .iter()
            .filter(|one| one.profile.glue.is_none());
        let is_any = native.clone().next().is_some();
        is_any && native.all(GivenRuntime::is_of_the_split)
    }
}

/// The day on which libtvm became libtvm_runtime and libtvm_compiler.
const SPLIT: &str = "2026-04-26";

/// A runtime the user named.
#[derive(Debug, Clone)]
pub struct GivenRuntime {
    /// What it accepts and offers.
    pub profile: RuntimeProfile,
    /// Its files, when it was read from files.
    pub load_set: Option<LoadSet>,
}

impl GivenRuntime {
    fn is_of_the_split(&self) -> bool {
        let Some(set) = &self.load_set else {
            let is_before =
                |known: &&RuntimeProfile| known.date.as_deref().is_none_or(|date| date < SPLIT);
            let mut since = history::line().skip_while(is_before);
            return since.any(|known| known.name == self.profile.name);
        };
        set.is_of_the_split()
    }
}
