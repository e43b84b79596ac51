//! `artcheck fix PATH --runtime R`: a plan from findings, and its execution.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use artcheck_inspect::artifact::Role;
use artcheck_inspect::scan::{GivenRuntime, Scan, ScanOptions, scan};
use artcheck_patch::fix::{self, FixInput, FixPlan};
use artcheck_patch::shim::Environment;

use super::patch::{output, resign};
use crate::args::{FixArgs, Format};
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
        ..ScanOptions::default()
    };
    let scan = scan(&options, &())?;
    let files = files(&scan);
    if files.is_empty() {
        return Ok(Status::Nothing);
    }
    let runtime_paths: Vec<PathBuf> = if Path::new(&args.runtime).exists() {
        vec![PathBuf::from(&args.runtime)]
    } else {
        Vec::new()
    };
    let mut plans = Vec::new();
    for file in &files {
        let bytes = std::fs::read(file).with_context(|| format!("{}", file.display()))?;
        let findings: Vec<_> = scan
            .findings
            .iter()
            .filter(|finding| file_of(&finding.artifact) == *file)
            .cloned()
            .collect();
        let input = FixInput {
            file,
            bytes: &bytes,
            findings: &findings,
            runtime: &runtime.profile,
            runtime_paths: &runtime_paths,
            resign: resign(args.resign),
        };
        plans.push(fix::plan(&input).with_context(|| format!("{}", file.display()))?);
    }
    show(&plans, args.format)?;
    if args.apply {
        for plan in &plans {
            carry_out(plan, args, &runtime_paths)?;
        }
    }
    let unsettled = plans
        .iter()
        .any(|plan| !plan.refused.is_empty() || (!args.apply && !plan.is_empty()));
    Ok(if unsettled {
        Status::Findings
    } else {
        Status::Clean
    })
}

/// The files on disk that hold artifacts with findings or libraries.
fn files(scan: &Scan) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = scan
        .artifacts
        .iter()
        .filter(|artifact| matches!(artifact.role, Role::ModelLibrary | Role::Client))
        .map(|artifact| file_of(&artifact.path))
        .collect();
    files.dedup();
    files
}

/// The file behind a display path: archive members and slices belong to it.
fn file_of(display: &str) -> PathBuf {
    let file = display.split('!').next().unwrap_or(display);
    let whole = PathBuf::from(file);
    if whole.exists() {
        return whole;
    }
    PathBuf::from(file.rsplit_once(" (").map_or(file, |(file, _)| file))
}

fn show(plans: &[FixPlan], format: Format) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, plans)?;
            writeln!(out)?;
        }
        Format::Human => {
            for plan in plans {
                writeln!(out, "{}", plan.describe().trim_end())?;
            }
        }
    }
    Ok(())
}

fn carry_out(plan: &FixPlan, args: &FixArgs, runtime_paths: &[PathBuf]) -> anyhow::Result<()> {
    if plan.is_empty() {
        return Ok(());
    }
    let fixed = fix::apply(
        plan,
        runtime_paths,
        args.shim_out.as_deref(),
        &output(&args.to_where),
        &Environment::of_process(),
    )
    .with_context(|| format!("{}", plan.artifact.display()))?;
    if args.format == Format::Json {
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
