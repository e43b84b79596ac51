//! The runtimes among some files, for who names one: what was found, and what was not read.

use std::path::PathBuf;

use super::options::ScanOptions;
use super::read::{CompilerExports, read_whole};
use crate::artifact::{Artifact, Role};
use crate::runtime::grouping::Joined;
use crate::runtime::load_set::LoadSet;

/// What some paths hold of runtimes.
#[derive(Debug, Default)]
pub struct Below {
    /// The load sets, taken together.
    pub load_sets: Vec<LoadSet>,
    /// Files that were not read, each with what is wrong with it: a runtime may be in one.
    pub unread: Vec<Artifact>,
}

/// The load sets below some paths, taken together.
pub fn runtimes_below(paths: &[PathBuf]) -> Vec<LoadSet> {
    runtimes_of(paths, &Joined::new()).load_sets
}

/// The same, with folders that are one environment with another, and with what was not read.
pub fn runtimes_of(paths: &[PathBuf], joined: &Joined) -> Below {
    let options = ScanOptions {
        paths: paths.to_vec(),
        joined: joined.clone(),
        ..ScanOptions::default()
    };
    let read = read_whole(&options, CompilerExports::All);
    let mut unread = read.artifacts;
    unread.retain(|one| one.role == Role::Unreadable && !one.problems.is_empty());
    unread.sort_by(|a, b| a.path.cmp(&b.path));
    Below {
        load_sets: read.load_sets,
        unread,
    }
}
