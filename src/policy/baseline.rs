//! The baseline: findings known and accepted as they stand, by fingerprint.
//! Only what is not in it counts.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use artcheck_inspect::source::Spelled as _;
use serde::{Deserialize, Serialize};

use crate::replace;
use crate::report::model::{Finding, Report, Suppression, SuppressionKind};

const SCHEMA: &str = "artcheck/baseline-v1";

#[derive(Serialize, Deserialize)]
struct Baseline {
    schema: String,
    findings: BTreeMap<String, Known>,
}

/// Only the key counts; the rest lets a reviewer see what is accepted.
#[derive(Serialize, Deserialize)]
struct Known {
    rule: String,
    file: String,
    message: String,
}

/// Writes the report's findings as the new baseline.
pub fn write(file: &Path, report: &Report) -> anyhow::Result<()> {
    let baseline = Baseline {
        schema: SCHEMA.to_owned(),
        findings: report
            .findings
            .iter()
            .map(|finding| (finding.fingerprint.clone(), Known::of(finding)))
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&baseline)?;
    text.push('\n');
    replace::check(file)?;
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.spelled()))
}

/// Moves known findings out of the way; how many entries met no finding.
pub fn compare(file: &Path, report: &mut Report) -> anyhow::Result<usize> {
    let name = file.spelled();
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{name} cannot be read; --update-baseline writes it"))?;
    let baseline: Baseline =
        serde_json::from_str(&text).with_context(|| format!("{name} is not a baseline"))?;
    if baseline.schema != SCHEMA {
        bail!(
            "{name}: its schema is `{}`, expected `{SCHEMA}`",
            baseline.schema
        );
    }
    let (known, new): (Vec<Finding>, Vec<Finding>) = std::mem::take(&mut report.findings)
        .into_iter()
        .partition(|finding| baseline.findings.contains_key(&finding.fingerprint));
    let met = known.len();
    report.findings = new;
    report
        .suppressed
        .extend(known.into_iter().map(|mut finding| {
            finding.suppression = Some(Suppression {
                kind: SuppressionKind::Baseline,
                reason: format!("known in {name}"),
            });
            finding
        }));
    report.count();
    Ok(baseline.findings.len().saturating_sub(met))
}

impl Known {
    fn of(finding: &Finding) -> Self {
        Self {
            rule: finding.rule.clone(),
            file: finding.file.to_string(),
            message: finding.message.clone(),
        }
    }
}
