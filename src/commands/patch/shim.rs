//! `artcheck patch shim`: a library that mends a stock runtime when it is loaded.

use std::io::Write;

use anyhow::bail;
use artcheck_inspect::scan::{ScanOptions, scan};
use artcheck_inspect::source::Spelled as _;
use artcheck_inspect::{Finding, Repair, Severity};
use artcheck_patch::shim::{self, Environment, ShimOptions, ShimPart, ShimPlan};

use super::super::terminal::Terminal;
use crate::args::PatchShimArgs;
use crate::exit::Status;
use crate::progress::patiently;
use crate::runtimes;
use crate::streams::stdout;

/// What takes the time, in words.
pub const COMPILING: &str =
    "compiling the shim library (a compiler's first build for another system takes minutes)";

/// Chooses the parts, builds the library, says how to load it.
pub fn run(args: &PatchShimArgs, terminal: Terminal) -> anyhow::Result<Status> {
    if let Some(runtime) = args.runtime.iter().find(|path| !path.exists()) {
        let name = runtime.spelled();
        if runtimes::is_release(&runtime.to_string_lossy()) {
            bail!(
                "a shim is built for the files of a runtime, and {name} is a release: \
                 name your copy of it, a folder, wheel or virtual environment (--runtime .venv)"
            );
        }
        bail!("{name}: there is no such file or folder");
    }
    let (plan, left) = plan(args)?;
    let mut out = stdout();
    if plan.is_empty() {
        writeln!(out, "no shim is needed")?;
        return Ok(Status::Clean);
    }
    let options = ShimOptions {
        runtime_paths: args.runtime.clone(),
        plan,
        out: args.out.clone(),
        target: args.target,
        environment: Environment::of_process(),
    };
    let outcome = patiently(COMPILING, terminal.quiet, || shim::build(&options))?;
    let mut text = format!("{}\n", outcome.summary.trim_end());
    for finding in &left {
        text.push_str(&format!("still an error: {}\n", remains(finding)));
    }
    write!(out, "{}", terminal.style.page(&text))?;
    Ok(match left.is_empty() {
        true => Status::Clean,
        false => Status::Findings,
    })
}

fn remains(finding: &Finding) -> String {
    format!(
        "{} in {}: {}; {}",
        finding.rule, finding.artifact, finding.message, finding.help
    )
}

/// The parts, and what breaks that none of them mends.
fn plan(args: &PatchShimArgs) -> anyhow::Result<(ShimPlan, Vec<Finding>)> {
    let mut plan = ShimPlan::of(args.part.iter().copied());
    let mut left = Vec::new();
    if !args.wanted_for.is_empty() {
        let (found, unknown) = judged(args)?;
        for finding in found {
            let part = ShimPart::for_rule(finding.rule);
            match part.filter(|_| finding.repairs.contains(&Repair::Shim)) {
                Some(part) => {
                    plan.add(part, format!("{} in {}", finding.rule, finding.artifact));
                }
                None if finding.severity == Severity::Error => left.push(finding),
                None => {}
            }
        }
        for (part, reason) in unknown {
            plan.add(part, reason);
        }
        if let Some(finding) = left.first().filter(|_| plan.is_empty()) {
            bail!("no shim helps: {}", remains(finding));
        }
    } else if args.part.is_empty() {
        bail!(
            "say what the shim is for: --for FILE, or --part NAME ({})",
            names().join(", ")
        );
    }
    Ok((plan, left))
}

fn names() -> Vec<&'static str> {
    ShimPart::ALL.into_iter().map(ShimPart::name).collect()
}

/// A part, and why it is wanted.
type Wanted = (ShimPart, String);

/// What the rules find in some files, and the parts for what they cannot decide.
fn judged(args: &PatchShimArgs) -> anyhow::Result<(Vec<Finding>, Vec<Wanted>)> {
    let options = ScanOptions {
        paths: args.wanted_for.clone(),
        runtimes: runtimes::of_files(&args.runtime)?,
        provides: args.application.names(),
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
