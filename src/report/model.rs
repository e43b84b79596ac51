//! The report as data: what every format prints and what `merge` reads back.
//!
//! Serialised it is the JSON report, `artcheck/json-v1`. Within v1 fields are
//! only added; `docs/schema/json-v1.schema.json` is the contract.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use artcheck_inspect::scan::{RuntimeSource, VerdictStatus};
use artcheck_inspect::{Need, Problem, ProblemKind, Role, Severity};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::contents::ModuleNode;
use super::run::Run;
use super::shared::Shared;
use super::summary::LibrarySummary;

pub use super::finding::{Finding, Said, Suppression, SuppressionKind};

/// Value of the `schema` field.
pub const SCHEMA: &str = "artcheck/json-v1";

/// A whole report.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Written")]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Who wrote it.
    pub tool: Tool,
    /// `2/3` of a scan with `--shard`.
    pub shard: Option<String>,
    /// Counts.
    pub summary: Totals,
    /// Files and archive members, by path, with their verdicts.
    pub artifacts: Vec<Entry>,
    /// Runtimes found among the paths.
    pub runtimes: Vec<Runtime>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is wrong but accepted: by an ignore, or by the baseline.
    pub suppressed: Vec<Finding>,
    /// The run that made it; in no document.
    pub run: Run,
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
    /// Its place as text; archive members after `!`.
    pub path: Shared<String>,
    /// The file on disk, relative to the working directory if it is below it.
    #[serde(default)]
    pub file: Shared<String>,
    /// Bytes.
    pub size: u64,
    /// What it is to us.
    pub role: Role,
    /// Role, platform, format and size in words.
    #[serde(default)]
    pub about: Shared<String>,
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
    #[serde(default, skip_serializing_if = "is_empty")]
    pub needed: Shared<Vec<String>>,
    /// Model libraries inside.
    pub libraries: Shared<Vec<Library>>,
    /// The runtime to take for it, where none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Shared<String>>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Whether the file's own name can be read as that of a member or slice: the path
    /// alone does not tell the artifact then.
    #[serde(skip)]
    pub is_ambiguous: bool,
    /// It against runtimes.
    #[serde(skip)]
    pub verdicts: Shared<Vec<Verdict>>,
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
    /// What the machine must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// How what lies beside it is loaded, which mends what breaks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_with: Option<String>,
}

/// A rule that could not decide.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Undecided {
    /// Rule code.
    pub rule: String,
    /// Why.
    pub why: String,
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
        let known = self.artifacts.iter().enumerate();
        let known: HashMap<_, _> = known.map(|(index, entry)| (entry.key(), index)).collect();
        for entry in other.artifacts {
            match known
                .get(&entry.key())
                .and_then(|at| self.artifacts.get_mut(*at))
            {
                Some(known) => known.join(&entry),
                None => self.artifacts.push(entry),
            }
        }
        add_new(&mut self.runtimes, other.runtimes, |runtime| {
            (runtime.name.clone(), runtime.parts.clone())
        });
        add_new(&mut self.findings, other.findings, Finding::key);
        add_new(&mut self.suppressed, other.suppressed, Finding::key);
        self.artifacts
            .sort_by(|a, b| (&a.path, &a.file).cmp(&(&b.path, &b.file)));
        self.findings.sort_by(|a, b| {
            let own = (&a.artifact, &a.file, b.severity, &a.rule);
            own.cmp(&(&b.artifact, &b.file, a.severity, &b.rule))
        });
        self.tool = Tool::this();
        self.count();
    }

    /// Every verdict with its artifact.
    pub fn verdicts(&self) -> impl Iterator<Item = (&Entry, &Verdict)> {
        let entries = self.artifacts.iter();
        entries.flat_map(|entry| entry.verdicts.iter().map(move |verdict| (entry, verdict)))
    }

    /// The findings of each artifact.
    pub fn by_artifact(&self) -> HashMap<Key, Vec<&Finding>> {
        let mut found: HashMap<Key, Vec<&Finding>> = HashMap::new();
        for finding in &self.findings {
            let key = (finding.file.clone(), finding.artifact.clone());
            found.entry(key).or_default().push(finding);
        }
        found
    }

    /// Whether something could not be read, or a wanted verdict could not be told.
    fn is_undecided(&self) -> bool {
        let unread = self
            .artifacts
            .iter()
            .flat_map(|artifact| &artifact.problems)
            .any(|problem| problem.kind.leaves_undecided());
        let errors = self.findings.iter();
        let errors = errors.filter(|finding| finding.severity == Severity::Error);
        let found = errors.map(|finding| (finding.file.as_str(), finding.artifact.as_str()));
        let found: HashSet<(&str, &str)> = found.collect();
        // It runs on none for certain and may run on one; or it was held against none.
        let unknown = |entry: &Entry| {
            let has = |status| entry.verdicts.iter().any(|one| one.status == status);
            match entry.verdicts.is_empty() {
                // A client without a verdict asks nothing of TVM.
                true => {
                    let key = (entry.file.as_str(), entry.path.as_str());
                    entry.role == Role::ModelLibrary && !found.contains(&key)
                }
                false => {
                    has(VerdictStatus::Undecided)
                        && !has(VerdictStatus::Fits)
                        && !has(VerdictStatus::FitsIf)
                }
            }
        };
        unread
            || self.artifacts.iter().any(unknown)
            || self.verdicts().any(|(_, verdict)| {
                verdict.is_wanted() && verdict.status == VerdictStatus::Undecided
            })
    }

    /// Whether nothing that was read has to do with TVM. A FIFO or device is
    /// not even opened.
    pub fn concerns_nothing(&self) -> bool {
        let passed_over = |problem: &Problem| {
            matches!(
                problem.kind,
                ProblemKind::NotAFile | ProblemKind::LinkerScript
            )
        };
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

    /// The runtime as reports for people name it. A wasm library's own goes by the
    /// library's path, which says nothing to them.
    pub fn runtime_of<'a>(&'a self, artifact: &Entry) -> &'a str {
        if *self.runtime == **artifact.path {
            "the runtime built into it"
        } else {
            &self.runtime
        }
    }

    /// The artifact, with the library's prefix where it has one.
    pub fn subject(&self, artifact: &Entry) -> String {
        match &self.prefix {
            Some(prefix) => format!("{} [{prefix}]", artifact.path),
            None => artifact.path.to_string(),
        }
    }
}

