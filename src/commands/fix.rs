//! `artcheck fix PATH --runtime R`: a plan from findings, and its execution.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use artcheck_inspect::Role;
use artcheck_inspect::scan::{GivenRuntime, Scan, ScanOptions, scan};
use artcheck_inspect::shown::shown_lines;
use artcheck_inspect::{Finding, Repair, RuntimeProfile, Severity, Undecided};
use artcheck_patch::fix::{self, FixError, FixInput, FixPlan};
use artcheck_patch::inplace::Resign;
use artcheck_patch::shim::Environment;

use super::patch::{output, resign};
use crate::args::{FixArgs, PlainFormat};
use crate::exit::Status;
use crate::runtimes;

/// Plans every artifact's repair; carries the plans out with `--apply`.
pub fn run(args: &FixArgs) -> anyhow::Result<Status> {
    let runtime = runtimes::resolve_one(&args.runtime)?;
    let options = ScanOptions {
        paths: vec![args.path.clone()],
        runtimes: vec![GivenRuntime {
            profile: runtime.profile.clone(),
            load_set: runtime.load_set.clone(),
        }],
        with: runtimes::loaded_first(&args.with)?,
        ..ScanOptions::default()
    };
    let scan = scan(&options, &())?;
    let files = files(&scan, &args.path);
    if files.is_empty() {
        return Ok(Status::Nothing);
    }
    let runtime_paths = paths_of(&args.runtime, &runtime);
    let aim = Aim {
        runtime: &runtime.profile,
        runtime_paths: &runtime_paths,
        resign: resign(args.change.resign),
    };
    let mut plans = plans(&scan, &files, &aim)?;
    if args.apply {
        fix::share_shim(&mut plans);
    }
    show(&plans, args.change.format)?;
    if args.apply {
        carry_out_all(&plans, args, &runtime_paths)?;
    }
    let unsettled = plans
        .iter()
        .any(|plan| !plan.refused.is_empty() || (!args.apply && !plan.is_empty()));
    let unknown = plans.iter().any(|plan| !plan.unknown.is_empty());
    Ok(match (unsettled, unknown) {
        (true, _) => Status::Findings,
        (false, true) => Status::Unknown,
        (false, false) => Status::Clean,
    })
}

/// What plans are made for.
pub(super) struct Aim<'a> {
    /// The runtime.
    pub runtime: &'a RuntimeProfile,
    /// Its files.
    pub runtime_paths: &'a [PathBuf],
    /// What to do with a team's signature.
    pub resign: Resign,
}

/// The files of a runtime. A release or a saved profile has none to build a shim for.
pub(super) fn paths_of(name: &str, runtime: &GivenRuntime) -> Vec<PathBuf> {
    let files = runtime.load_set.as_ref().map(|_| PathBuf::from(name));
    files.into_iter().collect()
}

/// A plan for each file, from what the scan found for the one runtime.
pub(super) fn plans(scan: &Scan, files: &[PathBuf], aim: &Aim<'_>) -> anyhow::Result<Vec<FixPlan>> {
    let is_meant = |name: Option<&str>| name.is_none_or(|name| name == aim.runtime.name);
    let mut found: HashMap<&Path, Vec<Finding>> = HashMap::new();
    let findings = scan.findings.iter();
    for finding in findings.filter(|finding| is_meant(finding.runtime.as_deref())) {
        let of_file = found.entry(finding.artifact.path()).or_default();
        of_file.push(finding.clone());
    }
    let mut unknown: HashMap<&Path, Vec<Undecided>> = HashMap::new();
    for (artifact, verdicts) in scan.artifacts.iter().zip(&scan.verdicts) {
        let of_file = unknown.entry(artifact.path.path()).or_default();
        let meant = verdicts
            .iter()
            .filter(|verdict| is_meant(Some(&verdict.runtime)));
        for undecided in meant.flat_map(|verdict| &verdict.undecided) {
            if !of_file.contains(undecided) {
                of_file.push(undecided.clone());
            }
        }
    }
    let plan = |file: &PathBuf| {
        let bytes = std::fs::read(file).with_context(|| format!("{}", file.display()))?;
        Ok(fix::plan(&FixInput {
            file,
            bytes: &bytes,
            findings: found.get(file.as_path()).map_or(&[], Vec::as_slice),
            undecided: unknown.get(file.as_path()).map_or(&[], Vec::as_slice),
            runtime: aim.runtime,
            runtime_paths: aim.runtime_paths,
            resign: aim.resign,
        }))
    };
    files.iter().map(plan).collect()
}

/// The files below the path that hold libraries or clients, or something found.
fn files(scan: &Scan, below: &Path) -> Vec<PathBuf> {
    let is_subject = |role| matches!(role, Role::ModelLibrary | Role::Client);
    let artifacts = scan.artifacts.iter();
    let subjects = artifacts
        .filter(|artifact| is_subject(artifact.role))
        .map(|artifact| artifact.path.path());
    let found = scan.findings.iter().filter(|finding| {
        finding.severity == Severity::Error || finding.repairs.contains(&Repair::InPlace)
    });
    let files: BTreeSet<PathBuf> = subjects
        .chain(found.map(|finding| finding.artifact.path()))
        .filter(|file| file.starts_with(below) && file.is_file())
        .map(Path::to_owned)
        .collect();
    files.into_iter().collect()
}

fn show(plans: &[FixPlan], format: PlainFormat) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        PlainFormat::Json => {
            serde_json::to_writer_pretty(&mut out, plans)?;
            writeln!(out)?;
        }
        PlainFormat::Human => {
            for plan in plans {
                writeln!(out, "{}", shown_lines(plan.describe().trim_end()))?;
            }
        }
    }
    Ok(())
}

/// Carries every plan out that can be; says at last of which that is not true.
fn carry_out_all(
    plans: &[FixPlan],
    args: &FixArgs,
    runtime_paths: &[PathBuf],
) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for plan in plans {
        if let Err(error) = carry_out(plan, args, runtime_paths) {
            failed.push(format!("{error:#}"));
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("{}", failed.join("\n")),
    }
}

fn carry_out(plan: &FixPlan, args: &FixArgs, runtime_paths: &[PathBuf]) -> anyhow::Result<()> {
    if plan.is_empty() {
        return Ok(());
    }
    let fixed = fix::apply(
        plan,
        runtime_paths,
        args.shim_out.as_deref(),
        &output(&args.change.to_where),
        &Environment::of_process(),
    )
    .map_err(|error| match error {
        // Names the file itself.
        FixError::Apply(error) => anyhow::Error::new(error),
        other => anyhow::Error::new(other).context(format!("{}", plan.artifact.display())),
    })?;
    if args.change.format == PlainFormat::Json {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    if let Some(applied) = fixed.in_place {
        writeln!(out, "wrote {}", applied.file.display())?;
    }
    if let Some(shim) = fixed.shim {
        writeln!(out, "{}", shim.summary.trim_end())?;
    }
    Ok(())
}
