//! A scan as a report: the one place that turns inspect's facts into [`Report`].
//!
//! What artifacts share in the scan they share in the report.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use artcheck_inspect::Artifact;
use artcheck_inspect::scan;
use artcheck_inspect::scan::Scan;
use artcheck_inspect::source::Place;

use super::model::{
    Entry, Finding, Library, Report, Runtime, SCHEMA, Said, Tool, Totals, Undecided, Verdict,
};
use super::run::Run;
use super::shared::Shared;
use super::shown::Show;
use super::{contents, fingerprint, paths, summary};

impl Report {
    /// The report of a scan that ran in `base`.
    pub fn of(scan: &Scan, base: &Path) -> Self {
        let mut maker = Maker::new(base);
        let artifacts = scan.artifacts.iter().zip(&scan.verdicts);
        let artifacts = artifacts
            .map(|(artifact, verdicts)| maker.entry(artifact, verdicts))
            .collect();
        let findings = scan.findings.iter();
        let mut report = Self {
            schema: SCHEMA.to_owned(),
            tool: Tool::this(),
            shard: None,
            summary: Totals::default(),
            artifacts,
            runtimes: scan
                .load_sets
                .iter()
                .map(|set| runtime(set).fit())
                .collect(),
            findings: findings.map(|finding| maker.finding(finding)).collect(),
            suppressed: Vec::new(),
            run: Run::default(),
        };
        fingerprint::assign(&mut report.findings);
        report.count();
        report
    }
}

impl Finding {
    /// A finding as inspect made it, in a report made in `base`.
    pub fn of(finding: &artcheck_inspect::Finding, base: &Path) -> Self {
        Maker::new(base).finding(finding)
    }
}

/// What was made so far, by where the facts are in memory. The scan outlives it.
struct Maker<'a> {
    base: &'a Path,
    texts: HashMap<&'a Place, (Shared<String>, Shared<String>)>,
    libraries: HashMap<usize, Shared<Vec<Library>>>,
    needed: HashMap<usize, Shared<Vec<String>>>,
    needs: HashMap<(usize, usize), Option<Shared<String>>>,
    verdicts: HashMap<usize, Shared<Vec<Verdict>>>,
    said: HashMap<usize, Shared<Said>>,
    abouts: HashMap<String, Shared<String>>,
}

impl<'a> Maker<'a> {
    fn new(base: &'a Path) -> Self {
        Self {
            base,
            texts: HashMap::new(),
            libraries: HashMap::new(),
            needed: HashMap::new(),
            needs: HashMap::new(),
            verdicts: HashMap::new(),
            said: HashMap::new(),
            abouts: HashMap::new(),
        }
    }

    /// The place, and the file in it, as text.
    fn texts(&mut self, place: &'a Place) -> (Shared<String>, Shared<String>) {
        let base = self.base;
        let texts = self.texts.entry(place);
        let new = || {
            let file = paths::file_of(place.path(), base);
            (place.to_string().fit().into(), file.into())
        };
        texts.or_insert_with(new).clone()
    }

    fn entry(&mut self, artifact: &'a Artifact, verdicts: &scan::Verdicts) -> Entry {
        let (path, file) = self.texts(&artifact.path);
        let binary = artifact.binary.as_ref();
        let about = summary::describe(artifact).fit();
        let about = match self.abouts.get(&about) {
            Some(known) => known.clone(),
            None => {
                let new = Shared::from(about.clone());
                self.abouts.insert(about, new.clone());
                new
            }
        };
        let needed = binary.map_or_else(Shared::default, |binary| {
            let known = self.needed.entry(Arc::as_ptr(binary).addr());
            let names = || binary.needed.iter().map(|need| need.name.clone());
            known
                .or_insert_with(|| names().collect::<Vec<_>>().fit().into())
                .clone()
        });
        let libraries = self.libraries.entry(artifact.libraries.as_ptr().addr());
        let libraries = libraries.or_insert_with(|| libraries_of(artifact).fit().into());
        let of_both = (artifact.libraries.as_ptr().addr(), verdicts.as_ptr().addr());
        let needs = self.needs.entry(of_both).or_insert_with(|| {
            let needs = scan::needs(artifact, verdicts);
            needs.map(|needs| needs.fit().into())
        });
        let needs = needs.clone();
        let known = self.verdicts.entry(verdicts.as_ptr().addr());
        let verdicts = known.or_insert_with(|| {
            let verdicts: Vec<Verdict> = verdicts.iter().map(verdict).collect();
            verdicts.fit().into()
        });
        Entry {
            path,
            file,
            size: artifact.size,
            role: artifact.role,
            about,
            format: binary.and_then(|binary| serde_json::to_value(binary.format).ok()),
            architecture: binary.and_then(|b| serde_json::to_value(b.architecture).ok()),
            platform: binary.and_then(|binary| serde_json::to_value(binary.platform).ok()),
            needed,
            libraries: libraries.clone(),
            needs,
            problems: artifact.problems.clone().fit(),
            is_ambiguous: is_ambiguous(&artifact.path.path().to_string_lossy()),
            verdicts: verdicts.clone(),
        }
    }

    fn finding(&mut self, finding: &'a artcheck_inspect::Finding) -> Finding {
        let (artifact, file) = self.texts(&finding.artifact);
        let known = self.said.entry(Arc::as_ptr(finding.said()).addr());
        Finding {
            severity: finding.severity,
            artifact,
            file,
            said: known.or_insert_with(|| said(finding).fit().into()).clone(),
            fingerprint: String::new(),
            suppression: None,
            place: Some(finding.artifact.clone()),
        }
    }
}

/// Whether a file's name can be read as that of an archive's member or of a slice.
fn is_ambiguous(file: &str) -> bool {
    file.contains('!') || file.ends_with(')')
}

fn said(finding: &artcheck_inspect::Said) -> Said {
    Said {
        rule: finding.rule.to_string(),
        name: finding.rule.name.to_owned(),
        locations: finding.locations.clone(),
        runtime: finding.runtime.clone(),
        message: finding.message.clone(),
        evidence: finding.evidence.clone(),
        runtime_says: finding.runtime_says.clone(),
        help: finding.help.clone(),
        repairs: finding.repairs.clone(),
    }
}

fn libraries_of(artifact: &Artifact) -> Vec<Library> {
    artifact
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
        .collect()
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
        needs: verdict.needs.clone(),
        runs_with: verdict.runs_with.clone(),
    }
}
