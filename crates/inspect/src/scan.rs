//! A scan: paths in; artifacts, verdicts and findings out.
//!
//! Reading is parallel over files; nothing of a file's bytes outlives its own
//! turn, so memory does not grow with the tree.

mod advice;
mod archived;
mod artifact_of;
mod binding;
mod candidates;
mod changed;
pub mod environments;
mod exports;
mod ffi_package;
mod file_facts;
mod frozen;
mod in_pages;
mod installations;
mod interpreter;
mod join_objects;
mod judge;
mod lacking_names;
mod loaded;
mod lost_names;
mod lost_needs;
mod needed;
mod options;
mod packages;
mod packed_apps;
mod read;
mod registered;
mod requirements;
mod shard;
mod share;
mod site;
mod static_parts;
mod strange;
mod types;
mod unlisted;
mod unopened;
mod verdict;
mod weight;
mod wheel;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::threads::{self, prelude::*};
use candidates::{Fault, Runtimes};
use read::CompilerExports;
use share::Shared;

pub use advice::{needs, newest};
pub use options::{GivenRuntime, ScanOptions};
pub use read::Progress;
pub use shard::Shard;
pub use verdict::{RuntimeSource, Verdict, VerdictStatus, Verdicts};

use crate::artifact::{Artifact, Libraries, Problem, ProblemKind, Role};
use crate::finding::{Finding, Outcome, Severity, Undecided};
use crate::parts::PartKind;
use crate::place::Place;
use crate::rule::Rule;
use crate::rules::{self, ArtifactContext, EnvironmentContext, FolderContext, Subject};
use crate::runtime::applications;
use crate::runtime::companions::{self, Companions};
use crate::runtime::grouping::Joined;
use crate::runtime::load_set::{LoadSet, Unread};
use crate::source::map;
use crate::target::Target;

/// Everything a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Artifacts, by path.
    pub artifacts: Vec<Artifact>,
    /// Load sets among the scanned paths.
    pub load_sets: Vec<LoadSet>,
    /// Model libraries and clients against runtimes: one list per artifact, in
    /// the order of artifacts.
    pub verdicts: Vec<Verdicts>,
    /// What is wrong, most severe first within each artifact.
    pub findings: Vec<Finding>,
}

impl Scan {
    /// Keeps the artifacts in some places, and what was found there.
    fn keep(&mut self, wanted: impl Fn(&Place) -> bool) {
        let artifacts = self.artifacts.drain(..).zip(self.verdicts.drain(..));
        (self.artifacts, self.verdicts) = artifacts
            .filter(|(artifact, _)| wanted(&artifact.path))
            .collect();
        self.findings.retain(|finding| wanted(&finding.artifact));
    }

    /// Whether nothing that was read has to do with TVM.
    pub fn concerns_nothing(&self) -> bool {
        self.artifacts
            .iter()
            .all(|artifact| artifact.role == Role::Unrelated && artifact.problems.is_empty())
    }
}

/// Says how many threads this process reads with, `None` for as many as it has
/// cores. The calling thread is one of them. For a program to call once, before
/// anything is read.
pub fn use_threads(jobs: Option<usize>) -> Result<(), threads::NotStarted> {
    threads::for_process(jobs)
}

/// Scans. Problems with single files become facts of their artifacts; the
/// only error is a thread pool that cannot be started.
pub fn scan(options: &ScanOptions, progress: &dyn Progress) -> Result<Scan, threads::NotStarted> {
    match options.jobs {
        Some(count) => threads::with(count, || run(options, progress)),
        None => Ok(run(options, progress)),
    }
}

fn run(options: &ScanOptions, progress: &dyn Progress) -> Scan {
    let wanted = CompilerExports::AskedFor;
    let mut scan = map::whole(|| conclude(read::read(options, wanted, progress), options));
    if let Some(shard) = options.shard {
        scan.keep(|place| shard.holds(place.path()));
    }
    scan
}

/// Scans one file whose bytes are already in memory, shown as `name`. The
/// paths of `options` are not looked at.
pub fn scan_bytes(name: &str, bytes: &[u8], options: &ScanOptions) -> Scan {
    conclude(read::read_bytes(name, bytes), options)
}

