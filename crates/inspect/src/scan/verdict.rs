//! Verdicts: each model library and client against each runtime that matters.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

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
use crate::runtime::member::Member;
use crate::runtime::release;
use crate::source::Place;

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

/// One library or client on one runtime.
#[derive(Debug, Clone)]
pub struct Verdict {
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
    /// Findings in full. Artifacts with equal facts share a verdict: the place
    /// is that of the first of them.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Whether somebody asked for this runtime, or it lies beside the artifact.
    pub fn is_wanted(&self) -> bool {
        self.source != RuntimeSource::Release
    }
}

/// Every verdict on one artifact, shared with artifacts of equal facts.
pub type Verdicts = Arc<[Verdict]>;

/// A runtime to hold artifacts against.
struct Candidate<'a> {
    profile: &'a RuntimeProfile,
    load_set: Option<&'a LoadSet>,
    source: RuntimeSource,
}

/// The runtimes that there are.
struct Runtimes<'a> {
    given: &'a [GivenRuntime],
    /// Found load sets that run models.
    found: Vec<&'a LoadSet>,
    /// Those that are no wasm library's own.
    native: Vec<&'a LoadSet>,
    /// The load set inside each wasm library.
    wasm: HashMap<&'a Place, Vec<&'a LoadSet>>,
}

/// What two artifacts have in common that get the same verdicts.
#[derive(PartialEq, Eq, Hash)]
enum Alike<'a> {
    /// The facts of both are one in memory, and so is what they are to us.
    Facts(usize, usize, Role),
    /// A wasm library runs on the runtime inside it.
    Place(&'a Place),
}

/// The verdicts on each artifact that the given runtimes, or else those found,
/// or else the release table call for.
pub fn verdicts(
    artifacts: &[Artifact],
    load_sets: &[LoadSet],
    given: &[GivenRuntime],
) -> Vec<Verdicts> {
    let runtimes = Runtimes::of(load_sets, given);
    let mut kinds: HashMap<Alike<'_>, usize> = HashMap::new();
    let mut firsts: Vec<&Artifact> = Vec::new();
    let kind_of: Vec<Option<usize>> = artifacts
        .iter()
        .map(|artifact| {
            let is_subject = matches!(artifact.role, Role::ModelLibrary | Role::Client);
            is_subject.then(|| {
                *kinds.entry(alike(artifact)).or_insert_with(|| {
                    firsts.push(artifact);
                    firsts.len().saturating_sub(1)
                })
            })
        })
        .collect();
    let judged: Vec<Verdicts> = firsts
        .par_iter()
        .map(|artifact| of_artifact(artifact, &runtimes).into())
        .collect();
    let none: Verdicts = Arc::new([]);
    let of_kind = |kind: Option<usize>| judged.get(kind?).cloned();
    kind_of
        .into_iter()
        .map(|kind| of_kind(kind).unwrap_or_else(|| none.clone()))
        .collect()
}

fn alike(artifact: &Artifact) -> Alike<'_> {
    match &artifact.binary {
        Some(binary) if binary.format != Format::Wasm => Alike::Facts(
            Arc::as_ptr(binary).addr(),
            artifact.libraries.address(),
            artifact.role,
        ),
        _ => Alike::Place(&artifact.path),
    }
}

fn of_artifact(artifact: &Artifact, runtimes: &Runtimes<'_>) -> Vec<Verdict> {
    let candidates = runtimes.candidates(artifact);
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

/// The findings of an artifact's verdicts that count as the scan's own: those of
/// wanted runtimes, and where no release runs a library, those of the release
/// that comes closest.
pub fn findings_that_count<'a>(
    artifact: &'a Artifact,
    verdicts: &'a [Verdict],
) -> impl Iterator<Item = Finding> + use<'a> {
    let wanted = verdicts.iter().filter(|verdict| verdict.is_wanted());
    let mut libraries: BTreeMap<Option<&str>, Vec<&Verdict>> = BTreeMap::new();
    for verdict in verdicts.iter().filter(|verdict| !verdict.is_wanted()) {
        let of_library = libraries.entry(verdict.prefix.as_deref()).or_default();
        of_library.push(verdict);
    }
    let closest = libraries.into_values().filter_map(|of_library| {
        let breaks = |verdict: &&Verdict| verdict.status == VerdictStatus::Breaks;
        if !of_library.iter().all(breaks) {
            return None;
        }
        // Releases come oldest first; the newest of the closest is the one to repair for.
        let newest_first = of_library.into_iter().rev();
        newest_first.min_by_key(|verdict| verdict.rules.len())
    });
    wanted
        .chain(closest)
        .flat_map(|verdict| &verdict.findings)
        .map(|finding| finding.in_place(&artifact.path))
}

