//! `artcheck scan`: every artifact below the paths, and what is wrong with
//! which runtime.

use std::io::Write;

use anyhow::Context;
use artcheck_inspect::scan::{Scan, ScanOptions, scan};

use super::Terminal;
use crate::args::{Format, ScanArgs};
use crate::exit::Status;
use crate::report::{self, style::Style};
use crate::{progress, runtimes};

/// Scans and reports.
pub fn run(args: &ScanArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let scan = perform(args, terminal)?;
    let text = match args.format {
        Format::Human => {
            let color = terminal.color && args.output.is_none();
            report::human::render(&scan, Style { color }, args.verbose)
        }
        Format::Json => report::json::render(&scan)?,
    };
    write_report(args, &text)?;
    Ok(report::status(&scan, args.fail_on, args.allow_unknown))
}

/// Reads the runtimes, then the paths.
pub fn perform(args: &ScanArgs, terminal: Terminal) -> anyhow::Result<Scan> {
    for path in &args.paths {
        // A path that is not there is wrong usage, not a finding.
        path.symlink_metadata()
            .with_context(|| format!("{}", path.display()))?;
    }
    let options = ScanOptions {
        paths: args.paths.clone(),
        runtimes: runtimes::resolve_all(&args.selection.runtime)?,
        target: args.selection.target.clone(),
        jobs: args.selection.jobs,
    };
    let bar = progress::Bar::new(terminal.progress);
    let result = scan(&options, &bar).context("the thread pool does not start")?;
    bar.finish();
    Ok(result)
}

/// The report to standard output, or to the file that was named.
pub fn write_report(args: &ScanArgs, text: &str) -> anyhow::Result<()> {
    match &args.output {
        Some(path) => std::fs::write(path, text).with_context(|| format!("{}", path.display())),
        None => Ok(std::io::stdout().lock().write_all(text.as_bytes())?),
    }
}
