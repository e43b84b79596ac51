//! `artcheck patch shim`: a library that mends a stock runtime when it is loaded.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use artcheck_inspect::scan::{ScanOptions, scan};
use artcheck_inspect::{Finding, Repair, Severity};
use artcheck_patch::shim::{self, Environment, ShimOptions, ShimPart, ShimPlan};

use crate::args::PatchShimArgs;
use crate::exit::Status;
use crate::runtimes;

/// Chooses the parts, builds the library, says how to load it.
pub fn run(args: &PatchShimArgs) -> anyhow::Result<Status> {
    let plan = plan(args)?;
    let mut out = std::io::stdout().lock();
    if plan.is_empty() {
        writeln!(out, "nothing to mend: no shim is needed")?;
        return Ok(Status::Clean);
    }
    let outcome = shim::build(&ShimOptions {
        runtime_paths: args.runtime.clone(),
        plan,
        out: args.out.clone(),
        target: args.target,
        environment: Environment::of_process(),
    })?;
    writeln!(out, "{}", outcome.summary.trim_end())?;
    Ok(Status::Clean)
}

fn plan(args: &PatchShimArgs) -> anyhow::Result<ShimPlan> {
    let mut plan = ShimPlan::of(args.part.iter().copied());
    if !args.wanted_for.is_empty() {
        let (found, unknown) = judged(&args.runtime, &args.wanted_for)?;
        for finding in &found {
            if finding.repairs.contains(&Repair::Shim)
                && let Some(part) = ShimPart::for_rule(finding.rule)
            {
                plan.add(part, format!("{} in {}", finding.rule, finding.artifact));
            }
        }
        for (part, reason) in unknown {
            plan.add(part, reason);
        }
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        if plan.is_empty()
            && let Some(finding) = found.iter().find(is_error)
        {
            bail!(
                "no shim helps: {} in {}: {}; {}",
                finding.rule,
                finding.artifact,
                finding.message,
                finding.help
            );
        }
    } else if args.part.is_empty() {
        bail!(
            "say what the shim is for: --for FILE, or --part NAME ({})",
            names().join(", ")
        );
    }
    Ok(plan)
}

fn names() -> Vec<&'static str> {
    ShimPart::ALL.into_iter().map(ShimPart::name).collect()
}

/// A part, and why it is wanted.
type Wanted = (ShimPart, String);

/// What the rules find in some files, and the parts for what they cannot decide.
fn judged(runtime: &[PathBuf], files: &[PathBuf]) -> anyhow::Result<(Vec<Finding>, Vec<Wanted>)> {
    let load_sets = runtimes::of_files(runtime)?;
    let options = ScanOptions {
        paths: files.to_vec(),
        runtimes: load_sets,
        ..ScanOptions::default()
    };
    let scan = scan(&options, &())?;
    let mut unknown = Vec::new();
    for (artifact, verdicts) in scan.artifacts.iter().zip(&scan.verdicts) {
        for (verdict, runtime) in verdicts.iter().flat_map(|verdict| {
            let runtimes = options.runtimes.iter();
            let same = runtimes.filter(|runtime| runtime.profile.name == verdict.runtime);
            same.map(move |runtime| (verdict, &runtime.profile))
        }) {
            for undecided in &verdict.undecided {
                if let Some(part) = ShimPart::for_unknown(undecided, runtime) {
                    let reason = format!("{} is undecided for {}", undecided.rule, artifact.path);
                    unknown.push((part, reason));
                }
            }
        }
    }
    Ok((scan.findings, unknown))
}
