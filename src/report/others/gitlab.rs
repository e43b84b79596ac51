//! GitLab's code-quality report: findings as a JSON list in the form of Code Climate,
//! with the members that GitLab reads (docs.gitlab.com, "Code Quality report format").

use std::collections::HashSet;

use artcheck_inspect::Severity;
use artcheck_inspect::shown::shown;
use serde::Serialize;

use crate::report::groups::groups;
use crate::report::model::Report;

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    fingerprint: &'a str,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    /// Relative to the repository's root, where artcheck is run.
    path: String,
    lines: Lines,
}

/// Binaries have no lines; GitLab wants one.
#[derive(Serialize)]
struct Lines {
    begin: u32,
}

/// Renders the findings; those that differ in the runtime alone are one.
pub fn render(report: &Report) -> serde_json::Result<String> {
    let mut met = HashSet::new();
    let mut issues = Vec::new();
    for group in groups(&report.findings) {
        let finding = group.finding;
        // GitLab drops every later issue of the same fingerprint.
        if !met.insert(finding.fingerprint.as_str()) {
            continue;
        }
        let mut description = group.message();
        if finding.artifact != finding.file {
            description.push_str(&format!(" (in {})", finding.artifact));
        }
        if !group.runtimes.is_empty() {
            description.push_str(&format!(", on {}", group.runtimes.join(", ")));
        }
        if !finding.help.is_empty() {
            description.push_str(&format!(". Fix: {}", finding.fix()));
        }
        let path = shown(&finding.file).to_string();
        issues.push(Issue {
            description: shown(&description).to_string(),
            check_name: &finding.rule,
            fingerprint: &finding.fingerprint,
            severity: level(finding.severity),
            location: Location {
                path: path.strip_prefix("./").unwrap_or(&path).to_owned(),
                lines: Lines { begin: 1 },
            },
        });
    }
    serde_json::to_string_pretty(&issues).map(|text| text + "\n")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "critical",
        Severity::Warning => "minor",
        Severity::Info => "info",
    }
}
