//! Judging: each model library and client against each runtime that matters.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use crate::threads::prelude::*;

use super::candidates::{Candidate, Runtimes, has_format};
use super::in_pages::in_pages;
use super::loaded::{Asked, Loaded, bind};
use super::share::{Shared, Shelf};
use super::verdict::{Judged, RuntimeSource, Verdict, VerdictStatus, Verdicts, conclude};
use crate::artifact::{Artifact, Libraries, Role};
use crate::container::Format;
use crate::finding::{Finding, Outcome, Repair, Severity};
use crate::module::{Blob, ModelLibrary};
use crate::place::Place;
use crate::rule::Rule;
use crate::rules::{self, Binding, Facts, Pair, Subject};
use crate::runtime::at_load::AtLoad;
use crate::runtime::companions::{self, Companions, Process};
use crate::runtime::dependencies::Dependencies;
use crate::runtime::{RuntimeProfile, history};

/// Libraries beside a file that are tried one by one.
const MAX_BESIDE: usize = 16;

/// What two artifacts have in common that get the same verdicts. What refuses them alone
/// may hang on their names.
#[derive(PartialEq, Eq, Hash)]
enum Alike<'a> {
    /// The facts of both are one in memory, and so is what they are to us; and
    /// the same libraries are loaded with them, in the same environment or load sets.
    Facts {
        binary: usize,
        libraries: usize,
        kernels: Option<usize>,
        role: Role,
        with: Vec<&'a Place>,
        home: Option<Place>,
        refused: Vec<&'static str>,
        unread: Vec<String>,
    },
    /// A wasm library runs on the runtime inside it.
    Place(&'a Place),
}

/// The verdicts on each artifact that the given runtimes, or else those found,
/// or else the release table call for; and the findings that count as the
/// scan's own. Others are not kept.
pub fn verdicts(
    artifacts: &[Artifact],
    runtimes: &Runtimes<'_>,
    companions: &Companions<'_>,
    shared: &Shared,
) -> (Vec<Verdicts>, Vec<Finding>) {
    let mut kinds: HashMap<Alike<'_>, usize> = HashMap::new();
    let mut firsts: Vec<(&Artifact, Process<'_>)> = Vec::new();
    let kind_of: Vec<Option<usize>> = artifacts
        .iter()
        .map(|artifact| {
            let is_subject = matches!(artifact.role, Role::ModelLibrary | Role::Client);
            is_subject.then(|| {
                let process = companions.of_artifact(artifact);
                let alike = alike(artifact, &process, runtimes);
                *kinds.entry(alike).or_insert_with(|| {
                    firsts.push((artifact, process));
                    firsts.len().saturating_sub(1)
                })
            })
        })
        .collect();
    let known: Shelf<Verdicts> = Shelf::default();
    let asked = Asked::default();
    let of_first = |(artifact, process): &(&Artifact, Process<'_>)| {
        let judge = Judge {
            artifact,
            process,
            companions,
            runtimes,
            asked: &asked,
        };
        let judged = judge.all();
        let findings = findings_that_count(&judged);
        let findings = findings.into_iter().map(|finding| shared.finding(finding));
        let findings: Vec<Finding> = findings.collect();
        let verdicts: Vec<Verdict> = judged.into_iter().map(|one| one.verdict).collect();
        (known.first(outline(&verdicts), verdicts.into()), findings)
    };
    let judged: Vec<(Verdicts, Vec<Finding>)> = firsts.par_iter().map(of_first).collect();
    let mut findings = Vec::new();
    let none: Verdicts = Arc::new([]);
    let verdicts = artifacts.iter().zip(kind_of).map(|(artifact, kind)| {
        let Some((verdicts, found)) = kind.and_then(|kind| judged.get(kind)) else {
            return none.clone();
        };
        let first = kind.and_then(|kind| firsts.get(kind));
        let is_own = |finding: &Finding| first.is_some_and(|(own, _)| own.path == finding.artifact);
        // What is wrong with a library of its process is told at that library.
        findings.extend(found.iter().map(|finding| match is_own(finding) {
            true => finding.in_place(&artifact.path),
            false => finding.clone(),
        }));
        verdicts.clone()
    });
    let verdicts = verdicts.collect();
    (verdicts, findings)
}

/// Enough of verdicts to tell most lists apart.
fn outline(verdicts: &[Verdict]) -> impl Hash + use<> {
    let of = |verdict: &Verdict| {
        let rules = verdict.rules.iter().map(|rule| rule.code);
        let name = (verdict.prefix.clone(), verdict.runtime.clone());
        (verdict.status, rules.collect::<Vec<_>>(), name)
    };
    verdicts.iter().map(of).collect::<Vec<_>>()
}

fn alike<'a>(artifact: &'a Artifact, process: &Process<'a>, runtimes: &Runtimes<'a>) -> Alike<'a> {
    let with = process.loaded.iter().chain(&process.beside);
    let with = with.chain(&process.registering);
    let with = with.map(|companion| &companion.path);
    let refused = runtimes.refused.get(&artifact.path).into_iter().flatten();
    let sets = runtimes.led_to(artifact).into_iter().map(|set| &set.place);
    match &artifact.binary {
        Some(binary) if binary.format != Format::Wasm => Alike::Facts {
            binary: Arc::as_ptr(binary).addr(),
            libraries: artifact.libraries.address(),
            kernels: artifact.kernels.first().map(|_| artifact.kernels.address()),
            role: artifact.role,
            with: with.chain(sets).collect(),
            home: runtimes.home(artifact),
            refused: refused.map(|rule| rule.code).collect(),
            unread: process.unread.clone(),
        },
        _ => Alike::Place(&artifact.path),
    }
}

