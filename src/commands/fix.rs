//! `artcheck fix PATH --runtime R`: a plan from findings, and its execution.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use artcheck_inspect::Role;
use artcheck_inspect::scan::{GivenRuntime, Scan, ScanOptions, VerdictStatus, scan};
use artcheck_inspect::shell;
use artcheck_inspect::shown::shown_lines;
use artcheck_inspect::source::Spelled as _;
use artcheck_inspect::{Artifact, Finding, Need, Repair, RuntimeProfile, Severity, Undecided};
use artcheck_patch::fix::{self, FixError, FixInput, FixPlan};
use artcheck_patch::inplace::{Refusal, Resign};
use artcheck_patch::shim::Environment;
use artcheck_patch::write::{self, Existing, Source};

use super::fix_early::{hint, refuse_early};
use super::patch::{COMPILING, output, resign, wrote};
use super::prove;
use super::terminal::Terminal;
use crate::args::{FixArgs, PlainFormat};
use crate::exit::Status;
use crate::progress::patiently;
use crate::report::format::FailOn;
use crate::report::model::Report;
use crate::report::style::Style;
use crate::report::{self, Allowed};
use crate::runtimes;
use crate::streams::stdout;
use crate::told::told;

/// Plans every artifact's repair; carries the plans out with `--apply`.
pub fn run(args: &FixArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let to = &args.change.to_where;
    if !args.apply && (to.in_place || to.out.is_some() || to.break_hard_link) {
        bail!(
            "--in-place, --out and --break-hard-link need --apply: without it, `fix` only shows the \
             plan"
        );
    }
    let path = &args.path;
    path.symlink_metadata().with_context(|| path.spelled())?;
    let runtime = runtimes::resolve_parts(&args.runtime)?;
    let options = ScanOptions {
        paths: vec![args.path.clone()],
        runtimes: vec![GivenRuntime {
            profile: runtime.profile.clone(),
            load_set: runtime.load_set.clone(),
        }],
        with: runtimes::loaded_first(&args.with)?,
        provides: args.application.names(),
        ..ScanOptions::default()
    };
    let scan = scan(&options, &())?;
    let files = files(&scan, &args.path);
    let runtime_paths = paths_of(&args.runtime, &runtime);
    let aim = Aim {
        runtime: &runtime.profile,
        runtime_paths: &runtime_paths,
        provides: &options.provides,
        with: &options.with,
        resign: resign(args.change.resign),
        shim_out: args.shim_out.as_deref(),
    };
    let mut plans = plans(&scan, &files, &aim)?;
    let left = left(&scan, &mut plans, &runtime.profile.name);
    if plans.is_empty() && left.is_empty() {
        let path = shell::path(&args.path);
        tell!("artcheck: nothing to fix: no model library and no client of TVM in {path}");
        return Ok(Status::Nothing);
    }
    if args.apply {
        fix::share_shim(&mut plans);
    }
    let style = terminal.style;
    show(plans.iter().chain(&left), args.change.format, style)?;
    if args.apply {
        refuse_early(&plans, args, &runtime_paths)?;
    } else if args.change.format == PlainFormat::Human {
        hint(&plans, args, &runtime_paths)?;
    }
    let result = match args.apply {
        true => apply(&plans, args, &runtime_paths, options, terminal)?,
        // What a scan says, a plan must not call repaired.
        false => {
            let report = Report::of(&scan, &std::env::current_dir()?);
            report::status(&report, FailOn::Error, Allowed::NOTHING)
        }
    };
    let is_unsettled =
        |plan: &FixPlan| !plan.refused.is_empty() || (!args.apply && !plan.is_empty());
    let mut all = plans.iter().chain(&left);
    let unsettled = all.clone().any(is_unsettled);
    let unknown = all.any(|plan| !plan.unknown.is_empty());
    Ok(match (unsettled, unknown, result) {
        (true, ..) | (_, _, Status::Findings) => Status::Findings,
        (false, true, _) => Status::Unknown,
        (false, false, result) => result,
    })
}

