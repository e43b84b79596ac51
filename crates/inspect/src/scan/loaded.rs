//! The libraries that are in a process beside its runtime's, and what they ask of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::candidates::Candidate;
use crate::artifact::Artifact;
use crate::finding::{Outcome, Severity};
use crate::rules::{self, Binding, Subject};
use crate::runtime::dependencies::Dependencies;

/// The libraries that are in a process beside its runtime's.
pub(super) struct Loaded<'a> {
    /// Those that export TVM's names.
    pub(super) with: &'a [&'a Artifact],
    /// Those that are loaded before the runtime.
    pub(super) first: &'a [&'a Artifact],
    pub(super) asked: &'a Asked,
}

/// What libraries ask of a process that they are in: artifacts that are loaded in the same
/// one have that in common.
#[derive(Default)]
pub(super) struct Asked {
    known: Mutex<HashMap<Asking, Arc<Outcome>>>,
    /// The libraries that were read for others.
    dependencies: Dependencies,
}

/// Who asks, and of what process. All of it is there as long as the scan is judged.
#[derive(PartialEq, Eq, Hash)]
struct Asking {
    library: usize,
    profile: usize,
    load_set: Option<usize>,
    is_first: bool,
    with: Vec<usize>,
}

impl Asked {
    /// What a library asks, which `ask` finds out.
    fn of(
        &self,
        library: &Artifact,
        is_first: bool,
        with: &[&Artifact],
        candidate: &Candidate<'_>,
        ask: impl FnOnce() -> Outcome,
    ) -> Arc<Outcome> {
        let address = |one: &Artifact| std::ptr::from_ref(one).addr();
        let asking = Asking {
            library: address(library),
            profile: std::ptr::from_ref(candidate.profile).addr(),
            load_set: candidate.load_set.map(|set| std::ptr::from_ref(set).addr()),
            is_first,
            with: with.iter().map(|one| address(one)).collect(),
        };
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = known().get(&asking) {
            return outcome.clone();
        }
        let outcome = Arc::new(ask());
        known().insert(asking, outcome.clone());
        outcome
    }
}

/// What an artifact asks of its process; and what the libraries ask that are in it, as far
/// as the process ends for it.
pub(super) fn bind(
    artifact: &Artifact,
    loaded: &Loaded<'_>,
    candidate: &Candidate<'_>,
    outcome: &mut Outcome,
) {
    let ask = |artifact, is_first, outcome: &mut Outcome| {
        let subject = Subject::Binding(Binding {
            artifact,
            runtime: candidate.profile,
            load_set: candidate.load_set,
            companions: loaded.with,
            is_first,
            machine: candidate.machine,
            preloaded: loaded.first,
            known: &loaded.asked.dependencies,
        });
        rules::ask(&subject, outcome);
    };
    ask(artifact, false, outcome);
    let is_first = |library: &Artifact| loaded.first.iter().any(|one| one.path == library.path);
    let later = loaded.with.iter().filter(|library| !is_first(library));
    for (library, is_first) in loaded
        .first
        .iter()
        .map(|library| (library, true))
        .chain(later.map(|library| (library, false)))
    {
        let own = loaded
            .asked
            .of(library, is_first, loaded.with, candidate, || {
                let mut own = Outcome::default();
                ask(library, is_first, &mut own);
                own.findings
                    .retain(|finding| finding.severity == Severity::Error);
                own
            });
        outcome.findings.extend(own.findings.iter().cloned());
        // Without what is loaded first no process starts.
        if is_first {
            outcome.needs.extend(own.needs.iter().cloned());
        }
    }
}
