//! The report as data: what every format prints and what `merge` reads back.
//!
//! Serialised it is the JSON report, `artcheck/json-v1`. Within v1 fields are
//! only added; `docs/schema/json-v1.schema.json` is the contract.

use std::collections::BTreeSet;

use artcheck_inspect::artifact::{Problem, ProblemKind, Role};
use artcheck_inspect::finding::{Location, Repair, Severity};
use artcheck_inspect::scan::{RuntimeSource, VerdictStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contents::ModuleNode;
use super::summary::LibrarySummary;

/// Value of the `schema` field.
pub const SCHEMA: &str = "artcheck/json-v1";

/// A whole report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Who wrote it.
    pub tool: Tool,
    /// Counts.
    pub summary: Totals,
    /// Files and archive members, by path.
    pub artifacts: Vec<Entry>,
    /// Runtimes found among the paths.
    pub runtimes: Vec<Runtime>,
    /// Artifacts against runtimes.
    pub verdicts: Vec<Verdict>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is wrong but accepted: by an ignore, or by the baseline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<Finding>,
}

/// The program that wrote a report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tool {
    /// `artcheck`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Counts over a report.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Artifacts read.
    pub artifacts: usize,
    /// Findings of severity error.
    pub errors: usize,
    /// Findings of severity warning.
    pub warnings: usize,
    /// Findings of severity info.
    pub infos: usize,
    /// Findings accepted by an ignore or the baseline.
    #[serde(default)]
    pub suppressed: usize,
    /// Something could not be read or decided.
    pub undecided: bool,
}

/// One artifact.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Display path; archive members after `!`.
    pub path: String,
    /// The file on disk, relative to the working directory where it lies below it.
    #[serde(default)]
    pub file: String,
    /// Bytes.
    pub size: u64,
    /// What it is to us.
    pub role: Role,
    /// Role, platform, format and size in words.
    #[serde(default)]
    pub about: String,
    /// Container format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
    /// Instruction set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Value>,
    /// System.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Value>,
    /// Libraries asked of the loader.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// Model libraries inside.
    pub libraries: Vec<Library>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// One model library.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Library {
    /// Facts in short.
    #[serde(flatten)]
    pub summary: LibrarySummary,
    /// Bytes of the module blob.
    #[serde(default)]
    pub blob_size: u64,
    /// The module tree.
    #[serde(default)]
    pub tree: Vec<ModuleNode>,
    /// Functions the runtime or the application must register.
    #[serde(default)]
    pub requires: Vec<String>,
}

/// A runtime found among the paths.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Runtime {
    /// Name, usually the folder.
    pub name: String,
    /// Files.
    pub parts: Vec<String>,
    /// TVM release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// What it accepts, in words.
    #[serde(default)]
    pub about: String,
    /// Holds the VM, not only tvm-ffi.
    #[serde(default)]
    pub runs_models: bool,
}

/// One artifact on one runtime.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// Display path of the artifact.
    pub artifact: String,
    /// System-lib prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Runtime's name.
    pub runtime: String,
    /// Why this runtime.
    pub source: RuntimeSource,
    /// What comes of it.
    pub status: VerdictStatus,
    /// Rules that report an error.
    pub rules: Vec<String>,
    /// What could not be decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<Undecided>,
}

/// A rule that could not decide.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Undecided {
    /// Rule code.
    pub rule: String,
    /// Why.
    pub why: String,
}

/// One finding.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// Rule code.
    pub rule: String,
    /// Rule name.
    pub name: String,
    /// How bad.
    pub severity: Severity,
    /// Display path of the artifact.
    pub artifact: String,
    /// The file on disk.
    #[serde(default)]
    pub file: String,
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
    /// The same for the same problem in every run; see `docs/ci.md`.
    #[serde(default)]
    pub fingerprint: String,
    /// Why it is accepted; only in `suppressed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression: Option<Suppression>,
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

impl Report {
    /// Brings the counts up to date.
    pub fn count(&mut self) {
        let count = |severity| {
            self.findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .count()
        };
        self.summary = Totals {
            artifacts: self.artifacts.len(),
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            infos: count(Severity::Info),
            suppressed: self.suppressed.len(),
            undecided: self.is_undecided(),
        };
    }

    /// Takes in another report of the same tree: what both hold stands once.
    pub fn join(&mut self, other: Self) {
        add_new(&mut self.artifacts, other.artifacts, |a, b| {
            a.path == b.path
        });
        add_new(&mut self.runtimes, other.runtimes, |a, b| {
            a.name == b.name && a.parts == b.parts
        });
        add_new(&mut self.verdicts, other.verdicts, |a, b| {
            (&a.artifact, &a.prefix, &a.runtime) == (&b.artifact, &b.prefix, &b.runtime)
        });
        let same = |a: &Finding, b: &Finding| {
            a.fingerprint == b.fingerprint && a.artifact == b.artifact && a.message == b.message
        };
        add_new(&mut self.findings, other.findings, same);
        add_new(&mut self.suppressed, other.suppressed, same);
        self.artifacts.sort_by(|a, b| a.path.cmp(&b.path));
        self.findings.sort_by(|a, b| {
            (&a.artifact, b.severity, &a.rule).cmp(&(&b.artifact, a.severity, &b.rule))
        });
        self.tool = Tool::this();
        self.count();
    }

    /// Keeps the files that `wanted` names, and what was found in them.
    pub fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.artifacts.retain(|artifact| wanted(&artifact.file));
        let kept: BTreeSet<&str> = self.artifacts.iter().map(|a| a.path.as_str()).collect();
        self.verdicts
            .retain(|verdict| kept.contains(verdict.artifact.as_str()));
        self.findings.retain(|finding| wanted(&finding.file));
        self.count();
    }

    /// Whether something could not be read, or a wanted verdict could not be told.
    fn is_undecided(&self) -> bool {
        let unread = self
            .artifacts
            .iter()
            .flat_map(|artifact| &artifact.problems)
            .any(|problem| problem.kind.leaves_undecided());
        unread
            || self
                .verdicts
                .iter()
                .any(|verdict| verdict.is_wanted() && verdict.status == VerdictStatus::Undecided)
    }

    /// Whether nothing that was read has to do with TVM. A FIFO or device is
    /// not even opened.
    pub fn concerns_nothing(&self) -> bool {
        let passed_over = |problem: &Problem| problem.kind == ProblemKind::NotAFile;
        self.artifacts.iter().all(|artifact| match artifact.role {
            Role::Unrelated => artifact.problems.is_empty(),
            Role::Unreadable => artifact.problems.iter().all(passed_over),
            _ => false,
        })
    }
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self {
            name: String::from("artcheck"),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl Verdict {
    /// Whether somebody asked for this runtime, or it lies beside the artifact.
    pub fn is_wanted(&self) -> bool {
        self.source != RuntimeSource::Release
    }

    /// The artifact, with the library's prefix where it has one.
    pub fn subject(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("{} [{prefix}]", self.artifact),
            None => self.artifact.clone(),
        }
    }
}

fn add_new<T>(to: &mut Vec<T>, from: Vec<T>, same: impl Fn(&T, &T) -> bool) {
    for item in from {
        if !to.iter().any(|known| same(known, &item)) {
            to.push(item);
        }
    }
}
