//! A scan as a report: the one place that turns inspect's facts into [`Report`].

use std::path::Path;

use artcheck_inspect::artifact::Artifact;
use artcheck_inspect::scan::Scan;
use artcheck_inspect::{finding, scan};

use super::model::{
    Entry, Finding, Library, Report, Runtime, SCHEMA, Tool, Totals, Undecided, Verdict,
};
use super::{contents, fingerprint, paths, summary};

impl Report {
    /// The report of a scan that ran in `base`.
    pub fn of(scan: &Scan, base: &Path) -> Self {
        let mut report = Self {
            schema: SCHEMA.to_owned(),
            tool: Tool::this(),
            summary: Totals::default(),
            artifacts: scan.artifacts.iter().map(|a| entry(a, base)).collect(),
            runtimes: scan.load_sets.iter().map(runtime).collect(),
            verdicts: scan.verdicts.iter().map(verdict).collect(),
            findings: scan.findings.iter().map(|f| Finding::of(f, base)).collect(),
            suppressed: Vec::new(),
        };
        fingerprint::assign(&mut report.findings);
        report.count();
        report
    }
}

impl Finding {
    /// A finding as inspect made it, in a report made in `base`.
    pub fn of(finding: &finding::Finding, base: &Path) -> Self {
        Self {
            rule: finding.rule.to_string(),
            name: finding.rule.name.to_owned(),
            severity: finding.severity,
            artifact: finding.artifact.clone(),
            file: paths::file_of(&finding.artifact, base),
            locations: finding.locations.clone(),
            runtime: finding.runtime.clone(),
            message: finding.message.clone(),
            evidence: finding.evidence.clone(),
            runtime_says: finding.runtime_says.clone(),
            help: finding.help.clone(),
            repairs: finding.repairs.clone(),
            fingerprint: String::new(),
            suppression: None,
        }
    }
}

fn entry(artifact: &Artifact, base: &Path) -> Entry {
    let binary = artifact.binary.as_ref();
    Entry {
        path: artifact.path.clone(),
        file: paths::file_of(&artifact.path, base),
        size: artifact.size,
        role: artifact.role,
        about: summary::describe(artifact),
        format: binary.and_then(|binary| serde_json::to_value(binary.format).ok()),
        architecture: binary.and_then(|binary| serde_json::to_value(binary.architecture).ok()),
        platform: binary.and_then(|binary| serde_json::to_value(binary.platform).ok()),
        needed: binary.map_or_else(Vec::new, |binary| {
            binary.needed.iter().map(|need| need.name.clone()).collect()
        }),
        libraries: artifact
            .libraries
            .iter()
            .filter_map(|library| {
                let blob = library.blob.as_ref().ok()?;
                Some(Library {
                    summary: summary::library(library, blob),
                    blob_size: blob.length,
                    tree: contents::modules(blob),
                    requires: contents::required_functions(library, blob),
                })
            })
            .collect(),
        problems: artifact.problems.clone(),
    }
}

fn runtime(load_set: &artcheck_inspect::runtime::load_set::LoadSet) -> Runtime {
    Runtime {
        name: load_set.profile.name.clone(),
        parts: load_set.profile.parts.clone(),
        release: load_set.profile.release.clone(),
        about: summary::runtime(&load_set.profile),
        runs_models: load_set.holds_vm_runtime(),
    }
}

fn verdict(verdict: &scan::Verdict) -> Verdict {
    Verdict {
        artifact: verdict.artifact.clone(),
        prefix: verdict.prefix.clone(),
        runtime: verdict.runtime.clone(),
        source: verdict.source,
        status: verdict.status,
        rules: verdict.rules.iter().map(ToString::to_string).collect(),
        undecided: verdict
            .undecided
            .iter()
            .map(|undecided| Undecided {
                rule: undecided.rule.to_string(),
                why: undecided.why.clone(),
            })
            .collect(),
    }
}