/// Carries the plans out, and judges what they left.
fn apply(
    plans: &[FixPlan],
    args: &FixArgs,
    runtime_paths: &[PathBuf],
    options: ScanOptions,
    terminal: Terminal,
) -> anyhow::Result<Status> {
    let style = terminal.style;
    let (repaired, mut failed) = carry_out_all(plans, args, runtime_paths, terminal);
    if failed.is_empty() {
        failed.extend(copy_unchanged(plans, args).err());
    }
    let proved = match args.prove {
        true => prove_all(&repaired, runtime_paths, args, style),
        false => Ok(Status::Clean),
    };
    let judged = proved.and_then(|proved| {
        Ok(match judge(repaired, options, args, style)? {
            Status::Clean => proved,
            Status::Unknown if proved == Status::Findings => proved,
            judged => judged,
        })
    });
    // What could not be repaired comes last, and hides nothing of the rest.
    let errors = failed.iter().chain(judged.as_ref().err());
    let errors: Vec<String> = errors.map(told).collect();
    match judged {
        Ok(judged) if errors.is_empty() => Ok(judged),
        _ => bail!("{}", errors.join("\n")),
    }
}

/// What breaks or is not known and that no plan is for: an environment, the runtime's own
/// files, what could not be read. No change to a file here mends it.
fn left(scan: &Scan, plans: &mut [FixPlan], runtime: &str) -> Vec<FixPlan> {
    let mut left: BTreeMap<&Path, (Vec<Refusal>, Vec<String>)> = BTreeMap::new();
    let errors = scan.findings.iter();
    for finding in errors.filter(|finding| finding.severity == Severity::Error) {
        let path = finding.artifact.path();
        let is_meant = finding
            .runtime
            .as_deref()
            .is_none_or(|name| name == runtime);
        if is_meant && plans.iter().any(|plan| plan.artifact == path) {
            continue;
        }
        let refusal = Refusal {
            rule: Some(finding.rule),
            reason: finding.message.clone(),
            remedy: finding.help.clone(),
        };
        let (refused, _) = left.entry(path).or_default();
        if !refused.contains(&refusal) {
            refused.push(refusal);
        }
    }
    for artifact in &scan.artifacts {
        let path = artifact.path.path();
        let problems = artifact.problems.iter();
        let unread = problems.filter(|problem| problem.kind.leaves_undecided());
        let unread = unread.map(|problem| problem.detail.clone());
        match plans.iter_mut().find(|plan| plan.artifact == path) {
            Some(plan) => plan.unknown.extend(unread),
            None => unread.for_each(|why| left.entry(path).or_default().1.push(why)),
        }
    }
    let of_place = |(path, (refused, unknown)): (&Path, _)| {
        FixPlan::nothing_helps(path.to_owned(), runtime, refused, unknown)
    };
    left.into_iter().map(of_place).collect()
}

/// What is there after the repairs: files, and shims that load first.
#[derive(Default)]
struct Repaired {
    files: Vec<PathBuf>,
    shims: Vec<PathBuf>,
}

/// Runs each result, with the shims, in a child process.
fn prove_all(
    repaired: &Repaired,
    runtime_paths: &[PathBuf],
    args: &FixArgs,
    style: Style,
) -> anyhow::Result<Status> {
    let mut shims = args.with.clone();
    shims.extend(repaired.shims.iter().cloned());
    let mut status = Status::Clean;
    for file in &repaired.files {
        let tried = prove::file(file, runtime_paths, &shims, &args.application.provides)?;
        status = match (tried.failed, tried.called, status) {
            (true, ..) | (_, _, Status::Findings) => Status::Findings,
            (false, 0, _) => Status::Unknown,
            (false, _, before) => before,
        };
        if args.change.format == PlainFormat::Human {
            let mut out = stdout();
            let all = match (tried.failed, tried.called, tried.partial) {
                (true, ..) => "it does not run",
                (false, 0, _) => "nothing was called",
                (false, _, true) => "what could be called ran",
                (false, _, false) => "every function ran",
            };
            let mut text = format!("proof: {}: {all}\n", file.spelled());
            for line in &tried.lines {
                text.push_str(&format!("  {}\n", shown_lines(line)));
            }
            write!(out, "{}", style.page(&text))?;
        }
    }
    Ok(status)
}

