//! JUnit XML: a suite per artifact, a case per runtime that was asked for, and
//! one for what holds whatever the runtime.
//!
//! A finding that `--fail-on` covers fails its case, and that of each runtime on which
//! it breaks the artifact; others stand in the case's output. What could not be decided
//! is an error, not a pass.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};

use artcheck_inspect::scan::VerdictStatus;
use artcheck_inspect::shown::shown;
use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use crate::report::format::FailOn;
use crate::report::model::{Entry, Finding, Key, Report, Verdict};
use crate::report::phrases::place;

/// Artifacts that get a suite of their own; those that fail come first.
const MOST_SUITES: usize = 5_000;

/// Renders a report as one JUnit document.
pub fn render(report: &Report, fail_on: FailOn) -> Result<String, quick_junit::SerializeError> {
    let mut document = Document::new("artcheck");
    let findings = report.by_artifact();
    let of = |entry: &Entry| findings.get(&entry.key()).map_or(&[][..], Vec::as_slice);
    let mut order: Vec<(State, &Entry)> = report
        .artifacts
        .iter()
        .map(|entry| (State::of(entry, of(entry), fail_on), entry))
        .collect();
    let mut left = Vec::new();
    if order.len() > MOST_SUITES {
        order.sort_by_key(|(state, _)| Reverse(*state));
        left = order.split_off(MOST_SUITES);
        order.sort_by(|a, b| a.1.path.cmp(&b.1.path));
    }
    let failing = report.findings.iter();
    let failing = failing.filter(|finding| fail_on.covers(finding.severity));
    let failing: BTreeSet<&str> = failing.map(|finding| finding.rule.as_str()).collect();
    for (_, entry) in order {
        document.add_test_suite(suite(entry, of(entry), &failing, fail_on));
    }
    let known: HashSet<Key> = report.artifacts.iter().map(Entry::key).collect();
    let mut policy = TestSuite::new("other");
    for finding in &report.findings {
        if !known.contains(&(finding.file.clone(), finding.artifact.clone())) {
            let name = format!("{} {}", finding.rule, finding.artifact);
            let why = Why {
                findings: &[finding],
                undecided: &[],
                broken: None,
            };
            policy.add_test_case(case(&name, &finding.file, why, fail_on));
        }
    }
    for suite in [policy, rest(&left)] {
        if !suite.test_cases.is_empty() {
            document.add_test_suite(suite);
        }
    }
    document.to_string()
}

/// What is to be said of an artifact, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Passes,
    Undecided,
    Fails,
}

impl State {
    fn of(entry: &Entry, findings: &[&Finding], fail_on: FailOn) -> Self {
        if findings
            .iter()
            .any(|finding| fail_on.covers(finding.severity))
        {
            return Self::Fails;
        }
        let open = |v: &Verdict| v.is_wanted() && v.status == VerdictStatus::Undecided;
        let unread = entry.problems.iter().any(|p| p.kind.leaves_undecided());
        if unread || entry.verdicts.iter().any(open) {
            Self::Undecided
        } else {
            Self::Passes
        }
    }
}

/// The artifacts without a suite of their own: one case for those of each state.
fn rest(left: &[(State, &Entry)]) -> TestSuite {
    let mut suite = TestSuite::new("artifacts without a suite of their own");
    let kinds = [
        (
            State::Fails,
            Some(NonSuccessKind::Failure),
            "more that fail",
        ),
        (
            State::Undecided,
            Some(NonSuccessKind::Error),
            "more undecided",
        ),
        (State::Passes, None, "more that pass"),
    ];
    for (state, kind, words) in kinds {
        let count = left.iter().filter(|(of, _)| *of == state).count();
        if count == 0 {
            continue;
        }
        let mut status = match kind {
            Some(kind) => TestCaseStatus::non_success(kind),
            None => TestCaseStatus::success(),
        };
        if kind.is_some() {
            status.set_message("the JSON report names them and says why");
        }
        suite.add_test_case(TestCase::new(format!("{count} {words}"), status));
    }
    suite
}

