//! `artcheck scan`: every artifact below the paths, and what is wrong with
//! which runtime.

use anyhow::Context;
use artcheck_inspect::scan::{Scan, ScanOptions, scan, use_threads};

use super::terminal::Terminal;
use crate::args::ScanArgs;
use crate::exit::Status;
use crate::policy::{self, Config, baseline};
use crate::report::format::FailOn;
use crate::report::{self, model::Report, output};
use crate::{progress, runtimes};

/// Scans and reports.
pub fn run(args: &ScanArgs, terminal: Terminal) -> anyhow::Result<Status> {
    report(args, terminal, false)
}

/// Scans, applies the policy, and writes every report that was asked for.
pub(super) fn report(args: &ScanArgs, terminal: Terminal, matrix: bool) -> anyhow::Result<Status> {
    let config = policy_of(args)?;
    let scan = perform(args, config.as_ref(), terminal)?;
    let base = std::env::current_dir().context("the working directory")?;
    let mut report = Report::of(&scan, &base);
    if let Some(config) = &config {
        policy::apply(config, &mut report, &base, args.policy.shard.is_some())?;
    }
    if let Some(file) = &args.policy.baseline {
        if args.policy.update_baseline {
            baseline::write(file, &report)?;
        }
        let gone = baseline::compare(file, &mut report)?;
        if gone > 0 && !terminal.quiet {
            eprintln!(
                "artcheck: {gone} entries of {} match nothing any more; --update-baseline drops them",
                file.display()
            );
        }
    }
    let fail_on = args
        .report
        .fail_on
        .or(config.as_ref().and_then(|config| config.fail_on))
        .unwrap_or(FailOn::Error);
    let options = output::Options {
        color: terminal.color,
        verbose: args.report.verbose,
        matrix,
        fail_on,
    };
    output::write(&report, args.report.format, &args.report.output, options)?;
    let status = report::status(&report, fail_on, args.report.allow_unknown);
    if status == Status::Nothing && !terminal.quiet {
        eprintln!(
            "artcheck: nothing to look at: no model library, runtime or client of TVM below the paths"
        );
    }
    // The process ends here: giving back every string by itself takes longer.
    std::mem::forget((scan, report));
    Ok(status)
}

/// The policy that was named, or else the one above the first path.
fn policy_of(args: &ScanArgs) -> anyhow::Result<Option<Config>> {
    if args.policy.no_config {
        return Ok(None);
    }
    match (&args.policy.config, args.paths.first()) {
        (Some(file), _) => Config::read(file).map(Some),
        (None, Some(path)) => Config::above(path),
        (None, None) => Ok(None),
    }
}

/// Reads the runtimes, then the paths.
fn perform(args: &ScanArgs, config: Option<&Config>, terminal: Terminal) -> anyhow::Result<Scan> {
    for path in &args.paths {
        // A path that is not there is wrong usage, not a finding.
        path.symlink_metadata()
            .with_context(|| format!("{}", path.display()))?;
    }
    use_threads(args.selection.jobs).context("the threads do not start")?;
    let mut names = &args.selection.runtime;
    if let Some(config) = config.filter(|_| names.is_empty()) {
        names = &config.runtimes;
    }
    let target = args.selection.target.clone();
    let options = ScanOptions {
        paths: args.paths.clone(),
        runtimes: runtimes::resolve_all(names)?,
        with: runtimes::loaded_first(&args.selection.with)?,
        target: target.or_else(|| config?.target.clone()),
        jobs: None,
        shard: args.policy.shard,
        checksums: args.selection.checksums,
        provides: args
            .selection
            .application
            .provides
            .iter()
            .chain(config.iter().flat_map(|config| &config.provides))
            .cloned()
            .collect(),
    };
    let bar = progress::Bar::new(terminal.progress);
    let result = scan(&options, &bar).context("the thread pool does not start")?;
    bar.finish();
    Ok(result)
}
