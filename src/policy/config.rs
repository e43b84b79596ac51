//! `artcheck.toml`, or the table `[tool.artcheck]` of `pyproject.toml`: finding it,
//! reading it, refusing what it does not know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use artcheck_inspect::Rule;
use artcheck_inspect::Severity;
use artcheck_inspect::Target;
use artcheck_inspect::rules;
use artcheck_inspect::source::Spelled as _;
use chrono::NaiveDate;
use serde::Deserialize;

use crate::report::format::FailOn;

/// Name of the file.
pub const FILE_NAME: &str = "artcheck.toml";
/// A Python project may keep the same keys in the table `[tool.artcheck]` of this file.
const PYTHON_PROJECT: &str = "pyproject.toml";
/// Similarity from which another spelling is suggested.
const SIMILAR: f64 = 0.75;
const KEYS: [&str; 11] = [
    "runtimes", "provides", "target", "fail-on", "severity", "ignore", "rule", "path", "sha256",
    "reason", "expires",
];

/// A policy, checked.
#[derive(Debug)]
pub struct Config {
    /// Where it was read.
    pub file: PathBuf,
    /// Runtimes to check against; relative paths already stand under the file's folder.
    pub runtimes: Vec<String>,
    /// Global functions that the application registers.
    pub provides: Vec<String>,
    /// The machine artifacts must run on.
    pub target: Option<Target>,
    /// Lowest severity that fails.
    pub fail_on: Option<FailOn>,
    /// Severity per rule code; `None` for off.
    pub severities: BTreeMap<&'static str, Option<Severity>>,
    /// Accepted findings.
    pub ignores: Vec<Ignore>,
}

/// One `[[ignore]]`.
#[derive(Debug)]
pub struct Ignore {
    /// Which rule.
    pub rule: &'static Rule,
    /// Which files, relative to the policy's folder.
    pub path: String,
    /// Which content, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day it holds.
    pub expires: Option<NaiveDate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Document {
    #[serde(default)]
    runtimes: Names,
    #[serde(default)]
    provides: Names,
    target: Option<String>,
    fail_on: Option<FailOn>,
    #[serde(default)]
    severity: BTreeMap<String, Level>,
    #[serde(default)]
    ignore: Vec<IgnoreEntry>,
}

/// Names, of which one alone needs no brackets.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a name, or a list of names")]
enum Names {
    One(String),
    All(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl Names {
    fn all(self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name],
            Self::All(names) => names,
        }
    }
}

/// What of `pyproject.toml` is ours.
#[derive(Default, Deserialize)]
struct PythonProject {
    #[serde(default)]
    tool: Tools,
}

#[derive(Default, Deserialize)]
struct Tools {
    artcheck: Option<Document>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IgnoreEntry {
    rule: String,
    path: String,
    sha256: Option<String>,
    reason: String,
    expires: Option<toml::value::Datetime>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Error,
    Warning,
    Info,
    Off,
}

impl Config {
    /// The policy above `start`, if there is one. In one folder `artcheck.toml` comes
    /// first; a `pyproject.toml` without the table is passed over.
    pub fn above(start: &Path) -> anyhow::Result<Option<Self>> {
        let start = std::path::absolute(start).context("the working directory")?;
        for folder in start.ancestors() {
            let own = folder.join(FILE_NAME);
            if own.is_file() {
                return Self::read(&own).map(Some);
            }
            let shared = folder.join(PYTHON_PROJECT);
            if shared.is_file()
                && let Some(config) = Self::read_document(&shared)?
            {
                return Ok(Some(config));
            }
        }
        Ok(None)
    }

    /// Reads a policy.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        Self::read_document(file)?
            .with_context(|| format!("{} has no table `[tool.artcheck]`", file.spelled()))
    }

