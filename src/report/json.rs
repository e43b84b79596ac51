//! The versioned JSON report, `artcheck/json-v1`.
//!
//! Within v1 fields are only added; a removed or changed field makes a v2.
//! `docs/schema/json-v1.schema.json` is the contract, and a test holds real
//! reports against it.

use artcheck_inspect::artifact::{Artifact, Problem};
use artcheck_inspect::container::{Architecture, Format, Platform};
use artcheck_inspect::finding::{Finding, Severity};
use artcheck_inspect::scan::{Scan, Verdict};
use artcheck_inspect::summary::{self, LibrarySummary};
use serde::Serialize;

/// Value of the `schema` field.
pub const SCHEMA: &str = "artcheck/json-v1";

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    tool: Tool,
    summary: Totals,
    artifacts: Vec<Entry<'a>>,
    runtimes: Vec<Runtime<'a>>,
    verdicts: &'a [Verdict],
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Totals {
    artifacts: usize,
    errors: usize,
    warnings: usize,
    infos: usize,
    undecided: bool,
}

#[derive(Serialize)]
struct Entry<'a> {
    path: &'a str,
    size: u64,
    role: artcheck_inspect::artifact::Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<Architecture>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    libraries: Vec<LibrarySummary>,
    problems: &'a [Problem],
}

#[derive(Serialize)]
struct Runtime<'a> {
    name: &'a str,
    parts: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a str>,
}

/// Renders a scan as one JSON document and a newline.
pub fn render(scan: &Scan) -> serde_json::Result<String> {
    let count = |severity| {
        scan.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let report = Report {
        schema: SCHEMA,
        tool: Tool {
            name: "artcheck",
            version: env!("CARGO_PKG_VERSION"),
        },
        summary: Totals {
            artifacts: scan.artifacts.len(),
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            infos: count(Severity::Info),
            undecided: super::is_undecided(scan),
        },
        artifacts: scan.artifacts.iter().map(entry).collect(),
        runtimes: scan
            .load_sets
            .iter()
            .map(|load_set| Runtime {
                name: &load_set.profile.name,
                parts: &load_set.profile.parts,
                release: load_set.profile.release.as_deref(),
            })
            .collect(),
        verdicts: &scan.verdicts,
        findings: &scan.findings,
    };
    let mut text = serde_json::to_string_pretty(&report)?;
    text.push('\n');
    Ok(text)
}

fn entry(artifact: &Artifact) -> Entry<'_> {
    let binary = artifact.binary.as_ref();
    Entry {
        path: &artifact.path,
        size: artifact.size,
        role: artifact.role,
        format: binary.map(|binary| binary.format),
        architecture: binary.map(|binary| binary.architecture),
        platform: binary.map(|binary| binary.platform),
        libraries: artifact
            .libraries
            .iter()
            .filter_map(|library| Some(summary::library(library, library.blob.as_ref().ok()?)))
            .collect(),
        problems: &artifact.problems,
    }
}
