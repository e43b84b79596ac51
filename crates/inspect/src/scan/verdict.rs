//! Verdicts: each model library and client against each runtime that matters.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::options::GivenRuntime;
use crate::artifact::{Artifact, Role};
use crate::container::Format;
use crate::finding::{Finding, Outcome, Severity, Undecided};
use crate::module::{Blob, ModelLibrary};
use crate::rule::Rule;
use crate::rules::{self, Binding, Facts, Pair, Subject};
use crate::runtime::RuntimeProfile;
use crate::runtime::load_set::LoadSet;
use crate::runtime::release;

/// Why a runtime was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeSource {
    /// The user named it.
    Given,
    /// It lies among the scanned paths.
    Found,
    /// A release of the built-in table, because there was nothing else.
    Release,
}

/// What comes of loading and running an artifact on a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictStatus {
    /// No known mismatch.
    Fits,
    /// At least one error.
    Breaks,
    /// No error, but a fact is missing that could be one.
    Undecided,
}

/// One artifact on one runtime.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Display path of the artifact.
    pub artifact: String,
    /// System-lib prefix of the library, where the artifact holds several.
    pub prefix: Option<String>,
    /// Runtime's name.
    pub runtime: String,
    /// Why this runtime.
    pub source: RuntimeSource,
    /// What comes of it.
    pub status: VerdictStatus,
    /// Rules that report an error, by code.
    pub rules: Vec<&'static Rule>,
    /// What could not be decided.
    pub undecided: Vec<Undecided>,
    /// Findings in full; in a report they stand in the list of findings.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Whether somebody asked for this runtime, or it lies beside the artifact.
    pub fn is_wanted(&self) -> bool {
        self.source != RuntimeSource::Release
    }
}

/// A runtime to hold artifacts against.
struct Candidate<'a> {
    profile: &'a RuntimeProfile,
    load_set: Option<&'a LoadSet>,
    source: RuntimeSource,
}

/// Every verdict that the given runtimes, or else those found, or else the
/// release table call for.
pub fn verdicts(
    artifacts: &[Artifact],
    load_sets: &[LoadSet],
    given: &[GivenRuntime],
) -> Vec<Verdict> {
    artifacts
        .par_iter()
        .flat_map_iter(|artifact| of_artifact(artifact, load_sets, given))
        .collect()
}

fn of_artifact(artifact: &Artifact, load_sets: &[LoadSet], given: &[GivenRuntime]) -> Vec<Verdict> {
    if !matches!(artifact.role, Role::ModelLibrary | Role::Client) {
        return Vec::new();
    }
    let candidates = candidates(artifact, load_sets, given);
    if artifact.role == Role::Client {
        return candidates
            .iter()
            .filter(|candidate| candidate.source != RuntimeSource::Release)
            .map(|candidate| client_verdict(artifact, candidate))
            .collect();
    }
    let libraries: Vec<(&ModelLibrary, &Blob, Facts<'_>)> = artifact
        .libraries
        .iter()
        .filter_map(|library| {
            let blob = library.blob.as_ref().ok()?;
            Some((library, blob, Facts::of(library, blob)))
        })
        .collect();
    candidates
        .iter()
        .flat_map(|candidate| {
            libraries.iter().map(move |(library, blob, facts)| {
                library_verdict(artifact, library, blob, facts, candidate)
            })
        })
        .collect()
}

/// The findings of verdicts that count as the scan's own: those of wanted
/// runtimes, and where no release runs a library, those of the release that
/// comes closest.
pub fn findings_that_count(verdicts: &[Verdict]) -> Vec<Finding> {
    let mut counted: Vec<Finding> = verdicts
        .iter()
        .filter(|verdict| verdict.is_wanted())
        .flat_map(|verdict| verdict.findings.clone())
        .collect();
    let libraries: BTreeSet<(&str, Option<&str>)> = verdicts
        .iter()
        .filter(|verdict| !verdict.is_wanted())
        .map(|verdict| (verdict.artifact.as_str(), verdict.prefix.as_deref()))
        .collect();
    for (artifact, prefix) in libraries {
        let of_library: Vec<&Verdict> = verdicts
            .iter()
            .filter(|verdict| {
                !verdict.is_wanted()
                    && verdict.artifact == artifact
                    && verdict.prefix.as_deref() == prefix
            })
            .collect();
        if of_library
            .iter()
            .any(|verdict| verdict.status != VerdictStatus::Breaks)
        {
            continue;
        }
        // Releases come oldest first; the newest of the closest is the one to repair for.
        if let Some(closest) = of_library
            .iter()
            .rev()
            .min_by_key(|verdict| verdict.rules.len())
        {
            counted.extend(closest.findings.clone());
        }
    }
    counted
}

fn candidates<'a>(
    artifact: &Artifact,
    load_sets: &'a [LoadSet],
    given: &'a [GivenRuntime],
) -> Vec<Candidate<'a>> {
    if !given.is_empty() {
        return given
            .iter()
            .map(|runtime| Candidate {
                profile: &runtime.profile,
                load_set: runtime.load_set.as_ref(),
                source: RuntimeSource::Given,
            })
            .collect();
    }
    let found: Vec<Candidate<'a>> = load_sets
        .iter()
        .filter(|load_set| load_set.holds_vm_runtime() && is_for(load_set, artifact))
        .map(|load_set| Candidate {
            profile: &load_set.profile,
            load_set: Some(load_set),
            source: RuntimeSource::Found,
        })
        .collect();
    // A wasm library carries its own runtime; the release table does not apply.
    if !found.is_empty() || is_wasm(artifact) {
        return found;
    }
    release::releases()
        .iter()
        .map(|profile| Candidate {
            profile,
            load_set: None,
            source: RuntimeSource::Release,
        })
        .collect()
}