    /// Reads a policy; `None` where a `pyproject.toml` holds none.
    fn read_document(file: &Path) -> anyhow::Result<Option<Self>> {
        let name = file.spelled();
        let text = std::fs::read_to_string(file).with_context(|| name.clone())?;
        let file = std::path::absolute(file).context("the working directory")?;
        document(&text, &file)
            .and_then(|found| {
                found
                    .map(|document| Self::check(document, file))
                    .transpose()
            })
            .with_context(|| name)
    }

    /// A document that lies at `file`, checked.
    fn check(document: Document, file: PathBuf) -> anyhow::Result<Self> {
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut severities = BTreeMap::new();
        for (name, level) in &document.severity {
            severities.insert(rule(name)?.code, severity(*level));
        }
        Ok(Self {
            runtimes: document
                .runtimes
                .all()
                .iter()
                .map(|runtime| beside(folder, runtime))
                .collect(),
            provides: document.provides.all(),
            target: document
                .target
                .map(|target| {
                    target
                        .parse()
                        .map_err(|error: String| anyhow!("target: {error}"))
                })
                .transpose()?,
            fail_on: document.fail_on,
            severities,
            ignores: document
                .ignore
                .into_iter()
                .map(ignore)
                .collect::<anyhow::Result<_>>()?,
            file,
        })
    }

    /// The folder that globs start from.
    pub fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("."))
    }
}

/// What the text of `file` says; `None` for a `pyproject.toml` that has no table of ours.
fn document(text: &str, file: &Path) -> anyhow::Result<Option<Document>> {
    if file.file_name() != Some(PYTHON_PROJECT.as_ref()) {
        return toml::from_str(text).map(Some).map_err(with_suggestion);
    }
    // Whether somebody else's file is sound TOML is for its own tools to say.
    if !text.contains("artcheck") {
        return Ok(None);
    }
    let project: PythonProject = toml::from_str(text).map_err(with_suggestion)?;
    Ok(project.tool.artcheck)
}

/// A path relative to the policy, or a release's name as it is.
fn beside(folder: &Path, runtime: &str) -> String {
    let path = folder.join(runtime);
    if path.exists() {
        path.to_string_lossy().into_owned()
    } else {
        runtime.to_owned()
    }
}

fn severity(level: Level) -> Option<Severity> {
    match level {
        Level::Error => Some(Severity::Error),
        Level::Warning => Some(Severity::Warning),
        Level::Info => Some(Severity::Info),
        Level::Off => None,
    }
}

fn ignore(entry: IgnoreEntry) -> anyhow::Result<Ignore> {
    let rule = rule(&entry.rule)?;
    if entry.reason.trim().is_empty() {
        bail!(
            "an ignore of {} for `{}` gives no reason",
            rule.code,
            entry.path
        );
    }
    if !is_closed(&entry.path) {
        bail!("`{}` is not a glob: a bracket is not closed", entry.path);
    }
    let sha256 = entry.sha256.map(|hash| hash.to_ascii_lowercase());
    if let Some(hash) = &sha256
        && !(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        bail!("`{hash}` is not a SHA-256: 64 hexadecimal digits expected");
    }
    let expires = entry.expires.map(|expires| date(&expires)).transpose()?;
    Ok(Ignore {
        rule,
        path: entry.path,
        sha256,
        reason: entry.reason,
        expires,
    })
}

/// Whether every bracket of a glob is closed: an open one would match nothing, silently.
fn is_closed(glob: &str) -> bool {
    let (mut depth, mut is_class) = (0_i32, false);
    let mut characters = glob.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '[' => is_class = true,
            ']' => is_class = false,
            '{' if !is_class => depth += 1,
            '}' if !is_class => depth -= 1,
            _ => {}
        }
    }
    depth == 0 && !is_class
}

fn date(value: &toml::value::Datetime) -> anyhow::Result<NaiveDate> {
    value
        .date
        .and_then(|date| {
            NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())
        })
        .ok_or_else(|| anyhow!("`{value}` is not a date: write it like 2027-01-31, without quotes"))
}

fn rule(name: &str) -> anyhow::Result<&'static Rule> {
    rules::find(name).ok_or_else(|| {
        let known = rules::ALL.iter().flat_map(|rule| [rule.code, rule.name]);
        anyhow!("no rule `{name}`{}", suggestion(name, known))
    })
}

