//! Facts that a binary does not show, taken from the release table where every
//! known runtime with the same readable facts agrees on them.
//!
//! Two rounds: runtimes equal in everything that was read name a release; if
//! none is equal, runtimes of the same generation (slots, tags, executable
//! loader, C ABI) may still agree on a fact, and no release is named. Which
//! facts are compared is declared with each fact, in `facts.rs`. What such a fact
//! is worth is its [`Confidence`](super::Confidence): a file that is a release's own
//! is known; likeness is not knowledge.

use super::RuntimeProfile;
use super::fact::Likeness;
use super::{history, release};

/// Completes a profile read from a binary.
pub fn complete(profile: &mut RuntimeProfile) {
    let generation: Vec<&'static RuntimeProfile> = release::profiles()
        .iter()
        .filter(|known| known.runs_models() && profile.same_generation(known))
        .collect();
    let mut alike = generation.clone();
    alike.retain(|known| profile.same_facts(known));
    let own = profile.identity.as_deref().and_then(release::by_name);
    if let Some(own) = own {
        alike = vec![own];
    }
    if let Some(newest) = alike.iter().rev().find(|known| known.release.is_some()) {
        profile.release.clone_from(&newest.release);
    }
    let known = if alike.is_empty() {
        &generation
    } else {
        &alike
    };
    let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
    let names = history::spans(&names);
    profile.note = Some(match (&own, &profile.release) {
        (Some(own), _) => format!("the runtime of {}", own.name),
        _ if known.is_empty() => "like no known release".to_owned(),
        (_, Some(release)) => format!("like {release} in every fact that can be read"),
        _ if !alike.is_empty() => format!("like {names} in every fact that can be read"),
        _ => format!("of the generation of {names}"),
    });
    let oldest = release::profiles().first();
    let is_oldest = |known: &&RuntimeProfile| oldest.is_some_and(|one| one.name == known.name);
    let like = Likeness {
        is_known: own.is_some(),
        is_oldest: generation.iter().any(is_oldest),
        generation: Vec::new(),
        names,
    };
    profile.complete_from(known, &generation, &like);
}
