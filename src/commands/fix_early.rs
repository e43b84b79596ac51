//! What `fix` says of its plans before anything is written.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use artcheck_inspect::source::Spelled as _;
use artcheck_patch::fix::{FixError, FixPlan};

use crate::args::FixArgs;
use crate::streams::stdout;

/// What carries the plans out.
pub(super) fn hint(
    plans: &[FixPlan],
    args: &FixArgs,
    runtime_paths: &[PathBuf],
) -> std::io::Result<()> {
    let doable = plans
        .iter()
        .filter(|plan| !plan.steps.is_empty() && plan.refused.is_empty());
    let Some(needs_shim) = doable.map(|plan| !plan.shim_parts.is_empty()).max() else {
        return Ok(());
    };
    let mut add = Vec::new();
    if needs_shim && args.shim_out.is_none() {
        add.push("--shim-out FILE");
    }
    add.push("--apply");
    let add = add.join(" ");
    match needs_shim && runtime_paths.is_empty() {
        true => writeln!(
            stdout(),
            "nothing is written yet: a shim is built for the files of a runtime, so name your copy \
             instead of the release (--runtime .venv), and add {add}"
        ),
        false => writeln!(stdout(), "nothing is written yet: add {add}"),
    }
}

/// What would stop the repair halfway is said before anything is written.
pub(super) fn refuse_early(
    plans: &[FixPlan],
    args: &FixArgs,
    runtime_paths: &[PathBuf],
) -> anyhow::Result<()> {
    let doable = || plans.iter().filter(|plan| plan.refused.is_empty());
    if let Some(out) = &args.change.to_where.out {
        let changed = doable().filter(|plan| !plan.in_place.is_empty()).count();
        if changed > 1 {
            bail!(
                "--out takes one file, but {changed} need changes: fix them one by one, or drop --out to change them in place"
            );
        }
        if (changed > 0 || args.path.is_file()) && out.symlink_metadata().is_ok() {
            bail!(
                "{}: the file exists already; choose another name for --out, or remove it",
                out.spelled()
            );
        }
    }
    if args.prove && runtime_paths.is_empty() {
        bail!(
            "--prove runs the result, and a release has no files to run it with: name your copy of \
             the runtime (--runtime .venv)"
        );
    }
    if doable().any(|plan| !plan.shim_parts.is_empty()) {
        if runtime_paths.is_empty() {
            bail!(FixError::NoRuntimeFiles);
        }
        if args.shim_out.is_none() {
            bail!(FixError::NoShimPath);
        }
    }
    Ok(())
}
