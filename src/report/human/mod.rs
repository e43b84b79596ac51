//! The report for people: a line per artifact, the findings with the worst last,
//! then the verdict and what to type.

mod artifacts;
mod findings;
mod verdict;

use artcheck_inspect::Location;

use super::model::Report;
use super::state::judged;
use super::style::Style;

/// Lines or blocks of one kind that are ever shown; the others are counted.
const MOST: usize = 1_000;
/// Lines that fit on a screen together with a verdict.
const SCREENFUL: usize = 20;

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

/// One location in words.
pub fn place(location: &Location) -> String {
    let mut parts = Vec::new();
    if let Some(symbol) = &location.symbol {
        parts.push(format!("symbol {symbol}"));
    }
    if let Some(function) = &location.function {
        parts.push(format!("function {function}"));
    }
    if let Some(instruction) = location.instruction {
        parts.push(format!("instruction {instruction}"));
    }
    if let Some(argument) = location.argument {
        parts.push(format!("argument {argument}"));
    }
    if let Some(constant) = location.constant {
        parts.push(format!("constant {constant}"));
    }
    if let Some(offset) = location.offset {
        parts.push(format!("byte {offset:#x}"));
    }
    parts.join(", ")
}

/// `1 error`, `2 errors`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