/// One artifact, and what it is held against.
struct Judge<'a> {
    artifact: &'a Artifact,
    process: &'a Process<'a>,
    companions: &'a Companions<'a>,
    runtimes: &'a Runtimes<'a>,
    asked: &'a Asked,
}

impl<'a> Judge<'a> {
    /// The verdict on each runtime.
    fn all(&self) -> Vec<Judged> {
        let mut judged = self.on_candidates();
        for one in &mut judged {
            let Some(fault) = self.runtimes.faults.get(one.verdict.runtime.as_str()) else {
                continue;
            };
            let (rules, needs) = fault.against(self.artifact);
            let verdict = &mut one.verdict;
            if fault.is_all(self.artifact) && !rules.is_empty() {
                one.findings.clear();
                verdict.rules.clear();
                verdict.undecided.clear();
            }
            verdict.undecided.extend(fault.undecided.iter().cloned());
            if !rules.is_empty() {
                break_by(verdict, rules);
            } else if verdict.status != VerdictStatus::Breaks && !fault.undecided.is_empty() {
                verdict.status = VerdictStatus::Undecided;
            } else if verdict.may_run() && !needs.is_empty() {
                verdict.needs.extend(needs.iter().cloned());
                verdict.needs.sort();
                verdict.needs.dedup();
                verdict.status = VerdictStatus::FitsIf;
            }
        }
        let is_library = self.artifact.role == Role::ModelLibrary;
        let mut judged = match is_library && has_format(self.artifact, Format::Wasm) {
            true => in_pages(self.artifact, judged, self.runtimes),
            false => judged,
        };
        let own = self.runtimes.refused.get(&self.artifact.path);
        for one in &mut judged {
            break_by(&mut one.verdict, own.into_iter().flatten());
        }
        judged
    }

    fn on_candidates(&self) -> Vec<Judged> {
        let artifact = self.artifact;
        let candidates = self.runtimes.candidates(artifact);
        if artifact.role == Role::Client {
            // What asks for nothing needs no release.
            let asks = artifact
                .binary
                .as_ref()
                .is_some_and(|binary| !binary.undefined.is_empty());
            let kernels = libraries_of(&artifact.kernels, self.runtimes.provides);
            let asks = asks || !kernels.is_empty();
            let judged = candidates
                .iter()
                .filter(|candidate| asks || candidate.source != RuntimeSource::Release)
                .map(|candidate| {
                    let set = candidate.load_set;
                    let at_load = self.companions.at_load(artifact, self.process, set);
                    let first = kernels.first();
                    let kernels = first.map(|one| self.pair(one, candidate, &at_load));
                    self.with_what_lies_beside(candidate, |loaded| {
                        verdict(artifact, kernels, loaded, candidate)
                    })
                })
                .collect::<Vec<_>>();
            return of_environments(judged);
        }
        let libraries = libraries_of(&artifact.libraries, self.runtimes.provides);
        let judged = candidates
            .iter()
            .flat_map(|candidate| {
                let set = candidate.load_set;
                let at_load = self.companions.at_load(artifact, self.process, set);
                libraries.iter().map(move |one| {
                    self.with_what_lies_beside(candidate, |loaded| {
                        let pair = self.pair(one, candidate, &at_load);
                        verdict(artifact, Some(pair), loaded, candidate)
                    })
                })
            })
            .collect();
        of_environments(judged)
    }