/// The parser's message with line and column, and the key that was meant.
fn with_suggestion(error: toml::de::Error) -> anyhow::Error {
    let message = error.message();
    let unknown = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next());
    let hint = unknown.map_or_else(String::new, |key| suggestion(key, KEYS));
    anyhow!("{}{hint}", error.to_string().trim_end())
}

fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let word = word.to_ascii_lowercase();
    let closest = known
        .into_iter()
        .map(|known| {
            (
                strsim::jaro_winkler(&word, &known.to_ascii_lowercase()),
                known,
            )
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity >= SIMILAR);
    closest.map_or_else(String::new, |(_, known)| {
        format!("; did you mean `{known}`?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Config> {
        let file = PathBuf::from("/srv/artcheck.toml");
        let document = document(text, &file)?.unwrap();
        Config::check(document, file)
    }

    #[test]
    fn the_template_is_valid_as_it_is_and_uncommented() {
        let template = super::super::TEMPLATE;
        let plain = parse(template).unwrap();
        assert!(plain.ignores.is_empty());
        assert_eq!(plain.runtimes.len(), 1);
        // Commented-out settings have one `# `; their trailing remarks and the prose stay out.
        let settings: Vec<&str> = template
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with('[') || line.contains(" = "))
            .filter(|line| !line.starts_with("sha256"))
            .collect();
        let config = parse(&settings.join("\n")).unwrap();
        assert_eq!(config.severities.len(), 2);
        assert_eq!(config.ignores.len(), 1);
        assert!(config.ignores[0].expires.is_some());
    }

    #[test]
    fn one_name_needs_no_brackets() {
        let one = parse("runtimes = \"tvm-0.27\"\nprovides = \"add\"").unwrap();
        assert_eq!(
            (one.runtimes, one.provides),
            (vec!["tvm-0.27".into()], vec!["add".into()])
        );
        let error = format!("{:#}", parse("runtimes = 27").unwrap_err());
        assert!(error.contains("a name, or a list of names"), "{error}");
    }

    #[test]
    fn a_bracket_that_is_not_closed_is_an_error() {
        for (glob, is_good) in [
            ("dist/**/*.{so,dylib}", true),
            ("dist/[a-c{]*.so", true),
            (r"dist/\[x.so", true),
            ("dist/[a.so", false),
            ("dist/{a,b.so", false),
            ("dist/a}.so", false),
        ] {
            assert_eq!(is_closed(glob), is_good, "{glob}");
        }
    }

    #[test]
    fn unknown_keys_and_rules_are_errors_with_a_suggestion() {
        let error = |text| format!("{:#}", parse(text).unwrap_err());
        assert!(error("runtime = []").contains("did you mean `runtimes`?"));
        assert!(error("\nfail_on = 'error'").contains("did you mean `fail-on`?"));
        assert!(error("\nfail_on = 'error'").contains("line 2"));
        assert!(error("[severity]\nattention-tags = 'off'").contains("`attention-tag`"));
        assert!(error("[[ignore]]\nrule='AC101'\npath='*'\nreasons='x'").contains("`reason`"));
        assert!(error("[severity]\nAC101 = 'fatal'").contains("fatal"));
    }

    #[test]
    fn an_ignore_needs_a_reason_and_a_real_hash() {
        assert!(parse("[[ignore]]\nrule='AC101'\npath='*'\nreason=' '").is_err());
        assert!(parse("[[ignore]]\nrule='AC101'\npath='*'").is_err());
        assert!(parse("[[ignore]]\nrule='AC101'\npath='*'\nreason='r'\nsha256='12'").is_err());
        assert!(parse("[[ignore]]\nrule='AC101'\npath='*'\nreason='r'\nexpires=12:00:00").is_err());
        assert!(parse("[[ignore]]\nrule='AC101'\npath='*'\nreason='r'").is_ok());
    }
}
