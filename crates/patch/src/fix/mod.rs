//! `artcheck fix`: from findings to a plan of repairs, and the plan carried out.
//!
//! A change in place is preferred, because nothing has to be loaded beside the
//! artifact then. Where a shim library is needed anyway, it takes over all that
//! it can, and the program keeps its bytes: one repair instead of two. What
//! neither can make right is refused, with the reason and the real remedy.

mod carry_out;
mod in_place;
mod judge;
mod plan;
mod shim_step;

use artcheck_inspect::{Finding, Repair, Severity, Undecided};

pub use carry_out::{FixError, Fixed, apply, share_shim};
pub use plan::{FixInput, FixPlan, FixStep};

use crate::inplace::Refusal;
use crate::shim::ShimPart;
use in_place::InPlace;
use shim_step::ShimStep;
pub use shim_step::shim_name;

/// Plans the repair of what was found.
pub fn plan(input: &FixInput<'_>) -> FixPlan {
    let mut plan = FixPlan {
        artifact: input.file.to_owned(),
        unknown: input.undecided.iter().map(told).collect(),
        ..FixPlan::empty(&input.runtime.name)
    };
    let mut changes = InPlace::converted(input);
    let no_shim = shim_step::why_not(input.bytes);
    let part_of = |finding: &Finding| part_of(finding).filter(|_| no_shim.is_none());
    let can_shim = |finding: &Finding| part_of(finding).is_some();
    let (done, left): (Vec<_>, Vec<_>) =
        input.errors().partition(|finding| changes.settles(finding));
    let needs_shim = left.into_iter().any(can_shim);
    if needs_shim && !input.runtime_paths.is_empty() && done.into_iter().all(can_shim) {
        changes.keep_the_program(input);
    }
    changes.rest(input);
    let mut shim = ShimStep::default();
    for finding in input.wanted().filter(|finding| !changes.settles(finding)) {
        match part_of(finding) {
            Some(part) => shim.add(part, finding.rule),
            None => refuse(&mut plan, finding, &changes.refused, no_shim),
        }
    }
    for undecided in input.undecided.iter().filter(|_| no_shim.is_none()) {
        if let Some(part) = ShimPart::for_unknown(undecided, input.runtime) {
            shim.add(part, undecided.rule);
        }
    }
    let result = changes.result().to_vec();
    for step in changes.steps {
        plan.steps.push(step.told);
        plan.notes.extend(step.edits.notes.iter().cloned());
        plan.in_place.push(step.edits);
    }
    if let Some(step) = shim.finish(input) {
        plan.shim_parts = shim.names();
        plan.steps.push(step);
    }
    if plan.refused.is_empty() && !plan.in_place.is_empty() {
        judge::result(&mut plan, input, &result, part_of);
    }
    plan
}

fn told(undecided: &Undecided) -> String {
    format!("{}: {}", undecided.rule, undecided.why)
}

/// The part of a shim that settles a finding.
fn part_of(finding: &Finding) -> Option<ShimPart> {
    let part = ShimPart::for_rule(finding.rule);
    part.filter(|_| finding.repairs.contains(&Repair::Shim))
}

fn refuse(
    plan: &mut FixPlan,
    finding: &Finding,
    reasons: &[Refusal],
    no_shim: Option<&'static str>,
) {
    let in_place = finding.repairs.contains(&Repair::InPlace);
    let known = reasons
        .iter()
        .find(|refusal| in_place && refusal.rule == Some(finding.rule));
    let mut refusal = known.cloned().unwrap_or_else(|| Refusal {
        rule: Some(finding.rule),
        reason: finding.message.clone(),
        remedy: finding.help.clone(),
    });
    if let Some(no_shim) = no_shim.filter(|_| part_of(finding).is_some()) {
        refusal.reason = format!("{}; {no_shim}", refusal.reason);
        refusal.remedy = "compile the library with the runtime's TVM".to_owned();
    }
    if finding.severity != Severity::Error {
        plan.notes.push(format!("not fixed: {refusal}"));
    } else if !plan.refused.contains(&refusal) {
        plan.refused.push(refusal);
    }
}
