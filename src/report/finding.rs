//! A finding of a report: a place, and what is said of it, which findings in
//! other places may share.

use std::borrow::Cow;
use std::ops::Deref;

use artcheck_inspect::source::Place;
use artcheck_inspect::{Location, Repair, Severity};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::shared::Shared;

/// One finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// The artifact as text, archive members after `!`.
    pub artifact: Shared<String>,
    /// The file on disk, relative to the working directory if it is below it.
    pub file: Shared<String>,
    /// What is said.
    pub said: Shared<Said>,
    /// The same for the same problem in every run; see `docs/ci.md`.
    pub fingerprint: String,
    /// Why it is accepted; only in `suppressed`.
    pub suppression: Option<Suppression>,
    /// Where it is, in a report that was just made.
    pub place: Option<Place>,
}

/// What a finding says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Said {
    /// Rule code.
    pub rule: String,
    /// Rule name.
    pub name: String,
    /// Exact places.
    pub locations: Vec<Location>,
    /// Runtime it holds for.
    pub runtime: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Facts that show it.
    pub evidence: Vec<String>,
    /// The runtime's own words.
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

impl Deref for Finding {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.said
    }
}

/// A finding as the JSON report has it.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    rule: Cow<'a, str>,
    name: Cow<'a, str>,
    severity: Severity,
    artifact: Cow<'a, str>,
    #[serde(default)]
    file: Cow<'a, str>,
    locations: Cow<'a, [Location]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runtime: Option<Cow<'a, str>>,
    message: Cow<'a, str>,
    evidence: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runtime_says: Option<Cow<'a, str>>,
    help: Cow<'a, str>,
    repairs: Cow<'a, [Repair]>,
    #[serde(default)]
    fingerprint: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suppression: Option<Cow<'a, Suppression>>,
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written {
            rule: self.rule.as_str().into(),
            name: self.name.as_str().into(),
            severity: self.severity,
            artifact: self.artifact.as_str().into(),
            file: self.file.as_str().into(),
            locations: self.locations.as_slice().into(),
            runtime: self.runtime.as_deref().map(Cow::from),
            message: self.message.as_str().into(),
            evidence: self.evidence.as_slice().into(),
            runtime_says: self.runtime_says.as_deref().map(Cow::from),
            help: self.help.as_str().into(),
            repairs: self.repairs.as_slice().into(),
            fingerprint: self.fingerprint.as_str().into(),
            suppression: self.suppression.as_ref().map(Cow::Borrowed),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let said = Said {
            rule: written.rule.into_owned(),
            name: written.name.into_owned(),
            locations: written.locations.into_owned(),
            runtime: written.runtime.map(Cow::into_owned),
            message: written.message.into_owned(),
            evidence: written.evidence.into_owned(),
            runtime_says: written.runtime_says.map(Cow::into_owned),
            help: written.help.into_owned(),
            repairs: written.repairs.into_owned(),
        };
        Ok(Self {
            severity: written.severity,
            artifact: Shared::from(written.artifact.into_owned()),
            file: Shared::from(written.file.into_owned()),
            said: Shared::from(said),
            fingerprint: written.fingerprint.into_owned(),
            suppression: written.suppression.map(Cow::into_owned),
            place: None,
        })
    }
}
