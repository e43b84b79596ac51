//! Which broken files `artcheck fix` makes run: found by planning the repair, since
//! a rule only says what may help. Nothing is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use artcheck_inspect::runtime::load_set::LoadSet;
use artcheck_inspect::scan::{GivenRuntime, Scan};
use artcheck_inspect::shell;
use artcheck_inspect::{Artifact, Repair, Severity};
use artcheck_patch::fix::shim_name;
use artcheck_patch::inplace::Resign;

use super::fix::{Aim, paths_of, plans};
use crate::report::model::Report;
use crate::report::run::Fix;
use crate::runtimes::{self, Named};

/// Files whose repair is planned.
const MOST: usize = 20;
/// Bytes of a file whose repair is planned.
const LARGEST: u64 = 256 << 20;

/// A scan, and what it was asked for.
pub(super) struct Scanned<'a> {
    /// What was found.
    pub scan: &'a Scan,
    /// The paths that it was asked to read.
    pub paths: &'a [PathBuf],
    /// Libraries that are loaded first.
    pub with: &'a [PathBuf],
    /// Functions that the application registers.
    pub provides: &'a BTreeSet<String>,
}

/// Adds the repairs that leave nothing broken, for the runtimes that were named or
/// found among the paths.
pub(super) fn add(report: &mut Report, scanned: &Scanned<'_>, named: &Named) {
    let scan = scanned.scan;
    let Ok(with) = runtimes::loaded_first(scanned.with) else {
        return;
    };
    let runtimes: Vec<(Vec<String>, GivenRuntime)> = if named.is_empty() {
        let found = scan.load_sets.iter().filter(|set| set.holds_vm_runtime());
        let found = found.map(|set| {
            let runtime = GivenRuntime {
                profile: set.profile.clone(),
                load_set: Some(set.clone()),
            };
            (typed(set, scanned.paths), runtime)
        });
        found.collect()
    } else {
        let named = named.iter();
        named
            .map(|(typed, runtime)| (vec![typed.clone()], runtime.clone()))
            .collect()
    };
    for (typed, runtime) in &runtimes {
        let name = &runtime.profile.name;
        report.run.runtimes.push((name.clone(), typed.clone()));
        let files = candidates(report, scan, name);
        for file in files.iter().take(MOST) {
            let fix = fix(scanned, &with, file, typed, runtime);
            report.run.fixes.extend(fix);
        }
        report.run.untried += files.len().saturating_sub(MOST);
    }
    for fix in &mut report.run.fixes {
        let of = |finding: &&crate::report::model::Finding| {
            let place = finding.place.as_ref();
            place.is_some_and(|place| place.path() == Path::new(&fix.file))
        };
        // As findings spell it.
        if let Some(finding) = report.findings.iter().find(of) {
            fix.file = finding.file.to_string();
        }
    }
}

/// What names a load set on the command line: its folder, or else those of the scanned paths
/// that hold its parts. A folder above the paths may hold other runtimes too.
fn typed(set: &LoadSet, paths: &[PathBuf]) -> Vec<String> {
    let home = set.home.path();
    if paths.iter().any(|path| home.starts_with(path)) {
        return vec![set.profile.name.clone()];
    }
    let holds = |path: &&PathBuf| {
        let mut members = set.members.iter();
        members.any(|member| member.path.path().starts_with(path))
    };
    let paths = paths.iter().filter(holds);
    paths
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

/// The files of which every error on the runtime may be repaired.
fn candidates(report: &Report, scan: &Scan, runtime: &str) -> Vec<PathBuf> {
    let on_runtime = |name: Option<&str>| name.is_none_or(|name| name == runtime);
    let errors = || {
        let errors = scan.findings.iter();
        errors.filter(|f| f.severity == Severity::Error && on_runtime(f.runtime.as_deref()))
    };
    let can = |repairs: &[Repair]| repairs.iter().any(|repair| *repair != Repair::Source);
    let hopeless = errors().filter(|finding| !can(&finding.repairs));
    let hopeless: BTreeSet<&Path> = hopeless.map(|finding| finding.artifact.path()).collect();
    // What the policy accepts is not to be fixed.
    let told = report.findings.iter().filter_map(|f| f.place.as_ref());
    let told: BTreeSet<&Path> = told.map(|place| place.path()).collect();
    let files: BTreeSet<&Path> = errors()
        .map(|finding| finding.artifact.path())
        .filter(|file| !hopeless.contains(file) && told.contains(file))
        .filter(|file| {
            file.metadata()
                .is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST)
        })
        .collect();
    files.into_iter().map(Path::to_owned).collect()
}

fn fix(
    scanned: &Scanned<'_>,
    with: &[Artifact],
    file: &Path,
    typed: &[String],
    runtime: &GivenRuntime,
) -> Option<Fix> {
    let runtime_paths = paths_of(typed, runtime);
    let aim = Aim {
        runtime: &runtime.profile,
        runtime_paths: &runtime_paths,
        provides: scanned.provides,
        with,
        resign: Resign::Keep,
        shim_out: None,
    };
    let plan = plans(scanned.scan, &[file.to_owned()], &aim).ok()?.pop()?;
    let needs_shim = !plan.shim_parts.is_empty();
    if plan.steps.is_empty() || !plan.refused.is_empty() || !plan.unknown.is_empty() {
        return None;
    }
    if needs_shim && runtime_paths.is_empty() {
        return None;
    }
    let mut command = vec!["artcheck".to_owned(), "fix".to_owned(), shell::path(file)];
    for typed in typed {
        command.extend(["--runtime".to_owned(), shell::file(typed)]);
    }
    for first in scanned.with {
        command.extend(["--with".to_owned(), shell::path(first)]);
    }
    for name in scanned.provides {
        command.extend(["--provides".to_owned(), shell::file(name)]);
    }
    if needs_shim {
        let bytes = std::fs::read(file).ok()?;
        command.extend(["--shim-out".to_owned(), shim_name(&bytes).to_owned()]);
    }
    command.push("--apply".to_owned());
    Some(Fix {
        file: file.to_string_lossy().into_owned(),
        runtime: runtime.profile.name.clone(),
        command,
    })
}
