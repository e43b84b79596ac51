//! `artcheck fix`: from findings to a plan of repairs, and the plan carried out.
//!
//! A change in place is preferred, because nothing has to be loaded beside the
//! artifact then. Where a shim library is needed anyway, it takes over all that
//! it can, and the artifact keeps its bytes: one repair instead of two. What
//! neither can make right is refused, with the reason and the real remedy.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use artcheck_inspect::finding::{Finding, Repair, Severity};
use artcheck_inspect::runtime::RuntimeProfile;
use serde::Serialize;

use crate::inplace::{
    self, Applied, ApplyError, Change, EditPlan, Output, PlanError, Refusal, Resign, convert, sign,
};
use crate::shim::{self, Environment, ShimError, ShimOptions, ShimPart, ShimPlan};

/// What is to be repaired, and for what.
#[derive(Debug, Clone, Copy)]
pub struct FixInput<'a> {
    /// The artifact.
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
    /// The artifact.
    pub artifact: PathBuf,
    /// The runtime's name.
    pub runtime: String,
    /// Repairs, in the order to do them.
    pub steps: Vec<FixStep>,
    /// What cannot be repaired.
    pub refused: Vec<Refusal>,
    /// Parts of the shim, where one is needed.
    pub shim_parts: Vec<&'static str>,
    /// The change in place, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_place: Option<EditPlan>,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The change in place.
    pub in_place: Option<Applied>,
    /// The shim library and how to load it.
    pub shim: Option<shim::ShimOutcome>,
}

/// A plan that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum FixError {
    /// Something cannot be repaired, so nothing was done.
    #[error("nothing was done, because not everything can be repaired:\n{0}")]
    Refused(String),
    /// The plan has a shim, and nobody said where it should go.
    #[error("the plan needs a shim library: say where it should be written (--shim-out FILE)")]
    NoShimPath,
    /// The shim could not be built; the artifact was not touched.
    #[error("{0}")]
    Shim(#[from] ShimError),
    /// The change in place failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// Plans the repair of every error among the findings.
pub fn plan(input: &FixInput<'_>) -> Result<FixPlan, PlanError> {
    let mut plan = FixPlan {
        schema: "artcheck/fix-plan-v1",
        artifact: input.file.to_owned(),
        runtime: input.runtime.name.clone(),
        steps: Vec::new(),
        refused: Vec::new(),
        shim_parts: Vec::new(),
        in_place: None,
    };
    let errors = || {
        input
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
    };
    let (in_place, reasons) = in_place(input, errors())?;
    let mut settled = in_place.as_ref().map(settled_by).unwrap_or_default();
    settled.retain(|rule| {
        errors().any(|finding| finding.rule == *rule)
            && reasons.iter().all(|refusal| refusal.rule != *rule)
    });
    let can_shim = |finding: &Finding| {
        finding.repairs.contains(&Repair::Shim) && part_of(finding.rule).is_some()
    };
    let needs_shim = errors().any(|finding| !settled.contains(finding.rule) && can_shim(finding));
    let shim_takes_all = needs_shim
        && !input.runtime_paths.is_empty()
        && errors()
            .filter(|finding| settled.contains(finding.rule))
            .all(can_shim);
    let mut shim = ShimStep::default();
    for finding in errors() {
        let done = settled.contains(finding.rule) && !shim_takes_all;
        match part_of(finding.rule) {
            _ if done => {}
            Some(part) if can_shim(finding) => shim.add(part, finding),
            _ => plan.refuse(finding, &reasons),
        }
    }
    if let Some(edits) = in_place.filter(|edits| !edits.is_empty() && !shim_takes_all) {
        plan.steps.push(FixStep {
            way: Repair::InPlace,
            rules: settled.into_iter().map(str::to_owned).collect(),
            what: edits.summary.clone(),
            command: in_place_command(input, &edits, !reasons.is_empty()),
        });
        plan.in_place = Some(edits);
    }
    if let Some(step) = shim.finish(input) {
        plan.shim_parts = shim.parts.iter().map(|part| part.name()).collect();
        plan.steps.push(step);
    }
    Ok(plan)
}

/// The change in place that settles most, and why it does not settle the rest.
fn in_place<'a>(
    input: &FixInput<'_>,
    mut errors: impl Iterator<Item = &'a Finding> + Clone,
) -> Result<(Option<EditPlan>, Vec<Refusal>), PlanError> {
    if errors
        .clone()
        .any(|finding| finding.repairs.contains(&Repair::InPlace) && finding.rule != "AC004")
    {
        let rooms = crate::receipt::rooms(input.file, input.bytes).unwrap_or_default();
        let options = convert::ConvertOptions {
            partial: true,
            resign: input.resign,
            rooms,
        };
        return match convert::plan_with_refusals(input.bytes, input.runtime, &options) {
            Ok((edits, refused)) => Ok((Some(edits), refused)),
            // An obstacle to the change in place is no obstacle to a shim.
            Err(
                error @ (PlanError::NeitherTag { .. }
                | PlanError::SharedConstant { .. }
                | PlanError::TeamSignature { .. }
                | PlanError::Container { .. }),
            ) => {
                let remedy = String::new();
                let refusal = |rule: &str| Refusal {
                    rule: rule.to_owned(),
                    reason: error.to_string(),
                    remedy: remedy.clone(),
                };
                Ok((
                    None,
                    ["AC101", "AC102", "AC105", "AC107"].map(refusal).to_vec(),
                ))
            }
            Err(error) => Err(error),
        };
    }
    if errors.any(|finding| finding.rule == "AC004") {
        return match sign::plan(input.bytes, input.resign) {
            Ok(edits) => Ok((Some(edits), Vec::new())),
            Err(error @ (PlanError::Container { .. } | PlanError::TeamSignature { .. })) => {
                let reason = error.to_string();
                Ok((
                    None,
                    vec![Refusal {
                        rule: "AC004".to_owned(),
                        reason,
                        remedy: String::new(),
                    }],
                ))
            }
            Err(error) => Err(error),
        };
    }
    Ok((None, Vec::new()))
}

