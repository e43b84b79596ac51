//! Text for a terminal.

use std::fmt::Write;

use artcheck_verify::{MatrixReport, Outcome, RowReport};

use super::kernels;
use super::words::{self, duration, memory, rate};
use crate::report::groups::alike;

/// The report as text: one line per row, then what went wrong.
pub fn render(report: &MatrixReport) -> String {
    let mut text = String::new();
    let width = report.rows.iter().map(|r| r.name.chars().count()).max();
    let ran = |row: &&RowReport| !matches!(row.outcome, Outcome::NotRun { .. });
    for row in report.rows.iter().filter(ran) {
        text.push_str(&line(row, width.unwrap_or(0)));
        text.push('\n');
    }
    // What is missing is said once for all rows that want it.
    let others = report.rows.iter().filter(|row| !ran(row));
    for rows in alike(others, |row| words::remark(row)) {
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let reason = rows
            .first()
            .map(|row| words::remark(row))
            .unwrap_or_default();
        let _ = writeln!(text, "not run {}\n        {reason}", few(&names));
    }
    for row in &report.rows {
        if let Outcome::Failed { failure } = &row.outcome {
            let is_told = failure.message.lines().count() <= 1
                && failure.last_words.is_empty()
                && row.checks.iter().all(|check| check.passed);
            // The row's line says all that is known.
            if is_told {
                continue;
            }
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{} failed at stage {}:", row.name, failure.stage);
            for line in failure.message.lines() {
                let _ = writeln!(text, "  {line}");
            }
            for check in row.checks.iter().filter(|c| !c.passed) {
                let _ = writeln!(text, "  {}: {}", check.name, check.detail);
            }
            for line in &failure.last_words {
                let _ = writeln!(text, "  | {line}");
            }
        }
    }
    let summary = report.summary();
    let _ = writeln!(
        text,
        "\n{} passed, {} failed, {} not run",
        summary.passed, summary.failed, summary.not_run
    );
    for [name, time, calls] in kernels::slowest(report) {
        let _ = writeln!(text, "  simulated kernel {name}: {time} in {calls} calls");
    }
    for remark in words::remarks(report) {
        let _ = writeln!(text, "{remark}");
    }
    text
}

/// The first names, and how many there are besides.
fn few(names: &[&str]) -> String {
    match names {
        [a, b, rest @ ..] if rest.len() > 1 => format!("{a}, {b} and {} more", rest.len()),
        names => names.join(", "),
    }
}

/// One row in one line.
pub fn line(row: &RowReport, width: usize) -> String {
    let head = format!(
        "{:<8}{:<width$}  {:<9}",
        words::outcome(&row.outcome),
        row.name,
        row.device
    );
    let remark = words::remark(row);
    let remark = remark.lines().next().unwrap_or("");
    let tail = match &row.outcome {
        Outcome::Passed => {
            let speed = row.figures.tokens_per_second;
            let speed = speed.map_or(String::new(), |s| format!("{} tokens/s, ", rate(Some(s))));
            format!(
                "{speed}first after {}, {}; {remark}",
                duration(row.figures.first_token_seconds),
                memory(row.figures.peak_memory),
            )
        }
        Outcome::Failed { failure } => format!("at {}: {remark}", failure.stage),
        Outcome::NotRun { .. } => remark.to_owned(),
    };
    format!("{head} {tail}")
}
