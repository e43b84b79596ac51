//! One word for each artifact: what comes of it on the runtimes that were asked for.

use std::collections::{BTreeSet, HashMap};

use artcheck_inspect::scan::VerdictStatus;
use artcheck_inspect::{Problem, ProblemKind, Role, Severity};

use super::model::{Entry, Key, Report, Verdict};

/// What comes of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It does not run.
    Breaks,
    /// It could not be read.
    Unreadable,
    /// Not everything could be decided.
    Undecided,
    /// It runs where it was asked to, or on some release.
    Fits,
    /// It does on a machine that has what is named.
    FitsIf,
    /// No runtime was there to hold it against.
    Unchecked,
    /// It has a library's name and is none.
    NoLibrary,
}

impl State {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Breaks => "breaks",
            Self::Unreadable => "unreadable",
            Self::Undecided => "undecided",
            Self::Fits => "fits",
            Self::FitsIf => "fits if",
            Self::Unchecked => "unchecked",
            Self::NoLibrary => "no library",
        }
    }
}

/// An artifact on one runtime, all of its libraries together.
pub struct On<'a> {
    /// The runtime.
    pub runtime: &'a str,
    /// Whether it was asked for, or lies beside the artifact.
    pub wanted: bool,
    /// The worst of its verdicts.
    pub status: VerdictStatus,
    /// Rules that break it there.
    pub rules: Vec<&'a str>,
    /// Libraries that the machine must have.
    pub needs: BTreeSet<&'a str>,
    /// How what lies beside it is loaded, which mends that.
    pub runs_with: Option<&'a str>,
}

/// An artifact with its word and what led to it.
pub struct Judged<'a> {
    /// The artifact.
    pub entry: &'a Entry,
    /// The word.
    pub state: State,
    /// Whether its runtimes were asked for, or lie beside it.
    pub wanted: bool,
    /// It on each runtime.
    pub on: Vec<On<'a>>,
    /// Rules that found an error.
    pub errors: BTreeSet<&'a str>,
    /// Those of them that found it whatever the runtime.
    pub everywhere: BTreeSet<&'a str>,
}

impl Judged<'_> {
    /// Whether it runs on one of the runtimes, for all that they ask.
    pub fn fits_somewhere(&self) -> bool {
        let fits = [VerdictStatus::Fits, VerdictStatus::FitsIf];
        self.on.iter().any(|on| fits.contains(&on.status))
    }

    /// Whether what is wrong with it is no matter of the runtime.
    pub fn breaks_everywhere(&self) -> bool {
        self.state == State::Breaks && !self.everywhere.is_empty()
    }
}

/// Rules that found an error: all, and those that found it whatever the runtime.
type Errors<'a> = (BTreeSet<&'a str>, BTreeSet<&'a str>);

/// The artifacts that people want to hear of, in order.
pub fn judged(report: &Report) -> Vec<Judged<'_>> {
    let errors = report.findings.iter();
    let errors = errors.filter(|finding| finding.severity == Severity::Error);
    let mut codes: HashMap<Key, Errors<'_>> = HashMap::new();
    for finding in errors {
        let key = (finding.file.clone(), finding.artifact.clone());
        let (all, everywhere) = codes.entry(key).or_default();
        all.insert(finding.rule.as_str());
        if finding.runtime.is_none() {
            everywhere.insert(finding.rule.as_str());
        }
    }
    let told = report.artifacts.iter().filter(|entry| match entry.role {
        Role::ModelLibrary | Role::Client => true,
        Role::Unreadable => {
            let mut problems = entry.problems.iter();
            problems.any(|problem| problem.kind != ProblemKind::NotNeeded)
        }
        Role::RuntimePart | Role::LibraryObject | Role::Unrelated => {
            let mut problems = entry.problems.iter();
            codes.contains_key(&entry.key())
                || problems.any(|problem| problem.kind.leaves_undecided())
        }
    });
    told.map(|entry| judge(entry, codes.get(&entry.key()).cloned().unwrap_or_default()))
        .collect()
}

fn judge<'a>(entry: &'a Entry, (errors, everywhere): Errors<'a>) -> Judged<'a> {
    let on = on_each(entry);
    let wanted = entry.verdicts.iter().any(Verdict::is_wanted);
    let of_wanted = |on: &&On<'_>| on.wanted || !wanted;
    let any = |status| on.iter().filter(of_wanted).any(|on| on.status == status);
    let unread = entry.problems.iter().any(|p| p.kind.leaves_undecided());
    let is_script = |problem: &Problem| problem.kind == ProblemKind::LinkerScript;
    let state = if entry.role == Role::Unreadable && entry.problems.iter().all(is_script) {
        State::NoLibrary
    } else if entry.role == Role::Unreadable {
        State::Unreadable
    } else if !errors.is_empty() || (wanted && any(VerdictStatus::Breaks)) {
        State::Breaks
    } else if unread || (wanted && any(VerdictStatus::Undecided)) {
        State::Undecided
    } else if wanted && any(VerdictStatus::FitsIf) {
        State::FitsIf
    } else if any(VerdictStatus::Fits) {
        State::Fits
    } else if any(VerdictStatus::FitsIf) {
        State::FitsIf
    } else if any(VerdictStatus::Undecided) {
        State::Undecided
    } else if on.is_empty() {
        State::Unchecked
    } else {
        State::Breaks
    };
    Judged {
        entry,
        state,
        wanted,
        on,
        errors,
        everywhere,
    }
}

fn on_each(entry: &Entry) -> Vec<On<'_>> {
    let mut all: Vec<On<'_>> = Vec::new();
    for verdict in entry.verdicts.iter() {
        let runtime = verdict.runtime_of(entry);
        let rules = verdict.rules.iter().map(String::as_str);
        let needs = verdict.needs.iter().map(|need| need.library.as_str());
        let runs_with = verdict.runs_with.as_deref();
        match all.iter_mut().find(|on| on.runtime == runtime) {
            Some(on) => {
                on.status = worst(on.status, verdict.status);
                on.rules.extend(rules);
                on.rules.sort_unstable();
                on.rules.dedup();
                on.needs.extend(needs);
                on.runs_with = on.runs_with.or(runs_with);
            }
            None => all.push(On {
                runtime,
                wanted: verdict.is_wanted(),
                status: verdict.status,
                rules: rules.collect(),
                needs: needs.collect(),
                runs_with,
            }),
        }
    }
    all
}

fn worst(one: VerdictStatus, other: VerdictStatus) -> VerdictStatus {
    let is = |status| one == status || other == status;
    if is(VerdictStatus::Breaks) {
        VerdictStatus::Breaks
    } else if is(VerdictStatus::Undecided) {
        VerdictStatus::Undecided
    } else if is(VerdictStatus::FitsIf) {
        VerdictStatus::FitsIf
    } else {
        VerdictStatus::Fits
    }
}
