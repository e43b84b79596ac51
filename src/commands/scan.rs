//! `artcheck scan`: every artifact below the paths, and what is wrong with
//! which runtime.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use artcheck_inspect::runtime::machine::Machine;
use artcheck_inspect::scan::{Scan, ScanOptions, scan, use_threads};
use artcheck_inspect::shell;
use artcheck_inspect::source::Spelled as _;

use super::fixable::{self, Scanned};
use super::terminal::Terminal;
use crate::args::ScanArgs;
use crate::exit::Status;
use crate::policy::{self, Config, baseline};
use crate::report::format::{FailOn, Format};
use crate::report::run::Run;
use crate::report::{self, model::Report, output};
use crate::{progress, runtimes};

/// Scans and reports.
pub fn run(args: &ScanArgs, terminal: Terminal) -> anyhow::Result<Status> {
    report(args, terminal, false)
}

/// Scans, applies the policy, and writes every report that was asked for.
pub(super) fn report(args: &ScanArgs, terminal: Terminal, matrix: bool) -> anyhow::Result<Status> {
    let formats = output::formats(args.report.format, &args.report.output)?;
    let config = policy_of(args)?;
    let base = std::env::current_dir().context("the working directory")?;
    let (scan, runtimes, missing) = perform(args, config.as_ref(), terminal)?;
    let mut report = Report::of(&scan, &base);
    report.shard = args.policy.shard.map(|shard| shard.to_string());
    if let Some(config) = &config {
        policy::apply(config, &mut report, &base, args.policy.shard.is_some())?;
    }
    if let Some(file) = &args.policy.baseline {
        if args.policy.update_baseline {
            baseline::write(file, &report)?;
        }
        let gone = baseline::compare(file, &mut report)?;
        if gone > 0 && !terminal.quiet {
            tell!(
                "artcheck: {gone} entries of {} match nothing any more; --update-baseline drops them",
                file.spelled()
            );
        }
    }
    let fail_on = args
        .report
        .fail_on
        .or(config.as_ref().and_then(|config| config.fail_on))
        .unwrap_or(FailOn::Error);
    let options = output::Options {
        style: terminal.style,
        quiet: terminal.quiet,
        verbose: args.report.verbose,
        matrix,
        fail_on,
    };
    report.run = described(args, config.as_ref(), terminal);
    if formats.into_iter().any(Format::is_for_people) {
        let provides = provides(args, config.as_ref());
        let scanned = Scanned {
            scan: &scan,
            paths: &args.paths,
            with: &args.selection.with,
            provides: &provides,
        };
        fixable::add(&mut report, &scanned, &runtimes);
    }
    output::write(&report, args.report.format, &args.report.output, options)?;
    let status = report::status(&report, fail_on, args.report.allowed());
    for path in &missing {
        tell!("artcheck: {}: no such file or folder", shell::path(path));
    }
    if !missing.is_empty() {
        return Ok(Status::Failed);
    }
    if status == Status::Nothing && !terminal.quiet {
        tell!(
            "artcheck: nothing to look at: no model library, runtime or client of TVM in the paths"
        );
    }
    // The process ends here: giving back every string by itself takes longer.
    std::mem::forget((scan, report));
    Ok(status)
}

/// The run, for those who read the report now.
fn described(args: &ScanArgs, config: Option<&Config>, terminal: Terminal) -> Run {
    Run {
        command: words(std::env::args_os().skip(1)),
        date: chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
        paths: args.paths.iter().map(|path| shell::path(path)).collect(),
        quiet: terminal.quiet,
        has_target: args.selection.target.is_some()
            || config
                .as_ref()
                .is_some_and(|config| config.target.is_some()),
        ..Run::default()
    }
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

/// Functions that the application registers, by the command line and the policy.
fn provides(args: &ScanArgs, config: Option<&Config>) -> BTreeSet<String> {
    let mut names = args.selection.application.names();
    names.extend(config.iter().flat_map(|config| &config.provides).cloned());
    names
}

/// The scan, the runtimes it was made for, and the paths that are not there.
type Done = (Scan, runtimes::Named, Vec<PathBuf>);

/// Reads the runtimes, then the paths.
fn perform(args: &ScanArgs, config: Option<&Config>, terminal: Terminal) -> anyhow::Result<Done> {
    // A path that is not there is wrong usage, not a finding; the others are read.
    let is_there = |path: &&PathBuf| path.symlink_metadata().is_ok();
    let (paths, missing): (Vec<&PathBuf>, Vec<&PathBuf>) = args.paths.iter().partition(is_there);
    if let (true, Some(path)) = (paths.is_empty(), missing.first()) {
        path.symlink_metadata().with_context(|| path.spelled())?;
    }
    use_threads(args.selection.jobs).context("the threads do not start")?;
    let given = &args.selection.runtime;
    let (names, mut runtimes) = match config.filter(|_| given.is_empty()) {
        Some(config) => {
            let of_file = || format!("{}: `runtimes`", config.file.spelled());
            let named = runtimes::resolve_all(&config.runtimes).with_context(of_file)?;
            (&config.runtimes, named)
        }
        None => (given, runtimes::resolve_all(given)?),
    };
    let target = args.selection.target.clone();
    let machine = args.selection.complete.then(|| {
        let named = names.iter().map(PathBuf::from);
        let all = paths.iter().copied().cloned().chain(named);
        Arc::new(Machine::of_paths(&all.collect::<Vec<_>>()))
    });
    for set in runtimes
        .iter_mut()
        .filter_map(|(_, one)| one.load_set.as_mut())
    {
        set.machine = set.machine.take().or_else(|| machine.clone());
    }
    let options = ScanOptions {
        paths: paths.into_iter().cloned().collect(),
        runtimes: runtimes
            .iter()
            .map(|(_, runtime)| runtime.clone())
            .collect(),
        with: runtimes::loaded_first(&args.selection.with)?,
        target: target.or_else(|| config?.target.clone()),
        jobs: None,
        shard: args.policy.shard,
        checksums: args.selection.checksums,
        machine,
        provides: provides(args, config),
        ..ScanOptions::default()
    };
    let bar = progress::Bar::new(terminal.progress);
    let result = scan(&options, &bar).context("the thread pool does not start")?;
    bar.finish();
    Ok((result, runtimes, missing.into_iter().cloned().collect()))
}

/// A command as it can be typed again.
fn words(arguments: impl Iterator<Item = OsString>) -> String {
    let words = arguments.map(|word| shell::quote(&word.to_string_lossy()));
    let words: Vec<String> = std::iter::once("artcheck".to_owned())
        .chain(words)
        .collect();
    words.join(" ")
}
