//! What a plan of repairs is made from, and what it says.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use artcheck_inspect::runtime::RuntimeProfile;
use artcheck_inspect::source::Spelled as _;
use artcheck_inspect::{Artifact, Finding, Place, Repair, Rule, Severity, Undecided};
use serde::{Serialize, Serializer};

use crate::inplace::Refusal;
use crate::plan::{EditPlan, Resign};

/// What is to be repaired, and for what.
#[derive(Debug, Clone, Copy)]
pub struct FixInput<'a> {
    /// The file.
    pub file: &'a Path,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What the rules found in it.
    pub findings: &'a [Finding],
    /// What they could not decide on it.
    pub undecided: &'a [Undecided],
    /// The runtime it is for.
    pub runtime: &'a RuntimeProfile,
    /// Files of that runtime; none for a release of the built-in table, and
    /// then no shim can be built.
    pub runtime_paths: &'a [PathBuf],
    /// Functions that the application registers.
    pub provides: &'a BTreeSet<String>,
    /// Libraries that are loaded first.
    pub with: &'a [Artifact],
    /// What to do with a team's signature.
    pub resign: Resign,
    /// Where a shim is to be written; [`shim_name`](super::shim_name) if nothing was said.
    pub shim_out: Option<&'a Path>,
}

impl<'a> FixInput<'a> {
    /// Findings that break something.
    pub(super) fn errors(&self) -> impl Iterator<Item = &'a Finding> + Clone {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        self.findings.iter().filter(is_error)
    }

    /// Findings to settle: those that break something, and those of less
    /// weight that a change in place settles.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &'a Finding> + Clone {
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
    pub rules: Vec<&'static Rule>,
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
    #[serde(serialize_with = "as_text")]
    pub artifact: PathBuf,
    /// The runtime's name.
    pub runtime: String,
    /// Repairs, in the order to do them.
    pub steps: Vec<FixStep>,
    /// What breaks and cannot be repaired.
    pub refused: Vec<Refusal>,
    /// What is not known, and may break it still.
    pub unknown: Vec<String>,
    /// What may break and is not repaired.
    pub notes: Vec<String>,
    /// Parts of the shim, where one is needed.
    pub shim_parts: Vec<&'static str>,
    /// The changes in place, each of what the one before leaves.
    pub in_place: Vec<EditPlan>,
}

/// A path as reports spell it: it need not be UTF-8.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    Place::file(path).serialize(serializer)
}

impl FixPlan {
    /// What stays as it is: it breaks or is not known, and no change to a file mends it.
    pub fn nothing_helps(
        artifact: PathBuf,
        runtime: &str,
        refused: Vec<Refusal>,
        unknown: Vec<String>,
    ) -> Self {
        Self {
            artifact,
            refused,
            unknown,
            ..Self::empty(runtime)
        }
    }

    /// Nothing is wrong so far.
    pub(super) fn empty(runtime: &str) -> Self {
        Self {
            schema: "artcheck/fix-plan-v1",
            artifact: PathBuf::new(),
            runtime: runtime.to_owned(),
            steps: Vec::new(),
            refused: Vec::new(),
            unknown: Vec::new(),
            notes: Vec::new(),
            shim_parts: Vec::new(),
            in_place: Vec::new(),
        }
    }

    /// Whether nothing is wrong that could be repaired or refused.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refused.is_empty()
    }

    /// The plan for people.
    pub fn describe(&self) -> String {
        let mut text = format!("{} for {}\n", self.artifact.spelled(), self.runtime);
        if self.is_empty() && self.unknown.is_empty() {
            text.push_str("  nothing to fix\n");
        }
        for (number, step) in self.steps.iter().enumerate() {
            let way = match step.way {
                Repair::InPlace => "change in place",
                Repair::Shim => "shim library",
                Repair::Source => "source patch",
            };
            let number = number.saturating_add(1);
            let rules: Vec<&str> = step.rules.iter().map(|rule| rule.code).collect();
            let _ = writeln!(text, "  {number}. {way} ({})", rules.join(", "));
            for line in &step.what {
                let _ = writeln!(text, "     {line}");
            }
            let _ = writeln!(text, "     $ {}", step.command);
        }
        for refusal in &self.refused {
            let _ = writeln!(text, "  cannot be fixed: {refusal}");
        }
        if !self.steps.is_empty() && !self.refused.is_empty() {
            text.push_str("  so --apply leaves the file alone: not every error can be fixed\n");
        }
        for unknown in &self.unknown {
            let _ = writeln!(text, "  not known: {unknown}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "  note: {note}");
        }
        text
    }
}
