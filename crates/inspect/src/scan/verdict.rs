//! What a verdict is: one library or client on one runtime, from what the rules say.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Need, Outcome, Severity, Undecided};
use crate::place::Place;
use crate::rule::Rule;

/// Why a runtime was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeSource {
    /// The user named it.
    Given,
    /// It lies among the scanned paths.
    Found,
    /// A release of the built-in table, because there was nothing else.
    Release,
}

/// What comes of loading and running an artifact on a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictStatus {
    /// No known mismatch.
    Fits,
    /// No known mismatch, where the machine has what the verdict names.
    FitsIf,
    /// At least one error.
    Breaks,
    /// No error, but a fact is missing that could be one.
    Undecided,
}

/// One library or client on one runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// System-lib prefix of the library, where the artifact holds several.
    pub prefix: Option<String>,
    /// Runtime's name.
    pub runtime: String,
    /// Why this runtime.
    pub source: RuntimeSource,
    /// What comes of it.
    pub status: VerdictStatus,
    /// Rules that report an error, by code.
    pub rules: Vec<&'static Rule>,
    /// What could not be decided.
    pub undecided: Vec<Undecided>,
    /// What the machine must have; [`VerdictStatus::FitsIf`] hangs on it.
    pub needs: Vec<Need>,
    /// Where it breaks: how what lies beside it is loaded, which mends that.
    pub runs_with: Option<String>,
}

impl Verdict {
    /// Whether it runs, on a machine that has what it needs.
    pub fn may_run(&self) -> bool {
        matches!(self.status, VerdictStatus::Fits | VerdictStatus::FitsIf)
    }

    /// Whether somebody asked for this runtime, or it lies beside the artifact.
    pub fn is_wanted(&self) -> bool {
        self.source != RuntimeSource::Release
    }
}

/// Every verdict on one artifact, shared with artifacts of equal facts.
pub type Verdicts = Arc<[Verdict]>;

/// A verdict with the findings that it stands on.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) findings: Vec<Finding>,
    /// The environment that the runtime lies in.
    pub(super) environment: Option<Place>,
}

pub(super) fn conclude(
    prefix: Option<String>,
    runtime: &str,
    source: RuntimeSource,
    outcome: Outcome,
) -> Judged {
    let rules: BTreeSet<&'static Rule> = outcome
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.rule)
        .collect();
    let status = if !rules.is_empty() {
        VerdictStatus::Breaks
    } else if !outcome.undecided.is_empty() {
        VerdictStatus::Undecided
    } else if !outcome.needs.is_empty() {
        VerdictStatus::FitsIf
    } else {
        VerdictStatus::Fits
    };
    let verdict = Verdict {
        prefix,
        runtime: runtime.to_owned(),
        source,
        status,
        rules: rules.into_iter().collect(),
        undecided: outcome.undecided,
        needs: outcome.needs,
        runs_with: None,
    };
    Judged {
        verdict,
        findings: outcome.findings,
        environment: None,
    }
}
