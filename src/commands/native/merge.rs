//! `artcheck merge`: JSON reports of several runs as one report in any format.

use std::path::Path;

use anyhow::{Context, bail};
use artcheck_inspect::source::Spelled as _;

use crate::args::MergeArgs;
use crate::commands::terminal::Terminal;
use crate::exit::Status;
use crate::report::format::FailOn;
use crate::report::model::Report;
use crate::report::{self, json, output, shards};

/// Reads the reports, joins them, writes the result.
pub fn run(args: &MergeArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let mut texts = Vec::new();
    for file in &args.reports {
        let text = std::fs::read_to_string(file).with_context(|| file.spelled())?;
        texts.push((file.as_path(), text));
    }
    match texts.first() {
        Some((file, text)) if named(file, report::verify::read(text))?.is_some() => {
            matrices(args, &texts, terminal)
        }
        _ => scans(args, &texts, terminal),
    }
}

/// A result with the name of the file it is about.
fn named<T>(file: &Path, result: anyhow::Result<T>) -> anyhow::Result<T> {
    result.with_context(|| file.spelled())
}

/// Reports of `verify`.
fn matrices(
    args: &MergeArgs,
    texts: &[(&Path, String)],
    terminal: Terminal,
) -> anyhow::Result<Status> {
    let mut reports = Vec::new();
    for (file, text) in texts {
        match named(file, report::verify::read(text))? {
            Some(report) => reports.push(report),
            None => bail!(
                "{}: no report of `verify`, as the first one is",
                file.spelled()
            ),
        }
    }
    let report = report::verify::join(reports)?;
    report::verify::write(
        &report,
        args.report.format,
        &args.report.output,
        terminal.quiet,
        terminal.style,
    )?;
    Ok(report::verify::status(&report))
}

/// Reports of `scan`.
fn scans(
    args: &MergeArgs,
    texts: &[(&Path, String)],
    terminal: Terminal,
) -> anyhow::Result<Status> {
    let mut merged: Option<Report> = None;
    let mut labels = Vec::new();
    for (file, text) in texts {
        let mut report = named(file, json::read(text))?;
        labels.extend(report.shard.take());
        match &mut merged {
            Some(merged) => merged.join(report),
            None => merged = Some(report),
        }
    }
    shards::complete(labels.iter().map(String::as_str))?;
    let mut report = merged.context("no report was named")?;
    report.count();
    let fail_on = args.report.fail_on.unwrap_or(FailOn::Error);
    let options = output::Options {
        style: terminal.style,
        quiet: terminal.quiet,
        verbose: args.report.verbose,
        matrix: false,
        fail_on,
    };
    output::write(&report, args.report.format, &args.report.output, options)?;
    Ok(report::status(&report, fail_on, args.report.allowed()))
}
