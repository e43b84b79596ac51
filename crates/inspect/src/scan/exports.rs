//! Exports of compilers, listed last and only as far as anybody asks.
//!
//! A compiler library exports up to fifty thousand names and takes part in no
//! verdict but this one: whether a symbol that something asks for is there.
//! Once every file is read, the names asked for are known; the compiler is then
//! asked for those through its own lookup tables.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::threads::prelude::*;

use super::file_facts::FileFacts;
use crate::artifact::{Artifact, Problem, ProblemKind};
use crate::container::Format;
use crate::parts::REGISTRY_SYMBOLS;
use crate::place::Place;
use crate::runtime::member::Member;
use crate::source::map;

/// Lists what is wanted of the members that were left unlisted.
pub(super) fn list(facts: &mut FileFacts) {
    let FileFacts {
        artifacts,
        members,
        unlisted,
        ..
    } = facts;
    if unlisted.is_empty() {
        return;
    }
    let unlisted: HashSet<Place> = unlisted.drain(..).collect();
    let formats: BTreeSet<Format> = members
        .iter()
        .filter(|member| unlisted.contains(&member.path))
        .map(|member| member.binary.format)
        .collect();
    let names: BTreeMap<Format, Vec<&str>> = formats
        .into_par_iter()
        .map(|format| (format, asked_for(artifacts, format)))
        .collect();
    let problems: HashMap<Place, Problem> = members
        .par_iter_mut()
        .filter(|member| unlisted.contains(&member.path))
        .filter_map(|member| {
            let wanted = names.get(&member.binary.format)?;
            let problem = ask(member, wanted).err()?;
            Some((member.path.clone(), problem))
        })
        .collect();
    if problems.is_empty() {
        return;
    }
    for artifact in artifacts {
        artifact
            .problems
            .extend(problems.get(&artifact.path).cloned());
    }
}

/// The names that binaries of one format leave undefined, and those that tell
/// a registry.
fn asked_for(artifacts: &[Artifact], format: Format) -> Vec<&str> {
    let mut names: Vec<&str> = artifacts
        .iter()
        .filter_map(|artifact| artifact.binary.as_ref())
        .filter(|binary| binary.format == format)
        .flat_map(|binary| {
            let others = binary.foreign.iter().map(|symbol| symbol.name.as_str());
            let own = binary.undefined.iter().map(|symbol| symbol.name.as_str());
            own.chain(others)
        })
        .chain(REGISTRY_SYMBOLS)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn ask(member: &mut Member, wanted: &[&str]) -> Result<(), Problem> {
    let bytes = map::open(member.path.path()).map_err(|error| Problem {
        kind: ProblemKind::Unreadable,
        detail: error.to_string(),
        offset: None,
    })?;
    member.ask(&bytes, wanted).map_err(|error| Problem {
        kind: ProblemKind::Corrupt,
        detail: format!("{}: {error}", member.kind),
        offset: Some(error.at),
    })
}
