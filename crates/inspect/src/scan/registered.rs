//! Registered functions of runtimes, read from their code last and only where a model
//! library asks which there are.
//!
//! Following the code costs several times what everything else of a part does
//! (docs/performance.md), and no other verdict needs it: names of strings tell loaders
//! and registries well enough.

use crate::threads::prelude::*;

use super::file_facts::FileFacts;
use crate::artifact::{Artifact, Problem, ProblemKind};
use crate::container;
use crate::error::DecodeError;
use crate::place::Place;
use crate::runtime::member::Member;
use crate::source::map;

/// Follows the code of the members of which it was left.
pub(super) fn follow(facts: &mut FileFacts) {
    let left = facts
        .members
        .par_iter_mut()
        .filter(|member| !member.is_followed);
    let problems: Vec<(Place, Problem)> = left
        .filter_map(|member| {
            let problem = follow_one(member).err()?;
            Some((member.path.clone(), problem))
        })
        .collect();
    for (place, problem) in problems {
        let is_of = |artifact: &&mut Artifact| artifact.path == place;
        if let Some(artifact) = facts.artifacts.iter_mut().find(is_of) {
            artifact.problems.push(problem);
        }
    }
}

fn follow_one(member: &mut Member) -> Result<(), Problem> {
    let bytes = map::open(member.path.path()).map_err(|error| Problem {
        kind: ProblemKind::Unreadable,
        detail: error.to_string(),
        offset: None,
    })?;
    let parsed = container::parse(&bytes);
    let parsed = parsed.map_err(|error| Problem::of(&error, &member.kind))?;
    // The slice of a universal binary, and the file as it was.
    let same = parsed.iter().find(|parsed| parsed.binary == member.binary);
    let Some(same) = same else {
        let error = DecodeError::new(0, "the file that was read", "another: it changed meanwhile");
        return Err(Problem::of(&error, &member.kind));
    };
    member.follow(same);
    Ok(())
}
