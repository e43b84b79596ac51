//! `artcheck scan`: every artifact below the paths, and what is wrong with
//! which runtime.

use anyhow::Context;
use artcheck_inspect::scan::{Scan, ScanOptions, scan};

use super::Terminal;
use crate::args::ScanArgs;
use crate::exit::Status;
use crate::report::{self, model::Report, output};
use crate::{progress, runtimes};

/// Scans and reports.
pub fn run(args: &ScanArgs, terminal: Terminal) -> anyhow::Result<Status> {
    report(args, terminal, false)
}

/// Scans and writes every report that was asked for.
pub(super) fn report(args: &ScanArgs, terminal: Terminal, matrix: bool) -> anyhow::Result<Status> {
    let scan = perform(args, terminal)?;
    let base = std::env::current_dir().context("the working directory")?;
    let report = Report::of(&scan, &base);
    let options = output::Options {
        color: terminal.color,
        verbose: args.verbose,
        matrix,
        fail_on: args.fail_on,
    };
    output::write(&report, args.format, &args.output, options)?;
    Ok(report::status(&report, args.fail_on, args.allow_unknown))
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