/// Looks at the result as at any library: with the shims, on the runtime, by all rules.
fn judge(
    repaired: Repaired,
    before: ScanOptions,
    args: &FixArgs,
    style: Style,
) -> anyhow::Result<Status> {
    if repaired.files.is_empty() {
        return Ok(Status::Clean);
    }
    let mut with = before.with;
    with.extend(runtimes::loaded_first(&repaired.shims)?);
    let options = ScanOptions {
        paths: repaired.files,
        with,
        ..before
    };
    let scan = scan(&options, &())?;
    let is_error = |finding: &&Finding| finding.severity == Severity::Error;
    let left: Vec<&Finding> = scan.findings.iter().filter(is_error).collect();
    let verdicts = scan.verdicts.iter().flat_map(|verdicts| verdicts.iter());
    let unknown: Vec<&Undecided> = verdicts.flat_map(|verdict| &verdict.undecided).collect();
    if args.change.format == PlainFormat::Human {
        let mut out = stdout();
        for finding in &left {
            let text = format!("still an error: {}: {}", finding.rule, finding.message);
            write!(out, "{}", style.page(&shown_lines(&text)))?;
        }
        for undecided in &unknown {
            let text = format!("still undecided: {}: {}", undecided.rule, undecided.why);
            write!(out, "{}", style.page(&shown_lines(&text)))?;
        }
    }
    Ok(match (left.is_empty(), unknown.is_empty()) {
        (false, _) => Status::Findings,
        (true, false) => Status::Unknown,
        (true, true) => Status::Clean,
    })
}

/// What plans are made for.
pub(super) struct Aim<'a> {
    /// The runtime.
    pub runtime: &'a RuntimeProfile,
    /// Its files.
    pub runtime_paths: &'a [PathBuf],
    /// Functions that the application registers.
    pub provides: &'a BTreeSet<String>,
    /// Libraries that are loaded first.
    pub with: &'a [Artifact],
    /// What to do with a team's signature.
    pub resign: Resign,
    /// Where a shim is to be written, if that was said.
    pub shim_out: Option<&'a Path>,
}

/// The files of a runtime. A release or a saved profile has none to build a shim for.
pub(super) fn paths_of(names: &[String], runtime: &GivenRuntime) -> Vec<PathBuf> {
    let files = runtime.load_set.iter().flat_map(|_| names);
    files.map(PathBuf::from).collect()
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
    let mut needs: HashMap<&Path, BTreeSet<&Need>> = HashMap::new();
    for (artifact, verdicts) in scan.artifacts.iter().zip(&scan.verdicts) {
        let of_file = unknown.entry(artifact.path.path()).or_default();
        let meant = verdicts
            .iter()
            .filter(|verdict| is_meant(Some(&verdict.runtime)));
        for undecided in meant.clone().flat_map(|verdict| &verdict.undecided) {
            if !of_file.contains(undecided) {
                of_file.push(undecided.clone());
            }
        }
        let meant = meant.filter(|verdict| verdict.status == VerdictStatus::FitsIf);
        let needed = needs.entry(artifact.path.path()).or_default();
        needed.extend(meant.flat_map(|verdict| &verdict.needs));
    }
    let plan = |file: &PathBuf| {
        let bytes = std::fs::read(file).with_context(|| file.spelled())?;
        let mut plan = fix::plan(&FixInput {
            file,
            bytes: &bytes,
            findings: found.get(file.as_path()).map_or(&[], Vec::as_slice),
            undecided: unknown.get(file.as_path()).map_or(&[], Vec::as_slice),
            runtime: aim.runtime,
            runtime_paths: aim.runtime_paths,
            provides: aim.provides,
            with: aim.with,
            resign: aim.resign,
            shim_out: aim.shim_out,
        });
        let needed = needs.get(file.as_path()).into_iter().flatten();
        plan.notes.extend(needed.map(|need| {
            let Need {
                library,
                brought_by,
            } = need;
            format!("fits if the machine has {library} ({brought_by})")
        }));
        Ok(plan)
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

fn show<'a>(
    plans: impl Iterator<Item = &'a FixPlan>,
    format: PlainFormat,
    style: Style,
) -> anyhow::Result<()> {
    let mut out = stdout();
    match format {
        PlainFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &plans.collect::<Vec<_>>())?;
            writeln!(out)?;
        }
        PlainFormat::Human => {
            for plan in plans {
                let text = shown_lines(plan.describe().trim_end()).into_owned();
                write!(out, "{}", style.page(&text))?;
            }
        }
    }
    Ok(())
}