/// From what was read to verdicts and findings.
fn conclude(reading: read::Reading, options: &ScanOptions) -> Scan {
    let read::Reading {
        mut artifacts,
        loaded,
        mut load_sets,
        documents,
        natives,
        pages,
        joined,
        installations,
    } = reading;
    let is_split = options.run_on_split();
    for set in &mut load_sets {
        set.machine = options.machine.clone();
        set.runs_on_split = is_split && !set.holds_vm_runtime();
    }
    artifacts.sort_by(|a, b| a.path.cmp(&b.path));
    let shared = Shared::default();
    let owners = packages::Owners::default();
    let mut findings = own_findings(&mut artifacts, options.target.as_ref(), &shared, &owners);
    let given = options.runtimes.iter();
    let given = given.filter_map(|one| one.load_set.as_ref());
    let sets: Vec<&LoadSet> = load_sets.iter().chain(given).collect();
    let mut of_sets: Vec<Outcome> = sets.par_iter().map(|set| of_load_set(set)).collect();
    // The parts of given runtimes are no artifacts, and must run on the target too.
    let given = sets.iter().zip(&mut of_sets).skip(load_sets.len());
    for (set, outcome) in given {
        outcome.findings.extend(of_unread(set, &owners));
        let floor = options
            .target
            .iter()
            .flat_map(|target| below_floor(set, target));
        outcome.findings.extend(floor);
    }
    let mut of_others = environment_findings(&artifacts, &load_sets);
    let folder = Subject::Folder(FolderContext {
        artifacts: &artifacts,
        documents: &documents,
        natives: &natives,
        installations: &installations,
        machine: options.machine.as_deref(),
    });
    rules::ask(&folder, &mut of_others);
    name_sets(&mut findings, &load_sets);
    let mut own = errors_of(&findings);
    // What rules could not decide on several files is told at one of them.
    for (set, outcome) in load_sets.iter().zip(&of_sets) {
        tell(&mut artifacts, &outcome.undecided, &set.place);
    }
    let first = artifacts.first();
    let first = first.map_or_else(|| Place::file("."), |one| one.path.clone());
    tell(&mut artifacts, &of_others.undecided, &first);
    let faults = faults(&sets, &of_sets, &own);
    installations::refuse(&installations, &of_others.findings, &artifacts, &mut own);
    // What an engine reads of a library is no matter of the runtime.
    own.retain(|_, rules| {
        rules.retain(|rule| *rule != rules::METADATA);
        !rules.is_empty()
    });
    let runtimes = Runtimes::of(&load_sets, &pages, &joined, options, faults, &own);
    let given = given_companions(options).into_iter();
    let needed: Vec<Artifact> = given.chain(loaded).collect();
    let companions = Companions::of(&artifacts, &needed, &options.with);
    let (verdicts, of_verdicts) = judge::verdicts(&artifacts, &runtimes, &companions, &shared);
    findings.extend(said_once(of_sets));
    findings.extend(of_others.findings);
    findings.extend(of_verdicts);
    in_order(&mut findings);
    Scan {
        artifacts,
        load_sets,
        verdicts,
        findings,
    }
}

/// What is wrong with a part that was not read is of the set that it is in.
fn name_sets(findings: &mut [Finding], load_sets: &[LoadSet]) {
    for set in load_sets.iter().filter(|set| !set.unread.is_empty()) {
        let is_part = |finding: &&mut Finding| {
            let mut unread = set.unread.iter();
            unread.any(|part| part.place == finding.artifact)
        };
        for finding in findings.iter_mut().filter(is_part) {
            *finding = finding.clone().on(&set.name);
        }
    }
}

/// The rules that report an error of a file.
fn errors_of(findings: &[Finding]) -> HashMap<Place, Vec<&'static Rule>> {
    let mut own: HashMap<Place, Vec<&'static Rule>> = HashMap::new();
    let errors = findings.iter();
    for finding in errors.filter(|finding| finding.severity == Severity::Error) {
        let rules = own.entry(finding.artifact.clone()).or_default();
        rules.push(finding.rule);
    }
    own
}

/// What is wrong with each runtime itself, by its name.
fn faults<'a>(
    sets: &[&'a LoadSet],
    of_sets: &[Outcome],
    own: &HashMap<Place, Vec<&'static Rule>>,
) -> HashMap<&'a str, Fault> {
    let found = sets.iter().zip(of_sets);
    let faults = found.map(|(set, found)| (set.name.as_str(), Fault::of(set, found, own)));
    faults
        .filter(|(_, fault)| *fault != Fault::default())
        .collect()
}

/// By file, the worst last.
fn in_order(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| {
        a.artifact
            .cmp(&b.artifact)
            .then(b.severity.cmp(&a.severity))
            .then_with(|| a.rule.cmp(b.rule))
            .then(a.runtime.cmp(&b.runtime))
    });
    findings.dedup();
}

