//! The changes in place of a plan of repairs: first the program inside the
//! file, then names, then the signature, each made from what the one before
//! leaves.

use std::borrow::Cow;
use std::collections::BTreeSet;

use artcheck_inspect::Rule;
use artcheck_inspect::rules;
use artcheck_inspect::shell;
use artcheck_inspect::{Finding, Repair};

use super::plan::{FixInput, FixStep};
use crate::inplace::convert::ConvertOptions;
use crate::inplace::{PlanError, Refusal, convert, model_lib, relocate, sign};
use crate::plan::{Change, EditPlan, Resign};

/// Rules that `convert` can settle.
static CONVERT: [&Rule; 4] = [
    rules::ATTENTION_TAG,
    rules::VM_FORMAT,
    rules::KV_CACHE_CONFIG,
    rules::DEVICE_PAYLOAD,
];

/// One change, and how it is told.
pub(super) struct Step {
    pub(super) edits: EditPlan,
    pub(super) told: FixStep,
}

/// The changes so far.
pub(super) struct InPlace<'a> {
    pub(super) steps: Vec<Step>,
    /// Why something is not settled here.
    pub(super) refused: Vec<Refusal>,
    bytes: Cow<'a, [u8]>,
}

impl<'a> InPlace<'a> {
    /// What can be made right in the program.
    pub(super) fn converted(input: &FixInput<'a>) -> Self {
        let mut changes = Self {
            steps: Vec::new(),
            refused: Vec::new(),
            bytes: Cow::Borrowed(input.bytes),
        };
        if !CONVERT
            .iter()
            .any(|rule| changes.wanted(input, rule).is_some())
        {
            return changes;
        }
        let options = ConvertOptions {
            partial: true,
            resign: input.resign,
            rooms: crate::receipt::rooms(input.file, input.bytes).unwrap_or_default(),
        };
        match convert::plan_with_refusals(input.bytes, input.runtime, &options) {
            Ok((edits, refused)) => {
                let partial = if refused.is_empty() { "" } else { " --partial" };
                let command = format!(
                    "artcheck patch convert {} --for {}{partial}",
                    shell::path(input.file),
                    shell::file(&input.runtime.name)
                );
                let rules = rules_of(&edits);
                changes.refused = refused;
                changes.add(input, edits, &rules, command);
            }
            Err(error) => changes.refuse(&CONVERT, &error),
        }
        changes
    }

    /// The bytes as the last change leaves them.
    pub(super) fn result(&self) -> &[u8] {
        &self.bytes
    }

    /// Leaves the program to a shim.
    pub(super) fn keep_the_program(&mut self, input: &FixInput<'a>) {
        self.steps.clear();
        self.bytes = Cow::Borrowed(input.bytes);
    }

    /// What can be made right around the program.
    pub(super) fn rest(&mut self, input: &FixInput<'a>) {
        let file = shell::path(input.file);
        for finding in input.wanted() {
            if let Some(rename) = &finding.rename {
                let (from, to) = (&rename.from, &rename.to);
                let (old, new) = (shell::quote(from), shell::quote(to));
                let command = format!("artcheck patch model-lib {file} --from {old} --to {new}");
                let edits = model_lib::plan(&self.bytes, from, to);
                self.add_or_refuse(input, edits, finding.rule, command);
            }
        }
        if let Some(finding) = self.wanted(input, rules::LIBRARY_NOT_FOUND) {
            let edits = relocate::plan(&self.bytes, Some(input.file), input.resign);
            let command = format!("artcheck patch relocate {file}");
            self.add_or_refuse(input, edits, finding.rule, command);
        }
        if let Some(finding) = self.wanted(input, rules::SIGNATURE) {
            let name = input.file.file_name().unwrap_or_default();
            let edits = sign::plan(&self.bytes, &name.to_string_lossy(), input.resign);
            let command = format!("artcheck patch sign {file}");
            // What was written before may be signed already.
            match (&edits, self.steps.last_mut()) {
                (Ok(edits), Some(last)) if edits.is_empty() => {
                    last.told.rules.push(finding.rule);
                }
                _ => self.add_or_refuse(input, edits, finding.rule, command),
            }
        }
    }