    /// A library on one candidate.
    fn pair<'b>(
        &'b self,
        (library, blob, facts): &'b Readable<'b>,
        candidate: &'b Candidate<'_>,
        at_load: &'b AtLoad<'b>,
    ) -> Pair<'b> {
        Pair {
            artifact: self.artifact,
            library,
            blob,
            facts,
            runtime: candidate.profile,
            at_load,
        }
    }

    /// The verdict in the process as it is; and where it breaks there, whether what
    /// lies beside the file would mend it, were it loaded.
    fn with_what_lies_beside(
        &self,
        candidate: &Candidate<'_>,
        judge: impl Fn(&Loaded<'_>) -> Judged,
    ) -> Judged {
        let mut with = self.process.loaded.clone();
        let of_set = candidate.load_set.map(|set| self.companions.of_set(set));
        let of_set = of_set.into_iter().flatten();
        with.extend(of_set.filter(|library| companions::is_provider(library)));
        let first = &self.process.first;
        let asked = self.asked;
        let mut judged = judge(&Loaded {
            with: &with,
            first,
            asked,
        });
        let beside = &self.process.beside;
        if judged.verdict.status != VerdictStatus::Breaks || beside.is_empty() {
            return judged;
        }
        let runs_with = |more: &[&Artifact]| {
            let and_more = |some: &[&'a Artifact]| -> Vec<&Artifact> {
                some.iter().chain(more).copied().collect()
            };
            let loaded = Loaded {
                with: &and_more(&with),
                first: &and_more(first),
                asked,
            };
            judge(&loaded).verdict.status != VerdictStatus::Breaks
        };
        // One of them where that is enough.
        let singles = beside.chunks(1).chain([beside.as_slice()]);
        let Some(cure) = singles.take(MAX_BESIDE).find(|more| runs_with(more)) else {
            return judged;
        };
        let places: Vec<Place> = cure.iter().map(|one| one.path.clone()).collect();
        let platform = self.artifact.binary.as_ref().map(|binary| binary.format);
        let words = companions::load_first(platform, &places);
        let errors = judged.findings.iter_mut();
        for finding in errors.filter(|finding| finding.severity == Severity::Error) {
            finding.help = format!("nothing loads the library beside it: {words}");
            finding.repairs.retain(|repair| *repair != Repair::Shim);
        }
        judged.verdict.runs_with = Some(words);
        judged
    }
}

/// What some rules make of a verdict: nothing runs.
fn break_by<'a>(verdict: &mut Verdict, rules: impl IntoIterator<Item = &'a &'static Rule>) {
    let before = verdict.rules.len();
    verdict.rules.extend(rules);
    if verdict.rules.len() > before {
        verdict.status = VerdictStatus::Breaks;
        verdict.rules.sort_unstable();
        verdict.rules.dedup();
    }
}

/// The snapshots of TVM that run every library of a file.
pub fn snapshots_that_run(artifact: &Artifact) -> Vec<&'static RuntimeProfile> {
    let known = history::line().filter(|known| known.release.is_none());
    let none = BTreeSet::new();
    let libraries = libraries_of(&artifact.libraries, &none);
    let at_load = AtLoad::alone(artifact);
    let dependencies = Dependencies::default();
    // Snapshots that follow on each other mostly break by the same rule.
    let (mut of_pair, mut of_binding) = (None, None);
    let mut runs = |runtime: &&'static RuntimeProfile| {
        let binding = Subject::Binding(Binding {
            artifact,
            runtime,
            load_set: None,
            companions: &[],
            is_first: false,
            machine: None,
            preloaded: &[],
            known: &dependencies,
        });
        let mut fits = |(library, blob, facts): &(&ModelLibrary, &Blob, Facts<'_>)| {
            let pair = Pair {
                artifact,
                library,
                blob,
                facts,
                runtime,
                at_load: &at_load,
            };
            rules::fits(&Subject::Pair(pair), &mut of_pair)
        };
        libraries.iter().all(&mut fits) && rules::fits(&binding, &mut of_binding)
    };
    match libraries.is_empty() {
        true => Vec::new(),
        false => known.filter(&mut runs).collect(),
    }
}