/// The findings on load sets. Those of one environment say the same of what they share.
fn said_once(of_sets: Vec<Outcome>) -> impl Iterator<Item = Finding> {
    let mut said: HashSet<(Place, Option<String>, String)> = HashSet::new();
    let of_sets = of_sets.into_iter().flat_map(|outcome| outcome.findings);
    of_sets.filter(move |finding| {
        let runtime = finding.runtime.clone();
        said.insert((finding.artifact.clone(), runtime, finding.message.clone()))
    })
}

/// What is wrong with each artifact whatever the runtime. What a rule could
/// not decide becomes a problem of the artifact: unknown is never "ok".
fn own_findings(
    artifacts: &mut [Artifact],
    target: Option<&Target>,
    shared: &Shared,
    owners: &packages::Owners,
) -> Vec<Finding> {
    let with_target = packages_for(artifacts, target);
    let of_artifact = |artifact: &mut Artifact| {
        let mut outcome = Outcome::default();
        let has_other = || {
            let package = applications::package(&artifact.path);
            package.is_some_and(|package| with_target.contains(&package))
        };
        let subject = Subject::Artifact(ArtifactContext {
            artifact,
            target,
            has_other: !with_target.is_empty() && has_other(),
        });
        rules::ask(&subject, &mut outcome);
        for undecided in std::mem::take(&mut outcome.undecided) {
            let problem = problem_of(&undecided);
            if undecided.is_limit {
                outcome.push(rules::of_problem(&artifact.path, &problem));
            }
            artifact.problems.push(problem);
        }
        // What a package brought is installed again.
        let unread = outcome.findings.iter_mut().filter(|finding| {
            finding.rule == rules::UNREADABLE && finding.severity == Severity::Error
        });
        for finding in unread {
            if let Some(command) = owners.install_again(&finding.artifact) {
                finding.help = command;
            }
        }
        let findings = outcome.findings.into_iter();
        findings.map(|finding| shared.finding(finding)).collect()
    };
    let found: Vec<Vec<Finding>> = artifacts.par_iter_mut().map(of_artifact).collect();
    found.into_iter().flatten().collect()
}

/// The packages with parts for several machines that have one for the target.
fn packages_for(artifacts: &[Artifact], target: Option<&Target>) -> HashSet<Place> {
    let Some(target) = target else {
        return HashSet::new();
    };
    let is_for_it = |artifact: &&Artifact| {
        let binary = artifact.binary.as_deref();
        binary.is_some_and(|binary| {
            binary.architecture == target.architecture && binary.platform == target.platform
        })
    };
    let fitting = artifacts.iter().filter(is_for_it);
    let packages = fitting.filter_map(|artifact| applications::package(&artifact.path));
    packages.collect()
}

fn problem_of(undecided: &Undecided) -> Problem {
    Problem {
        kind: match undecided.is_limit {
            true => ProblemKind::Limit,
            false => ProblemKind::Unsupported,
        },
        detail: format!("{}: {}", undecided.rule, undecided.why),
        offset: None,
    }
}

/// Makes problems of what could not be decided: of the artifact that it is about, or of one
/// that stands for the place.
fn tell(artifacts: &mut Vec<Artifact>, undecided: &[Undecided], otherwise: &Place) {
    for one in undecided {
        let place = one.place.as_ref().unwrap_or(otherwise);
        let problem = problem_of(one);
        match artifacts.binary_search_by(|artifact| artifact.path.cmp(place)) {
            Ok(at) => {
                let known = artifacts.get_mut(at).map(|artifact| &mut artifact.problems);
                known.into_iter().for_each(|known| {
                    if !known.contains(&problem) {
                        known.push(problem.clone());
                    }
                });
            }
            Err(at) => {
                let place = Artifact {
                    role: Role::Unrelated,
                    ..Artifact::unread(place.clone(), 0, problem)
                };
                artifacts.insert(at, place);
            }
        }
    }
}

