//! A finding of a report: a place, and what is said of it, which findings in
//! other places may share.

use std::ops::Deref;

use artcheck_inspect::source::Place;
use artcheck_inspect::{Location, Repair, Severity};
use serde::{Deserialize, Serialize};

use super::run::Run;
use super::runtime_names::named;
use super::shared::Shared;

/// One finding.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// The artifact as text, archive members after `!`.
    pub artifact: Shared<String>,
    /// The file on disk, relative to the working directory if it is below it.
    #[serde(default)]
    pub file: Shared<String>,
    /// What is said.
    #[serde(flatten)]
    pub said: Shared<Said>,
    /// The same for the same problem in every run; see `docs/ci.md`.
    #[serde(default)]
    pub fingerprint: String,
    /// Why it is accepted; only in `suppressed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression: Option<Suppression>,
    /// Where it is, in a report that was just made.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// What a finding says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Said {
    /// Rule code.
    pub rule: String,
    /// Rule name.
    pub name: String,
    /// Exact places.
    pub locations: Vec<Location>,
    /// Runtime it holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Facts that show it.
    pub evidence: Vec<String>,
    /// The runtime's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_says: Option<String>,
    /// What to do.
    pub help: String,
    /// What `artcheck patch` can do.
    pub repairs: Vec<Repair>,
}

/// Why a finding is accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Suppression {
    /// `ignore` or `baseline`.
    pub kind: SuppressionKind,
    /// The reason that was given.
    pub reason: String,
}

/// What accepted a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuppressionKind {
    /// An `[[ignore]]` of artcheck.toml.
    Ignore,
    /// The baseline file.
    Baseline,
}

impl Finding {
    /// What to do, with the commands as they are typed for this file.
    pub fn fix(&self) -> String {
        Run::default().filled(&self.help, &self.file, self.runtime.as_deref())
    }

    /// What was found, with the release's name where it is on one.
    pub fn told(&self) -> String {
        named(&self.message, self.runtime.as_deref().as_slice())
    }
}

impl Deref for Finding {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.said
    }
}
