//! The report for people: a line per artifact, the findings with the worst last,
//! then the verdict and what to type.

mod artifacts;
mod findings;
pub mod verdict;

use super::model::Report;
use super::state::judged;
use super::style::Style;

/// Renders a report.
pub fn render(report: &Report, style: Style, verbose: bool) -> String {
    let all = judged(report);
    let mut out = String::new();
    artifacts::write(&mut out, &all, style, verbose);
    artifacts::runtimes(&mut out, report, style, verbose);
    findings::write(&mut out, report, &all, style, verbose);
    verdict::write(&mut out, report, &all, style, verbose);
    out
}
