//! Markdown: one table, and the details of what failed.

use std::fmt::Write;

use artcheck_verify::{MatrixReport, Outcome};

use super::kernels;
use super::words::{self, duration, memory, rate};

/// The report as Markdown.
pub fn render(report: &MatrixReport) -> String {
    let summary = report.summary();
    let mut text = format!(
        "{} passed, {} failed, {} not run\n\n\
         | row | device | runtime | result | stage | first token | tokens/s | peak memory | |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        summary.passed, summary.failed, summary.not_run
    );
    for row in &report.rows {
        let stage = row.stage.map_or_else(|| "-".to_owned(), |s| s.to_string());
        let cells = [
            row.name.clone(),
            row.device.clone(),
            row.runtime.clone(),
            words::outcome(&row.outcome).to_owned(),
            stage,
            duration(row.figures.first_token_seconds),
            rate(row.figures.tokens_per_second),
            memory(row.figures.peak_memory),
            words::remark(row),
        ];
        let cells: Vec<String> = cells.iter().map(|c| cell(c)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    for remark in words::remarks(report) {
        let _ = writeln!(text, "\n{remark}");
    }
    let slowest = kernels::slowest(report);
    if !slowest.is_empty() {
        text.push_str("\n| slowest simulated kernels | time | calls |\n|---|---|---|\n");
    }
    for [name, time, calls] in slowest {
        let _ = writeln!(text, "| {name} | {time} | {calls} |");
    }
    for row in &report.rows {
        let Outcome::Failed { failure } = &row.outcome else {
            continue;
        };
        let _ = writeln!(text, "\n### {}\n\n{}\n", row.name, failure.message);
        for check in row.checks.iter().filter(|c| !c.passed) {
            let _ = writeln!(text, "* {}: {}", check.name, check.detail);
        }
        if !failure.last_words.is_empty() {
            let _ = writeln!(text, "\n```text\n{}\n```", failure.last_words.join("\n"));
        }
    }
    text
}

/// Text that cannot end a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
