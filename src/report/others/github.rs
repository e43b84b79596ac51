//! GitHub workflow commands: one annotation per finding, on the artifact's file.
//!
//! `::error file=F,title=T::M` on a line of its own; data escapes `%`, CR and
//! LF, properties also `:` and `,`. GitHub shows the first ten of each level
//! per step, so findings come most severe first and those that differ in the
//! runtime alone share one line.

use std::fmt::Write as _;

use artcheck_inspect::Severity;
use artcheck_inspect::shown::shown;

use crate::report::groups::{Group, groups};
use crate::report::model::Report;

/// Annotations that are written. GitHub shows far fewer.
const MOST: usize = 1_000;

/// Renders a report as workflow commands.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    let mut groups = groups(&report.findings);
    groups.sort_by_key(|group| std::cmp::Reverse(group.finding.severity));
    let more = groups.len().saturating_sub(MOST);
    for group in groups.iter().take(MOST) {
        let _ = writeln!(
            out,
            "::{} file={},title={}::{}",
            level(group.finding.severity),
            property(&shown(&group.finding.file)),
            property(&format!("{} {}", group.finding.rule, group.finding.name)),
            data(&message(group)),
        );
    }
    if more > 0 {
        let _ = writeln!(
            out,
            "::notice title=artcheck::{more} more findings are not shown here; the JSON report has them."
        );
    }
    out
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    }
}

fn message(group: &Group<'_>) -> String {
    let finding = group.finding;
    let mut lines = vec![group.message()];
    if finding.artifact != finding.file {
        lines.push(format!("In {}", finding.artifact));
    }
    if !group.runtimes.is_empty() {
        lines.push(format!("On {}", group.runtimes.join(", ")));
    }
    if let Some(words) = &finding.runtime_says {
        lines.push(format!("Runtime error: {words}"));
    }
    if !finding.help.is_empty() {
        lines.push(format!("Fix: {}", finding.fix()));
    }
    lines.join("\n")
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_escape_what_would_end_them() {
        assert_eq!(property("a,b:c%\nd"), "a%2Cb%3Ac%25%0Ad");
        assert_eq!(data("a,b:c%\r\nd"), "a,b:c%25%0D%0Ad");
    }
}