/// What tells one artifact of a report from another: file, and text of the place.
pub type Key = (Shared<String>, Shared<String>);

impl Entry {
    /// Its own among all artifacts.
    pub fn key(&self) -> Key {
        (self.file.clone(), self.path.clone())
    }

    /// Takes in the verdicts of another report.
    fn join(&mut self, other: &Self) {
        self.is_ambiguous |= other.is_ambiguous;
        let mut joined = self.verdicts.to_vec();
        add_new(&mut joined, other.verdicts.to_vec(), |verdict| {
            (verdict.prefix.clone(), verdict.runtime.clone())
        });
        self.verdicts = Shared::from(joined);
    }
}

impl Finding {
    fn key(&self) -> (String, Key, String) {
        let message = self.message.clone();
        let artifact = (self.file.clone(), self.artifact.clone());
        (self.fingerprint.clone(), artifact, message)
    }
}

/// Adds those items whose key is not among those of the others.
fn add_new<T, K: Hash + Eq>(to: &mut Vec<T>, from: Vec<T>, key: impl Fn(&T) -> K) {
    let mut known: HashSet<K> = to.iter().map(&key).collect();
    to.extend(from.into_iter().filter(|item| known.insert(key(item))));
}

fn is_empty<T>(list: &[T]) -> bool {
    list.is_empty()
}

/// A report as the JSON document has it: verdicts in a list of their own.
#[derive(Deserialize)]
struct Written {
    schema: String,
    tool: Tool,
    shard: Option<String>,
    summary: Totals,
    artifacts: Vec<Entry>,
    runtimes: Vec<Runtime>,
    verdicts: Vec<OfArtifact<String, Verdict>>,
    findings: Vec<Finding>,
    #[serde(default)]
    suppressed: Vec<Finding>,
}

#[derive(Serialize, Deserialize)]
struct OfArtifact<A, V> {
    artifact: A,
    /// Where the path alone does not tell the artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<A>,
    #[serde(flatten)]
    verdict: V,
}

impl From<Written> for Report {
    fn from(written: Written) -> Self {
        let mut of: HashMap<(Option<String>, String), Vec<Verdict>> = HashMap::new();
        for verdict in written.verdicts {
            of.entry((verdict.file, verdict.artifact))
                .or_default()
                .push(verdict.verdict);
        }
        let mut artifacts = written.artifacts;
        for entry in &mut artifacts {
            let path = entry.path.to_string();
            let named = of.remove(&(Some(entry.file.to_string()), path.clone()));
            entry.is_ambiguous = named.is_some();
            if let Some(verdicts) = named.or_else(|| of.remove(&(None, path))) {
                entry.verdicts = Shared::from(verdicts);
            }
        }
        Self {
            schema: written.schema,
            tool: written.tool,
            shard: written.shard,
            summary: written.summary,
            artifacts,
            runtimes: written.runtimes,
            findings: written.findings,
            suppressed: written.suppressed,
            run: Run::default(),
        }
    }
}

/// Written item by item: a report of many files is never one text in memory.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Report", 9)?;
        out.serialize_field("schema", &self.schema)?;
        out.serialize_field("tool", &self.tool)?;
        if let Some(shard) = &self.shard {
            out.serialize_field("shard", shard)?;
        }
        out.serialize_field("summary", &self.summary)?;
        out.serialize_field("artifacts", &self.artifacts)?;
        out.serialize_field("runtimes", &self.runtimes)?;
        out.serialize_field("verdicts", &Verdicts(self))?;
        out.serialize_field("findings", &self.findings)?;
        if !self.suppressed.is_empty() {
            out.serialize_field("suppressed", &self.suppressed)?;
        }
        out.end()
    }
}

struct Verdicts<'a>(&'a Report);

impl Serialize for Verdicts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let verdicts = self.0.verdicts();
        serializer.collect_seq(verdicts.map(|(entry, verdict)| OfArtifact {
            artifact: entry.path.as_str(),
            file: entry.is_ambiguous.then_some(entry.file.as_str()),
            verdict,
        }))
    }
}