    fn wanted(&self, input: &FixInput<'a>, rule: &Rule) -> Option<&'a Finding> {
        let mut wanted = input.wanted();
        wanted.find(|finding| finding.rule == rule && finding.repairs.contains(&Repair::InPlace))
    }

    fn add_or_refuse(
        &mut self,
        input: &FixInput<'a>,
        edits: Result<EditPlan, PlanError>,
        rule: &'static Rule,
        command: String,
    ) {
        match edits {
            Ok(edits) => self.add(input, edits, &BTreeSet::from([rule]), command),
            Err(error) => self.refuse(&[rule], &error),
        }
    }

    fn add(
        &mut self,
        input: &FixInput<'a>,
        edits: EditPlan,
        rules: &BTreeSet<&'static Rule>,
        mut command: String,
    ) {
        let Some(new) = edits.apply_to(&self.bytes).filter(|_| !edits.is_empty()) else {
            return;
        };
        if input.resign == Resign::AdHoc {
            command.push_str(" --resign adhoc");
        }
        command.push_str(" --in-place");
        let found = |rule: &Rule| input.wanted().any(|finding| finding.rule == rule);
        let unsettled = |rule: &Rule| self.refused.iter().any(|it| it.rule == Some(rule));
        let rules = rules.iter().copied();
        let rules: Vec<_> = rules.filter(|it| found(it) && !unsettled(it)).collect();
        // Half of what a rule asks for is no repair.
        if rules.is_empty() {
            return;
        }
        self.bytes = Cow::Owned(new);
        let told = FixStep {
            way: Repair::InPlace,
            rules,
            what: edits.summary.clone(),
            command,
        };
        self.steps.push(Step { edits, told });
    }

    /// An obstacle to the change in place is no obstacle to a shim.
    fn refuse(&mut self, rules: &[&'static Rule], error: &PlanError) {
        let told = error.to_string();
        let reason = told.trim_end_matches("; compile the library again");
        self.refused.extend(rules.iter().map(|rule| Refusal {
            rule: Some(rule),
            reason: reason.to_owned(),
            remedy: remedy(rule, error).to_owned(),
        }));
    }

    /// Whether a change so far settles a finding. Those of the program stand for
    /// their rule; of others each says whether it can be repaired.
    pub(super) fn settles(&self, finding: &Finding) -> bool {
        let told = |step: &Step| step.told.rules.contains(&finding.rule);
        let can = CONVERT.contains(&finding.rule) || finding.repairs.contains(&Repair::InPlace);
        can && self.steps.iter().any(told)
    }
}

/// What helps where a change in place does not.
fn remedy(rule: &Rule, error: &PlanError) -> &'static str {
    match error {
        PlanError::TeamSignature { .. } => {
            "allow an ad-hoc signature (--resign adhoc), or let its owner change and sign it"
        }
        _ if rule == rules::SIGNATURE => "run `codesign --force --sign - FILE` on macOS",
        _ if rule == rules::LIBRARY_NOT_FOUND => {
            "use patchelf or install_name_tool, or link it again without the folder"
        }
        _ if rule == rules::SYSTEM_LIB_NAME => "write the name by hand",
        _ => "compile the library with the runtime's TVM",
    }
}

/// The rules that a change of the program settles.
fn rules_of(edits: &EditPlan) -> BTreeSet<&'static Rule> {
    let rule = |change: &Change| match change {
        Change::Tag { .. } => Some(rules::ATTENTION_TAG),
        Change::HeaderV1 { .. } => Some(rules::VM_FORMAT),
        Change::CacheConfig { .. } => Some(rules::KV_CACHE_CONFIG),
        Change::MetalOrder { .. } | Change::FunctionInfo { .. } => Some(rules::DEVICE_PAYLOAD),
        Change::ContextString { .. } => None,
    };
    let changes = edits.libraries.iter().flat_map(|library| &library.changes);
    changes.filter_map(rule).collect()
}