fn suite(
    artifact: &Entry,
    of_artifact: &[&Finding],
    failing: &BTreeSet<&str>,
    fail_on: FailOn,
) -> TestSuite {
    let mut suite = TestSuite::new(artifact.path.as_str());
    let verdicts = &artifact.verdicts;
    let wanted: Vec<&Verdict> = verdicts.iter().filter(|v| v.is_wanted()).collect();
    let mut runtimes: Vec<&str> = wanted.iter().map(|v| v.runtime.as_str()).collect();
    runtimes.dedup();
    let own: Vec<&Finding> = of_artifact
        .iter()
        .filter(|finding| {
            !finding
                .runtime
                .as_deref()
                .is_some_and(|r| runtimes.contains(&r))
        })
        .copied()
        .collect();
    let mut undecided: Vec<String> = artifact
        .problems
        .iter()
        .filter(|problem| problem.kind.leaves_undecided())
        .map(|problem| problem.detail.clone())
        .collect();
    let alone = Why {
        findings: &own,
        undecided: &undecided,
        broken: None,
    };
    suite.add_test_case(case("every runtime", &artifact.file, alone, fail_on));
    for runtime in runtimes {
        let findings: Vec<&Finding> = of_artifact
            .iter()
            .filter(|finding| finding.runtime.as_deref() == Some(runtime))
            .copied()
            .collect();
        undecided = wanted
            .iter()
            .filter(|v| v.runtime == runtime && v.status == VerdictStatus::Undecided)
            .flat_map(|v| &v.undecided)
            .map(|reason| format!("{}: {}", reason.rule, reason.why))
            .collect();
        let rules: BTreeSet<&str> = wanted
            .iter()
            .filter(|v| v.runtime == runtime && v.status == VerdictStatus::Breaks)
            .flat_map(|v| v.rules.iter().map(String::as_str))
            .filter(|rule| failing.contains(rule))
            .collect();
        let rules: Vec<&str> = rules.into_iter().collect();
        let broken =
            (!rules.is_empty()).then(|| format!("{}: does not run on {runtime}", rules.join(" ")));
        let why = Why {
            findings: &findings,
            undecided: &undecided,
            broken,
        };
        let name = format!("on {runtime}");
        suite.add_test_case(case(&name, &artifact.file, why, fail_on));
    }
    suite
}

/// What makes a case fail.
struct Why<'a> {
    findings: &'a [&'a Finding],
    undecided: &'a [String],
    /// What breaks the runtime or the file, where the findings are about that.
    broken: Option<String>,
}

fn case(name: &str, file: &str, why: Why<'_>, fail_on: FailOn) -> TestCase {
    let Why {
        findings,
        undecided,
        broken,
    } = why;
    let failing: Vec<&&Finding> = findings
        .iter()
        .filter(|finding| fail_on.covers(finding.severity))
        .collect();
    let status = if let Some(first) = failing.first() {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let text: Vec<String> = failing.iter().map(|finding| describe(finding)).collect();
        status
            .set_type(format!("{} {}", first.rule, first.name))
            .set_message(headline(&failing))
            .set_description(text.join("\n"));
        status
    } else if let Some(broken) = broken {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type("breaks").set_message(broken);
        status
    } else if let Some(first) = undecided.first() {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status
            .set_type("undecided")
            .set_message(format!("could not decide: {first}"))
            .set_description(undecided.join("\n"));
        status
    } else {
        TestCaseStatus::success()
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(&*shown(file));
    let rest: Vec<String> = findings
        .iter()
        .filter(|finding| !fail_on.covers(finding.severity))
        .map(|finding| describe(finding))
        .collect();
    if !rest.is_empty() {
        case.set_system_out(rest.join("\n"));
    }
    case
}

fn headline(findings: &[&&Finding]) -> String {
    let words: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}: {}", finding.rule, finding.told()))
        .collect();
    words.join("; ")
}

fn describe(finding: &Finding) -> String {
    let mut lines = vec![format!(
        "{}[{}] {}: {}",
        finding.severity,
        finding.rule,
        finding.name,
        finding.told()
    )];
    lines.extend(
        finding
            .locations
            .iter()
            .map(place)
            .filter(|place| !place.is_empty())
            .map(|place| format!("  where          {place}")),
    );
    lines.extend(
        finding
            .evidence
            .iter()
            .map(|line| format!("  evidence       {line}")),
    );
    if let Some(words) = &finding.runtime_says {
        lines.push(format!("  runtime error  {words}"));
    }
    if !finding.help.is_empty() {
        lines.push(format!("  fix            {}", finding.fix()));
    }
    lines.join("\n")
}