/// A build goes on with what `--out` names: where the one file needs no change itself, that
/// is a copy of it.
fn copy_unchanged(plans: &[FixPlan], args: &FixArgs) -> anyhow::Result<()> {
    let Some(out) = &args.change.to_where.out else {
        return Ok(());
    };
    let is_unchanged = |plan: &FixPlan| plan.in_place.is_empty() && plan.refused.is_empty();
    if args.path.is_file() && plans.iter().all(is_unchanged) {
        let source = Source::read(&args.path)?;
        write::write(&source, out, &source.bytes, Existing::Refuse, &|_| Ok(()))?;
        let (out, path) = (shell::path(out), shell::path(&args.path));
        tell!("artcheck: {out} is a copy of {path}, which needs no change itself");
    }
    Ok(())
}

/// Carries every plan out that can be, and says what was written; why others could not.
fn carry_out_all(
    plans: &[FixPlan],
    args: &FixArgs,
    runtime_paths: &[PathBuf],
    terminal: Terminal,
) -> (Repaired, Vec<anyhow::Error>) {
    let mut repaired = Repaired::default();
    let mut failed = Vec::new();
    for plan in plans {
        let is_quiet = terminal.quiet || plan.shim_parts.is_empty();
        let done = patiently(COMPILING, is_quiet, || {
            carry_out(plan, args, runtime_paths, &mut repaired)
        });
        match done {
            Ok(text) => {
                let said = stdout().write_all(terminal.style.page(&text).as_bytes());
                failed.extend(said.err().map(anyhow::Error::from));
            }
            Err(error) => failed.push(error),
        }
    }
    (repaired, failed)
}

fn carry_out(
    plan: &FixPlan,
    args: &FixArgs,
    runtime_paths: &[PathBuf],
    repaired: &mut Repaired,
) -> anyhow::Result<String> {
    if plan.is_empty() {
        if args.prove {
            repaired.files.push(plan.artifact.clone());
        }
        return Ok(String::new());
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
        other => anyhow::Error::new(other).context(plan.artifact.spelled()),
    })?;
    let file = match &fixed.in_place {
        Some(applied) => applied.file.clone(),
        None => plan.artifact.clone(),
    };
    repaired.files.push(file);
    let shim = fixed.shim.iter().map(|shim| shim.library.clone());
    repaired.shims.extend(shim);
    if args.change.format == PlainFormat::Json {
        return Ok(String::new());
    }
    let mut text = fixed.in_place.as_ref().map_or_else(String::new, wrote);
    if let Some(shim) = fixed.shim {
        text.push_str(&format!("{}\n", shim.summary.trim_end()));
    }
    Ok(text)
}
