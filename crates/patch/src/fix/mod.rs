//! `artcheck fix`: from findings to a plan of repairs, and the plan carried out.
//!
//! A change in place is preferred, because nothing has to be loaded beside the
//! artifact then. Where a shim library is needed anyway, it takes over all that
//! it can, and the program keeps its bytes: one repair instead of two. What
//! neither can make right is refused, with the reason and the real remedy.

mod carry_out;
mod in_place;
mod shim_step;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use artcheck_inspect::finding::{Finding, Repair, Severity};
use artcheck_inspect::runtime::RuntimeProfile;
use serde::Serialize;

pub use carry_out::{FixError, Fixed, apply, share_shim};

use crate::inplace::{EditPlan, Refusal, Resign};
use crate::shim::ShimPart;
use in_place::InPlace;
use shim_step::ShimStep;

/// What is to be repaired, and for what.
#[derive(Debug, Clone, Copy)]
pub struct FixInput<'a> {
    /// The file.
    pub file: &'a Path,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What the rules found in it.
    pub findings: &'a [Finding],
    /// The runtime it is for.
    pub runtime: &'a RuntimeProfile,
    /// Files of that runtime; none for a release of the built-in table, and
    /// then no shim can be built.
    pub runtime_paths: &'a [PathBuf],
    /// What to do with a team's signature.
    pub resign: Resign,
}

impl<'a> FixInput<'a> {
    /// Findings that break something.
    fn errors(&self) -> impl Iterator<Item = &'a Finding> + Clone {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        self.findings.iter().filter(is_error)
    }

    /// Findings to settle: those that break something, and those of less
    /// weight that a change in place settles.
    fn wanted(&self) -> impl Iterator<Item = &'a Finding> + Clone {
        self.findings.iter().filter(|finding| {
            finding.severity == Severity::Error || finding.repairs.contains(&Repair::InPlace)
        })
    }
}

/// One repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FixStep {
    /// Which of the three ways.
    pub way: Repair,
    /// The rules it settles.
    pub rules: Vec<String>,
    /// What it does, one sentence each.
    pub what: Vec<String>,
    /// The command that does it alone.
    pub command: String,
}

/// What can be repaired and how, and what cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FixPlan {
    /// `artcheck/fix-plan-v1`.
    pub schema: &'static str,
    /// The file.
    pub artifact: PathBuf,
    /// The runtime's name.
    pub runtime: String,
    /// Repairs, in the order to do them.
    pub steps: Vec<FixStep>,
    /// What breaks and cannot be repaired.
    pub refused: Vec<Refusal>,
    /// What may break and is not repaired.
    pub notes: Vec<String>,
    /// Parts of the shim, where one is needed.
    pub shim_parts: Vec<&'static str>,
    /// The changes in place, each of what the one before leaves.
    pub in_place: Vec<EditPlan>,
}

/// Plans the repair of what was found.
pub fn plan(input: &FixInput<'_>) -> FixPlan {
    let mut plan = FixPlan {
        schema: "artcheck/fix-plan-v1",
        artifact: input.file.to_owned(),
        runtime: input.runtime.name.clone(),
        steps: Vec::new(),
        refused: Vec::new(),
        notes: Vec::new(),
        shim_parts: Vec::new(),
        in_place: Vec::new(),
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
            Some(part) => shim.add(part, finding),
            None => plan.refuse(finding, &changes.refused, no_shim),
        }
    }
    for step in changes.steps {
        plan.steps.push(step.told);
        plan.in_place.push(step.edits);
    }
    if let Some(step) = shim.finish(input) {
        plan.shim_parts = shim.names();
        plan.steps.push(step);
    }
    plan
}

/// The part of a shim that settles a finding.
fn part_of(finding: &Finding) -> Option<ShimPart> {
    let part = ShimPart::for_rule(finding.rule);
    part.filter(|_| finding.repairs.contains(&Repair::Shim))
}

impl FixPlan {
    fn refuse(&mut self, finding: &Finding, reasons: &[Refusal], no_shim: Option<&'static str>) {
        let in_place = finding.repairs.contains(&Repair::InPlace);
        let known = reasons
            .iter()
            .find(|refusal| in_place && refusal.rule == finding.rule.code);
        let mut refusal = known.cloned().unwrap_or_else(|| Refusal {
            rule: finding.rule.to_string(),
            reason: finding.message.clone(),
            remedy: finding.help.clone(),
        });
        if let Some(no_shim) = no_shim.filter(|_| part_of(finding).is_some()) {
            refusal.reason = format!("{}; {no_shim}", refusal.reason);
            refusal.remedy = "compile the library with the runtime's TVM".to_owned();
        }
        if finding.severity != Severity::Error {
            self.notes.push(format!("not repaired: {refusal}"));
        } else if !self.refused.contains(&refusal) {
            self.refused.push(refusal);
        }
    }

    /// Whether nothing is wrong that could be repaired or refused.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refused.is_empty()
    }

    /// The plan for people.
    pub fn describe(&self) -> String {
        let mut text = format!("{} for {}\n", self.artifact.display(), self.runtime);
        if self.is_empty() {
            text.push_str("  nothing to repair\n");
        }
        for (number, step) in self.steps.iter().enumerate() {
            let way = match step.way {
                Repair::InPlace => "change in place",
                Repair::Shim => "shim library",
                Repair::Source => "source patch",
            };
            let number = number.saturating_add(1);
            let _ = writeln!(text, "  {number}. {way} ({})", step.rules.join(", "));
            for line in &step.what {
                let _ = writeln!(text, "     {line}");
            }
            let _ = writeln!(text, "     $ {}", step.command);
        }
        for refusal in &self.refused {
            let _ = writeln!(text, "  refused: {refusal}");
        }
        if !self.steps.is_empty() && !self.refused.is_empty() {
            text.push_str("  so --apply leaves the file alone: it would still break\n");
        }
        for note in &self.notes {
            let _ = writeln!(text, "  note: {note}");
        }
        text
    }
}
