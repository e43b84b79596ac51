//! The file as the changes in place leave it, judged by all rules again: a plan is
//! whole only where nothing is left that breaks.

use artcheck_inspect::scan::{GivenRuntime, ScanOptions, scan_bytes};
use artcheck_inspect::{Finding, Severity};

use super::plan::{FixInput, FixPlan};
use crate::inplace::Refusal;
use crate::shim::ShimPart;

/// Adds to the refusals what the rules find in `result` and the shim does not settle.
/// What could not be decided on the file as it was is not asked again.
pub(super) fn result(
    plan: &mut FixPlan,
    input: &FixInput<'_>,
    result: &[u8],
    part_of: impl Fn(&Finding) -> Option<ShimPart>,
) {
    let options = ScanOptions {
        runtimes: vec![GivenRuntime {
            profile: input.runtime.clone(),
            load_set: None,
        }],
        with: input.with.to_vec(),
        provides: input.provides.clone(),
        ..ScanOptions::default()
    };
    let scan = scan_bytes(&input.file.to_string_lossy(), result, &options);
    for finding in scan.findings {
        let is_error = finding.severity == Severity::Error;
        let part = part_of(&finding).map(ShimPart::name);
        if !is_error || part.is_some_and(|part| plan.shim_parts.contains(&part)) {
            continue;
        }
        plan.refused.push(Refusal {
            rule: Some(finding.rule),
            reason: format!(
                "after the changes this is an error still: {}",
                finding.message
            ),
            remedy: finding.help.clone(),
        });
    }
}