impl<'a> Runtimes<'a> {
    fn of(load_sets: &'a [LoadSet], given: &'a [GivenRuntime]) -> Self {
        let (mut found, mut native) = (Vec::new(), Vec::new());
        let mut wasm: HashMap<&Place, Vec<&LoadSet>> = HashMap::new();
        for load_set in load_sets.iter().filter(|set| set.holds_vm_runtime()) {
            found.push(load_set);
            let is_wasm = |member: &&Member| member.binary.format == Format::Wasm;
            for member in load_set.members.iter().filter(is_wasm) {
                wasm.entry(&member.path).or_default().push(load_set);
            }
            if !load_set.members.iter().all(|member| is_wasm(&member)) {
                native.push(load_set);
            }
        }
        Self {
            given,
            found,
            native,
            wasm,
        }
    }

    fn candidates(&self, artifact: &Artifact) -> Vec<Candidate<'a>> {
        if !self.given.is_empty() {
            let given = self.given.iter().map(|runtime| Candidate {
                profile: &runtime.profile,
                load_set: runtime.load_set.as_ref(),
                source: RuntimeSource::Given,
            });
            return given.collect();
        }
        let found = |load_set: &'a LoadSet| Candidate {
            profile: &load_set.profile,
            load_set: Some(load_set),
            source: RuntimeSource::Found,
        };
        // A wasm library runs on the runtime inside it and on no other.
        if has_format(artifact, Format::Wasm) {
            let own = self.wasm.get(&artifact.path).into_iter().flatten();
            return own.map(|load_set| found(load_set)).collect();
        }
        // A bare executable does not say where it runs.
        let is_bare = has_format(artifact, Format::VmExecutable);
        let sets = if is_bare { &self.found } else { &self.native };
        let fitting = sets.iter().filter(|set| set.fits(artifact));
        let fitting: Vec<Candidate<'a>> = fitting.map(|load_set| found(load_set)).collect();
        if !fitting.is_empty() {
            return fitting;
        }
        let releases = release::releases().iter().map(|profile| Candidate {
            profile,
            load_set: None,
            source: RuntimeSource::Release,
        });
        releases.collect()
    }
}

fn has_format(artifact: &Artifact, format: Format) -> bool {
    let binary = artifact.binary.as_ref();
    binary.is_some_and(|binary| binary.format == format)
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
    conclude(library.prefix.clone(), candidate, outcome)
}

fn client_verdict(artifact: &Artifact, candidate: &Candidate<'_>) -> Verdict {
    let mut outcome = Outcome::default();
    bind(artifact, candidate, &mut outcome);
    conclude(None, candidate, outcome)
}

fn bind(artifact: &Artifact, candidate: &Candidate<'_>, outcome: &mut Outcome) {
    let subject = Subject::Binding(Binding {
        artifact,
        runtime: candidate.profile,
        load_set: candidate.load_set,
    });
    rules::ask(&subject, outcome);
}

fn conclude(prefix: Option<String>, candidate: &Candidate<'_>, outcome: Outcome) -> Verdict {
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
        prefix,
        runtime: candidate.profile.name.clone(),
        source: candidate.source,
        status,
        rules: rules.into_iter().collect(),
        undecided: outcome.undecided,
        findings: outcome.findings,
    }
}