/// A library that can be read, and what the rules ask of it.
type Readable<'a> = (&'a ModelLibrary, &'a Blob, Facts<'a>);

/// The readable libraries of a file.
fn libraries_of<'a>(libraries: &'a Libraries, provides: &'a BTreeSet<String>) -> Vec<Readable<'a>> {
    let of = |library: &'a ModelLibrary| {
        let blob = library.blob.as_ref().ok()?;
        Some((library, blob, Facts::of(library, blob, provides)))
    };
    libraries.iter().filter_map(of).collect()
}

/// Of several runtimes in one environment those that run a library are named;
/// where none does, all.
fn of_environments(mut judged: Vec<Judged>) -> Vec<Judged> {
    let key = |judged: &Judged| {
        let environment = judged.environment.clone()?;
        Some((environment, judged.verdict.prefix.clone()))
    };
    let fits = |judged: &&Judged| judged.verdict.may_run();
    let run: HashSet<_> = judged.iter().filter(fits).filter_map(key).collect();
    judged.retain(|judged| fits(&judged) || key(judged).is_none_or(|key| !run.contains(&key)));
    judged
}

/// The findings that count as the scan's own: those of wanted runtimes, and where
/// no release runs a library, those of the release that comes closest.
fn findings_that_count(judged: &[Judged]) -> Vec<Finding> {
    let wanted = judged.iter().filter(|judged| judged.verdict.is_wanted());
    let mut libraries: BTreeMap<Option<&str>, Vec<&Judged>> = BTreeMap::new();
    for judged in judged.iter().filter(|judged| !judged.verdict.is_wanted()) {
        let prefix = judged.verdict.prefix.as_deref();
        libraries.entry(prefix).or_default().push(judged);
    }
    let closest = libraries.into_values().filter_map(|of_library| {
        let breaks = |judged: &&Judged| judged.verdict.status == VerdictStatus::Breaks;
        if !of_library.iter().all(breaks) {
            return None;
        }
        // Releases come oldest first; the newest of the closest is the one to repair for.
        let newest_first = of_library.into_iter().rev();
        newest_first.min_by_key(|judged| judged.verdict.rules.len())
    });
    wanted
        .chain(closest)
        .flat_map(|judged| judged.findings.iter().cloned())
        .collect()
}

/// The verdict on a file: on its model library, or on its kernels where it has no model.
fn verdict(
    artifact: &Artifact,
    pair: Option<Pair<'_>>,
    loaded: &Loaded<'_>,
    candidate: &Candidate<'_>,
) -> Judged {
    let mut outcome = Outcome::default();
    let prefix = pair.and_then(|pair| pair.library.prefix.clone());
    if let Some(pair) = pair {
        rules::ask(&Subject::Pair(pair), &mut outcome);
        let findings = &mut outcome.findings;
        findings.retain(|finding| !is_mended(finding, loaded.with));
    }
    bind(artifact, loaded, candidate, &mut outcome);
    let environment = candidate.load_set.and_then(|set| set.environment.clone());
    let judged = conclude(prefix, &candidate.profile.name, candidate.source, outcome);
    Judged {
        environment,
        ..judged
    }
}

/// Whether a shim that is loaded too mends what was found.
fn is_mended(finding: &Finding, with: &[&Artifact]) -> bool {
    let Some(mark) = rules::shim_mark(finding.rule) else {
        return false;
    };
    let mends = |shim: &&Artifact| {
        let binary = shim.binary.as_deref();
        binary.is_some_and(|binary| companions::exports(binary, mark))
    };
    finding.repairs.contains(&Repair::Shim) && with.iter().any(mends)
}
