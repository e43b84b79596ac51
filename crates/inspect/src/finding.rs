//! A finding: one rule, one place, what is wrong there, for which runtimes.
//! And what a rule could not decide.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::MAX_FINDINGS;
use crate::place::Place;
use crate::rule::Rule;

pub use crate::rule::Severity;

/// Where in an artifact a finding lies; every field that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// Symbol, as a C programmer would write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Byte offset in the file (or archive member).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// VM function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Instruction number, counted over the whole executable as TVM does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<u64>,
    /// Argument position of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<u64>,
    /// Constant pool index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constant: Option<u64>,
}

impl Location {
    /// A place in the file.
    pub(crate) fn at(offset: u64) -> Self {
        Self {
            offset: Some(offset),
            ..Self::default()
        }
    }

    /// A symbol, wherever it is.
    pub(crate) fn of_symbol(name: impl Into<String>) -> Self {
        Self {
            symbol: Some(name.into()),
            ..Self::default()
        }
    }
}

/// What `artcheck patch` can do about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repair {
    /// An upstream source patch.
    Source,
    /// A shim library beside a stock runtime.
    Shim,
    /// A change of the artifact itself.
    InPlace,
}

/// A name that should be another one; what `artcheck patch` needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The name that is there.
    pub from: String,
    /// The name that fits.
    pub to: String,
}

/// One thing that is wrong, or cannot be decided, in one place. What is said of
/// it is shared by the places that it holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The artifact or document.
    pub artifact: Place,
    said: Arc<Said>,
}

/// What a finding says, wherever it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// How bad.
    pub severity: Severity,
    /// Exact places; the first is the primary one.
    pub locations: Vec<Location>,
    /// Runtime or load set this holds for; `None` when it holds everywhere.
    pub runtime: Option<String>,
    /// One sentence: what is wrong.
    pub message: String,
    /// Facts that show it, one per line.
    pub evidence: Vec<String>,
    /// What the runtime prints when this happens, in its own words.
    pub runtime_says: Option<String>,
    /// What to do.
    pub help: String,
    /// What `artcheck patch` can do.
    pub repairs: Vec<Repair>,
    /// The name to write, where that is the repair and it can be told.
    pub rename: Option<Rename>,
}

impl Finding {
    /// A finding of `rule` in `artifact`, to be filled by the methods below.
    pub fn new(
        rule: &'static Rule,
        artifact: impl Into<Place>,
        message: impl Into<String>,
    ) -> Self {
        let said = Said {
            rule,
            severity: rule.severity,
            locations: Vec::new(),
            runtime: None,
            message: message.into(),
            evidence: Vec::new(),
            runtime_says: None,
            help: String::new(),
            repairs: Vec::new(),
            rename: None,
        };
        Self {
            artifact: artifact.into(),
            said: Arc::new(said),
        }
    }

    /// The same of another place.
    #[must_use]
    pub fn in_place(&self, artifact: &Place) -> Self {
        Self {
            artifact: artifact.clone(),
            said: self.said.clone(),
        }
    }

    /// What it says, to be kept once for many places.
    pub fn said(&self) -> &Arc<Said> {
        &self.said
    }

    /// Finding and place from what was kept.
    pub(crate) fn of(artifact: Place, said: Arc<Said>) -> Self {
        Self { artifact, said }
    }

    /// Another severity than the rule's own.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The runtime it holds for.
    #[must_use]
    pub fn on(mut self, runtime: impl Into<String>) -> Self {
        self.runtime = Some(runtime.into());
        self
    }

    /// One more place.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.locations.push(location);
        self
    }

    /// One more fact that shows it.
    #[must_use]
    pub fn evidence(mut self, line: impl Into<String>) -> Self {
        self.evidence.push(line.into());
        self
    }

    /// The runtime's own words.
    #[must_use]
    pub fn says(mut self, words: impl Into<String>) -> Self {
        self.runtime_says = Some(words.into());
        self
    }

    /// The same, where they are known.
    #[must_use]
    pub(crate) fn says_known(mut self, words: Option<String>) -> Self {
        self.runtime_says = words;
        self
    }

    /// What to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// What `artcheck patch` can do.
    #[must_use]
    pub fn repair(mut self, repairs: &[Repair]) -> Self {
        self.repairs.extend_from_slice(repairs);
        self
    }

    /// Another name is the repair, and a change in place writes it.
    #[must_use]
    pub fn rename(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.rename = Some(Rename {
            from: from.into(),
            to: to.into(),
        });
        self.repair(&[Repair::InPlace])
    }
}

impl Deref for Finding {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.said
    }
}

impl DerefMut for Finding {
    fn deref_mut(&mut self) -> &mut Said {
        Arc::make_mut(&mut self.said)
    }
}

/// What a check found, and what it could not decide.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Rules that needed a fact nobody could tell, with the reason.
    pub undecided: Vec<Undecided>,
    /// What the machine must have, for what is not wrong otherwise.
    pub needs: Vec<Need>,
}

/// A library that the machine must have and the set does not bring.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Need {
    /// Its name, as the loader is asked for it.
    pub library: String,
    /// Who brings it, in words.
    pub brought_by: String,
}

/// A rule that could not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The rule.
    pub rule: &'static Rule,
    /// Why, one sentence.
    pub why: String,
    /// Whether it is because the file holds more than is read.
    pub is_limit: bool,
    /// What it is about, where several things were asked about together.
    pub place: Option<Place>,
}

impl Outcome {
    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Whether it says that the subject fits: nothing wrong, undecided or needed.
    pub(crate) fn fits(&self) -> bool {
        let mut findings = self.findings.iter();
        let is_wrong = findings.any(|finding| finding.severity == Severity::Error);
        !is_wrong && self.undecided.is_empty() && self.needs.is_empty()
    }

    /// Says on the last finding that as many more like it are not listed.
    pub(crate) fn and_more(&mut self, count: usize) {
        if let Some(last) = self.findings.last_mut().filter(|_| count > 0) {
            last.evidence
                .push(format!("{count} more like this one are not listed"));
        }
    }

    /// Records what the machine must have.
    pub fn need(&mut self, need: Need) {
        if self.needs.len() < MAX_FINDINGS && !self.needs.contains(&need) {
            self.needs.push(need);
        }
    }

    /// Records that `rule` could not decide. Unknown is never "ok".
    pub fn undecided(&mut self, rule: &'static Rule, why: impl Into<String>) {
        self.add_undecided(rule, why.into(), false, None);
    }

    /// The same of one of the things that were asked about together.
    pub(crate) fn undecided_of(&mut self, rule: &'static Rule, place: &Place, why: String) {
        self.add_undecided(rule, why, false, Some(place.clone()));
    }

    /// The same where it holds more than is read.
    pub(crate) fn over_limit_of(&mut self, rule: &'static Rule, place: &Place, why: String) {
        self.add_undecided(rule, why, true, Some(place.clone()));
    }

    /// The same where the file holds more than is read; `why` says of what.
    pub(crate) fn over_limit(&mut self, rule: &'static Rule, why: impl Into<String>) {
        self.add_undecided(rule, why.into(), true, None);
    }

    fn add_undecided(
        &mut self,
        rule: &'static Rule,
        why: String,
        is_limit: bool,
        place: Option<Place>,
    ) {
        // Hundreds of reasons are no better than some.
        if self.undecided.len() < MAX_FINDINGS {
            self.undecided.push(Undecided {
                rule,
                why,
                is_limit,
                place,
            });
        }
    }
}