/// What is wrong between the packages of one environment.
fn environment_findings(artifacts: &[Artifact], load_sets: &[LoadSet]) -> Outcome {
    let mut environments: BTreeMap<&Place, Vec<&LoadSet>> = BTreeMap::new();
    for set in load_sets {
        if let Some(environment) = &set.environment {
            environments.entry(environment).or_default().push(set);
        }
    }
    environments.retain(|_, sets| sets.len() > 1);
    let mut outcome = Outcome::default();
    for (environment, sets) in environments {
        let clients = artifacts.iter().filter(|artifact| {
            artifact.role == Role::Client && artifact.path.is_below(environment)
        });
        let clients: Vec<&Artifact> = clients.collect();
        let context = EnvironmentContext {
            sets: &sets,
            clients: &clients,
        };
        rules::ask(&Subject::Environment(context), &mut outcome);
    }
    outcome
}

/// What is wrong inside one load set, and what it needs.
fn of_load_set(set: &LoadSet) -> Outcome {
    let mut outcome = Outcome::default();
    rules::ask(&Subject::LoadSet(set), &mut outcome);
    outcome
}

/// What is wrong with the parts of a runtime that could not be read.
fn of_unread(set: &LoadSet, owners: &packages::Owners) -> impl Iterator<Item = Finding> {
    let of_part = move |part: &'_ Unread| {
        let problems = part.problems.iter();
        let findings = problems.map(|problem| {
            let finding = rules::of_problem(&part.place, problem);
            // Parts for devices are tried, and passed over where they do not load.
            let finding = match &part.kind {
                PartKind::RuntimeDevice(device) => finding.severity(Severity::Warning).evidence(
                    format!("without it the runtime loads no `{device}` modules"),
                ),
                PartKind::RuntimeExtra => finding.severity(Severity::Warning),
                _ => finding,
            };
            match owners.install_again(&part.place) {
                Some(command) => finding.help(command),
                None => finding,
            }
        });
        findings.collect::<Vec<Finding>>()
    };
    let findings = set.unread.iter().flat_map(of_part);
    findings.map(|finding| finding.on(&set.name))
}

/// What the parts of a runtime ask of the system that the target does not have.
fn below_floor(set: &LoadSet, target: &Target) -> Vec<Finding> {
    let mut outcome = Outcome::default();
    for member in &set.members {
        let artifact = Artifact {
            path: member.path.clone(),
            size: 0,
            role: Role::RuntimePart,
            part: Some(member.kind.clone()),
            binary: Some(Arc::new(member.binary.clone())),
            in_zip: None,
            libraries: Libraries::default(),
            kernels: Libraries::default(),
            problems: Vec::new(),
        };
        let context = ArtifactContext {
            artifact: &artifact,
            target: Some(target),
            has_other: false,
        };
        rules::ask(&Subject::Artifact(context), &mut outcome);
    }
    let is_meant = |finding: &Finding| [rules::OS_FLOOR, rules::PAGE_SIZE].contains(&finding.rule);
    let findings = outcome.findings.into_iter().filter(is_meant);
    findings.map(|finding| finding.on(&set.name)).collect()
}

/// Libraries that the parts of the given runtimes name and that are none of TVM's: a
/// shim that was added to one is loaded with it.
fn given_companions(options: &ScanOptions) -> Vec<Artifact> {
    let given = options.runtimes.iter();
    let sets = given.filter_map(|one| one.load_set.as_ref());
    let places: BTreeSet<Place> = sets.flat_map(companions::named_by).collect();
    let files = places.iter().filter(|place| !place.is_member());
    files.flat_map(|place| artifacts_of(place.path())).collect()
}

/// The artifacts one file holds (an archive holds several).
pub fn artifacts_of(path: &std::path::Path) -> Vec<Artifact> {
    read_whole(&ScanOptions::of(path), CompilerExports::AskedFor).artifacts
}

/// The artifacts of one file, and those of the libraries that it loads.
pub fn loaded_by(path: &std::path::Path) -> Vec<Artifact> {
    let read = read_whole(&ScanOptions::of(path), CompilerExports::AskedFor);
    read.artifacts.into_iter().chain(read.loaded).collect()
}

/// The load sets below some paths, taken together.
pub fn runtimes_below(paths: &[PathBuf]) -> Vec<LoadSet> {
    runtimes_of(paths, &Joined::new())
}

/// The same, with folders that are one environment with another.
pub fn runtimes_of(paths: &[PathBuf], joined: &Joined) -> Vec<LoadSet> {
    let options = ScanOptions {
        paths: paths.to_vec(),
        joined: joined.clone(),
        ..ScanOptions::default()
    };
    read_whole(&options, CompilerExports::All).load_sets
}

fn read_whole(options: &ScanOptions, wanted: CompilerExports) -> read::Reading {
    map::whole(|| read::read(options, wanted, &()))
}
