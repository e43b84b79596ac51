//! JUnit XML: a suite per artifact, a case per runtime that was asked for, and
//! one for what holds whatever the runtime.
//!
//! A finding that `--fail-on` covers fails its case, others stand in the
//! case's output; what could not be decided is an error, not a pass.

use artcheck_inspect::scan::VerdictStatus;
use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::format::FailOn;
use super::human::place;
use super::model::{Entry, Finding, Report, Verdict};

/// Renders a report as one JUnit document.
pub fn render(report: &Report, fail_on: FailOn) -> Result<String, quick_junit::SerializeError> {
    let mut document = Document::new("artcheck");
    for artifact in &report.artifacts {
        let suite = suite(report, artifact, fail_on);
        if !suite.test_cases.is_empty() {
            document.add_test_suite(suite);
        }
    }
    let known = |finding: &&Finding| report.artifacts.iter().any(|a| a.path == finding.artifact);
    let mut policy = TestSuite::new("other");
    for finding in report.findings.iter().filter(|finding| !known(finding)) {
        let name = format!("{} {}", finding.rule, finding.artifact);
        policy.add_test_case(case(&name, &finding.file, &[finding], &[], fail_on));
    }
    if !policy.test_cases.is_empty() {
        document.add_test_suite(policy);
    }
    document.to_string()
}

fn suite(report: &Report, artifact: &Entry, fail_on: FailOn) -> TestSuite {
    let mut suite = TestSuite::new(artifact.path.as_str());
    let of_artifact: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.artifact == artifact.path)
        .collect();
    let verdicts: Vec<&Verdict> = report
        .verdicts
        .iter()
        .filter(|verdict| verdict.artifact == artifact.path)
        .collect();
    let wanted: Vec<&&Verdict> = verdicts.iter().filter(|v| v.is_wanted()).collect();
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
    suite.add_test_case(case(
        "any runtime",
        &artifact.file,
        &own,
        &undecided,
        fail_on,
    ));
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
        let name = format!("on {runtime}");
        suite.add_test_case(case(&name, &artifact.file, &findings, &undecided, fail_on));
    }
    suite
}

fn case(
    name: &str,
    file: &str,
    findings: &[&Finding],
    undecided: &[String],
    fail_on: FailOn,
) -> TestCase {
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
    case.set_classname(file);
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
        .map(|finding| format!("{}: {}", finding.rule, finding.message))
        .collect();
    words.join("; ")
}

fn describe(finding: &Finding) -> String {
    let mut lines = vec![format!(
        "{}[{}] {}: {}",
        finding.severity, finding.rule, finding.name, finding.message
    )];
    lines.extend(
        finding
            .locations
            .iter()
            .map(place)
            .filter(|place| !place.is_empty())
            .map(|place| format!("  at    {place}")),
    );
    lines.extend(
        finding
            .evidence
            .iter()
            .map(|line| format!("  seen  {line}")),
    );
    if let Some(words) = &finding.runtime_says {
        lines.push(format!("  says  {words}"));
    }
    if !finding.help.is_empty() {
        lines.push(format!("  do    {}", finding.help));
    }
    lines.join("\n")
}