/// The rules that a change in place settles.
fn settled_by(edits: &EditPlan) -> BTreeSet<&'static str> {
    let rule = |change: &Change| match change {
        Change::Tag { .. } => Some("AC101"),
        Change::HeaderV1 { .. } => Some("AC102"),
        Change::CacheConfig { .. } => Some("AC105"),
        Change::MetalOrder { .. } | Change::FunctionInfo { .. } => Some("AC107"),
        Change::ContextString { .. } => None,
    };
    let changes = edits.libraries.iter().flat_map(|library| &library.changes);
    let mut rules: BTreeSet<&'static str> = changes.filter_map(rule).collect();
    if edits.libraries.is_empty() && !edits.is_empty() {
        rules.insert("AC004");
    }
    rules
}

fn part_of(rule: &str) -> Option<ShimPart> {
    match rule {
        "AC101" => Some(ShimPart::AttentionTag),
        "AC105" => Some(ShimPart::CacheConfig),
        "AC107" => Some(ShimPart::MetalPayload),
        "AC201" => Some(ShimPart::DeviceApi),
        "AC202" | "AC203" => Some(ShimPart::ContextSlots),
        _ => None,
    }
}

#[derive(Default)]
struct ShimStep {
    parts: BTreeSet<ShimPart>,
    rules: BTreeSet<String>,
}

impl ShimStep {
    fn add(&mut self, part: ShimPart, finding: &Finding) {
        self.parts.insert(part);
        self.rules.insert(finding.rule.to_owned());
    }

    fn finish(&self, input: &FixInput<'_>) -> Option<FixStep> {
        if self.parts.is_empty() {
            return None;
        }
        let runtime = match input.runtime_paths {
            [] => "PATH-OF-THE-RUNTIME".to_owned(),
            paths => paths
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(" "),
        };
        Some(FixStep {
            way: Repair::Shim,
            rules: self.rules.iter().cloned().collect(),
            what: self
                .parts
                .iter()
                .map(|part| format!("{part}: {}", part.summary()))
                .collect(),
            command: format!(
                "artcheck patch shim --runtime {runtime} --for {} --out libartcheck_shim.so",
                input.file.display()
            ),
        })
    }
}

fn in_place_command(input: &FixInput<'_>, edits: &EditPlan, partial: bool) -> String {
    let file = input.file.display();
    let runtime = &input.runtime.name;
    match (edits.libraries.is_empty(), partial) {
        (true, _) => format!("artcheck fix {file} --runtime {runtime} --apply"),
        (false, true) => {
            format!("artcheck patch convert {file} --for {runtime} --partial --in-place")
        }
        (false, false) => format!("artcheck patch convert {file} --for {runtime} --in-place"),
    }
}

impl FixPlan {
    fn refuse(&mut self, finding: &Finding, reasons: &[Refusal]) {
        let known = reasons.iter().find(|refusal| refusal.rule == finding.rule);
        let refusal = Refusal {
            rule: finding.rule.to_owned(),
            reason: known.map_or_else(|| finding.message.clone(), |known| known.reason.clone()),
            remedy: known
                .map(|known| known.remedy.clone())
                .filter(|remedy| !remedy.is_empty())
                .unwrap_or_else(|| finding.help.clone()),
        };
        if !self.refused.contains(&refusal) {
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
            let _ = writeln!(text, "  {}. {way} ({})", number + 1, step.rules.join(", "));
            for line in &step.what {
                let _ = writeln!(text, "     {line}");
            }
            let _ = writeln!(text, "     $ {}", step.command);
        }
        for refusal in &self.refused {
            let _ = writeln!(text, "  refused: {refusal}");
        }
        text
    }
}

/// Carries a plan out: the shim first, because only it can fail for want of a
/// compiler; then the change in place.
pub fn apply(
    plan: &FixPlan,
    runtime_paths: &[PathBuf],
    shim_out: Option<&Path>,
    output: &Output,
    environment: &Environment,
) -> Result<Fixed, FixError> {
    if !plan.refused.is_empty() {
        let lines: Vec<String> = plan
            .refused
            .iter()
            .map(|refusal| format!("  - {refusal}"))
            .collect();
        return Err(FixError::Refused(lines.join("\n")));
    }
    let mut fixed = Fixed {
        in_place: None,
        shim: None,
    };
    if !plan.shim_parts.is_empty() {
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
    if let Some(edits) = &plan.in_place {
        fixed.in_place = Some(inplace::apply(&plan.artifact, edits, output)?);
    }
    Ok(fixed)
}