/// Whether an artifact would load into the load set. A wasm library runs on
/// the runtime inside it and on no other.
fn is_for(load_set: &LoadSet, artifact: &Artifact) -> bool {
    if is_wasm(artifact) {
        return load_set
            .members
            .iter()
            .any(|member| member.path == artifact.path);
    }
    load_set.fits(artifact)
}

fn is_wasm(artifact: &Artifact) -> bool {
    artifact
        .binary
        .as_ref()
        .is_some_and(|binary| binary.format == Format::Wasm)
}

fn library_verdict(
    artifact: &Artifact,
    library: &ModelLibrary,
    blob: &Blob,
    facts: &Facts<'_>,
    candidate: &Candidate<'_>,
) -> Verdict {
    let subject = Subject::Pair(Pair {
        artifact,
        library,
        blob,
        facts,
        runtime: candidate.profile,
    });
    let mut outcome = Outcome::default();
    rules::ask(&subject, &mut outcome);
    bind(artifact, candidate, &mut outcome);
    conclude(artifact, library.prefix.clone(), candidate, outcome)
}

fn client_verdict(artifact: &Artifact, candidate: &Candidate<'_>) -> Verdict {
    let mut outcome = Outcome::default();
    bind(artifact, candidate, &mut outcome);
    conclude(artifact, None, candidate, outcome)
}

fn bind(artifact: &Artifact, candidate: &Candidate<'_>, outcome: &mut Outcome) {
    let subject = Subject::Binding(Binding {
        artifact,
        runtime: candidate.profile,
        load_set: candidate.load_set,
    });
    rules::ask(&subject, outcome);
}

fn conclude(
    artifact: &Artifact,
    prefix: Option<String>,
    candidate: &Candidate<'_>,
    outcome: Outcome,
) -> Verdict {
    let rules: BTreeSet<&'static Rule> = outcome
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.rule)
        .collect();
    let status = if !rules.is_empty() {
        VerdictStatus::Breaks
    } else if !outcome.undecided.is_empty() {
        VerdictStatus::Undecided
    } else {
        VerdictStatus::Fits
    };
    Verdict {
        artifact: artifact.path.clone(),
        prefix,
        runtime: candidate.profile.name.clone(),
        source: candidate.source,
        status,
        rules: rules.into_iter().collect(),
        undecided: outcome.undecided,
        findings: outcome.findings,
    }
}
