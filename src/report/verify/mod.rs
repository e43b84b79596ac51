//! Reports of `verify` runs: one file per format, and the exit status.

mod human;
mod join;
mod json;
mod junit;
mod kernels;
mod markdown;
#[cfg(test)]
mod tests;
mod words;

use anyhow::{Context, bail};
use artcheck_inspect::shown::{shown_json, shown_lines};
use artcheck_verify::MatrixReport;

pub use join::join;
pub use words::outcome;

use super::format::Format;
use super::output::{self, Output};
use super::style::Style;
use crate::exit::Status;

/// The exit status of a run, decided here and nowhere else.
pub fn status(report: &MatrixReport) -> Status {
    let summary = report.summary();
    if summary.failed > 0 || (summary.not_run > 0 && report.require_all) {
        Status::Findings
    } else if summary.passed == 0 {
        Status::Nothing
    } else {
        Status::Clean
    }
}

/// Refuses formats that a run of models has no form in, before anything runs.
pub fn check(format: Format, outputs: &[Output]) -> anyhow::Result<()> {
    for format in output::formats(format, outputs)? {
        if let Format::Sarif | Format::Github | Format::Html = format {
            bail!(
                "rows of a matrix have no place in a {format:?} report: \
                 use human, json, junit or markdown"
            );
        }
    }
    Ok(())
}

/// Writes every report that was asked for.
pub fn write(
    report: &MatrixReport,
    format: Format,
    outputs: &[Output],
    quiet: bool,
    style: Style,
) -> anyhow::Result<()> {
    check(format, outputs)?;
    output::write_each(format, outputs, quiet, |format, to_stdout, out| {
        let text = match format {
            Format::Json => json::render(report)?,
            Format::Junit => junit::render(report)?,
            Format::Markdown => markdown::render(report),
            _ => human::render(report),
        };
        // What a model's library prints has lines of its own.
        let text = match format {
            Format::Json => shown_json(&text),
            Format::Human if to_stdout => style.page(&shown_lines(&text)).into(),
            _ => shown_lines(&text),
        };
        Ok(out.write_all(text.as_bytes())?)
    })
}

/// Reads a JSON report of `verify`; none if it is one of `scan` or no report.
pub fn read(text: &str) -> anyhow::Result<Option<MatrixReport>> {
    json::read(text).context("a damaged report")
}
