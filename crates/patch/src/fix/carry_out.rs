//! A plan of repairs carried out.

use std::path::{Path, PathBuf};

use super::plan::FixPlan;
use crate::inplace::{self, Applied, ApplyError, Output};
use crate::shim::{self, Environment, ShimError, ShimOptions, ShimPart, ShimPlan};

/// What was done.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The file that was changed in place, as the last change left it.
    pub in_place: Option<Applied>,
    /// The shim library and how to load it.
    pub shim: Option<shim::ShimOutcome>,
}

/// A plan that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum FixError {
    /// Something cannot be repaired, so nothing was done.
    #[error("nothing was done, because not everything can be fixed:\n{0}")]
    Refused(String),
    /// The plan has a shim, and nobody said where it should go.
    #[error("the plan needs a shim library: say where it should be written (--shim-out FILE)")]
    NoShimPath,
    /// The plan has a shim, and the runtime is known by name alone.
    #[error(
        "the plan needs a shim library, which is built for real files: name the runtime's library, \
         folder, wheel or virtual environment instead of the release (--runtime PATH)"
    )]
    NoRuntimeFiles,
    /// The shim could not be built; the artifact was not touched.
    #[error(transparent)]
    Shim(#[from] ShimError),
    /// The change in place failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// Lets one shim library serve all plans for a runtime: the first that can be
/// carried out and needs one gets the parts of all, and builds it.
pub fn share_shim(plans: &mut [FixPlan]) {
    let needy = |plan: &&mut FixPlan| plan.refused.is_empty() && !plan.shim_parts.is_empty();
    let mut needy = plans.iter_mut().filter(needy);
    let Some(first) = needy.next() else {
        return;
    };
    for other in needy {
        for part in std::mem::take(&mut other.shim_parts) {
            if !first.shim_parts.contains(&part) {
                first.shim_parts.push(part);
            }
        }
    }
}

/// Carries a plan out: the shim first, because only it can fail for want of a
/// compiler; then the changes in place.
pub fn apply(
    plan: &FixPlan,
    runtime_paths: &[PathBuf],
    shim_out: Option<&Path>,
    output: &Output,
    environment: &Environment,
) -> Result<Fixed, FixError> {
    if !plan.refused.is_empty() {
        let refusals = plan.refused.iter();
        let lines: Vec<String> = refusals.map(|refusal| format!("  - {refusal}")).collect();
        return Err(FixError::Refused(lines.join("\n")));
    }
    let mut fixed = Fixed {
        in_place: None,
        shim: None,
    };
    if !plan.shim_parts.is_empty() {
        if runtime_paths.is_empty() {
            return Err(FixError::NoRuntimeFiles);
        }
        let parts: Result<Vec<ShimPart>, ShimError> =
            plan.shim_parts.iter().map(|name| name.parse()).collect();
        let options = ShimOptions {
            runtime_paths: runtime_paths.to_vec(),
            plan: ShimPlan::of(parts?),
            out: shim_out.ok_or(FixError::NoShimPath)?.to_owned(),
            target: None,
            environment: environment.clone(),
        };
        fixed.shim = Some(shim::build(&options)?);
    }
    for edits in &plan.in_place {
        fixed.in_place = Some(match &fixed.in_place {
            None => inplace::apply(&plan.artifact, edits, output)?,
            // The first one made the new file, or replaced the old one.
            Some(before) => {
                let same = Output::InPlace {
                    break_hard_link: false,
                };
                inplace::apply(&before.file, edits, &same)?
            }
        });
    }
    Ok(fixed)
}
