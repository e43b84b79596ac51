//! `artcheck merge`: JSON reports of several runs as one report in any format.

use anyhow::Context;

use super::Terminal;
use crate::args::{FailOn, MergeArgs};
use crate::exit::Status;
use crate::report::model::Report;
use crate::report::{self, json, output};

/// Reads the reports, joins them, writes the result.
pub fn run(args: &MergeArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let mut merged: Option<Report> = None;
    for file in &args.reports {
        let name = || file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(name)?;
        let report = json::read(&text).with_context(name)?;
        match &mut merged {
            Some(merged) => merged.join(report),
            None => merged = Some(report),
        }
    }
    let report = merged.context("no report was named")?;
    let fail_on = args.fail_on.unwrap_or(FailOn::Error);
    let options = output::Options {
        color: terminal.color,
        verbose: args.verbose,
        matrix: false,
        fail_on,
    };
    output::write(&report, args.format, &args.output, options)?;
    Ok(report::status(&report, fail_on, args.allow_unknown))
}
