//! SARIF 2.1.0 for code-scanning services, from a small model of our own.
//!
//! A binary has no lines: the file itself is the location, at line 1, and the
//! symbol, function and member are logical locations. URIs are relative to
//! `SRCROOT`; locations are never empty; accepted findings are `suppressions`.

use std::cmp::Reverse;

use artcheck_inspect::Rule;
use artcheck_inspect::Severity;
use artcheck_inspect::rules;
use artcheck_inspect::runtime::pages;
use serde_json::{Value, json};

use crate::report::model::{Finding, Report, SuppressionKind};
use crate::report::paths;
use crate::report::phrases::place;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// Results of one log: services keep the first 5,000, most severe first, and
/// refuse a log of more than 25,000.
const MOST_RESULTS: usize = 5_000;

/// Characters of a message: services show less, and a finding stays below 2 KB.
const LONGEST: usize = 900;
/// Places and facts of one finding.
const FEW: usize = 3;

/// Renders a report as one SARIF log.
pub fn render(report: &Report) -> serde_json::Result<String> {
    let mut findings: Vec<&Finding> = report.findings.iter().chain(&report.suppressed).collect();
    let more = findings.len().saturating_sub(MOST_RESULTS);
    if more > 0 {
        findings.sort_by_key(|finding| (finding.suppression.is_some(), Reverse(finding.severity)));
        findings.truncate(MOST_RESULTS);
    }
    let results: Vec<Value> = findings.into_iter().map(result).collect();
    let mut log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "artcheck",
                "version": report.tool.version,
                "semanticVersion": report.tool.version,
                "informationUri": REPOSITORY,
                "rules": rules::ALL.iter().map(|rule| describe(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {
                "SRCROOT": { "description": { "text": "The directory artcheck ran in." } }
            },
            "results": results,
        }],
    });
    if more > 0 {
        log["runs"][0]["invocations"] = json!([{
            "executionSuccessful": true,
            "toolExecutionNotifications": [{
                "level": "warning",
                "message": { "text": format!("{more} more findings are not listed here; the JSON report has them.") },
            }],
        }]);
    }
    let mut text = serde_json::to_string_pretty(&log)?;
    text.push('\n');
    Ok(text)
}

fn describe(rule: &Rule) -> Value {
    let page = pages::fill(rule.explain);
    json!({
        "id": rule.code,
        "name": pascal(rule.name),
        "shortDescription": { "text": sentence(rule.summary) },
        "fullDescription": { "text": breaks(&page) },
        "helpUri": help_uri(rule),
        "help": { "text": page, "markdown": page },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": {
            "precision": "very-high",
            "problem.severity": problem_severity(rule.severity),
            "tags": ["abi", "tvm", "mlc-llm"],
        },
    })
}

/// What breaks, in the words of the rule's page.
fn breaks(page: &str) -> String {
    let after = page
        .split_once("## What breaks")
        .map_or("", |(_, after)| after);
    let part = after.split("\n## ").next().unwrap_or_default();
    cut(&sentence(part.trim()), LONGEST)
}

/// The rule's page in the repository; a rule's file is called by its code and name.
fn help_uri(rule: &Rule) -> String {
    let file = format!("{}_{}", rule.code, rule.name)
        .to_lowercase()
        .replace('-', "_");
    format!("{REPOSITORY}/blob/main/crates/inspect/src/rules/{file}.md")
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} ...", text.get(..end).unwrap_or_default().trim_end()),
        None => text.to_owned(),
    }
}

fn result(finding: &Finding) -> Value {
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": message(finding) },
        "locations": locations(finding),
        "partialFingerprints": { "artcheck/v1": finding.fingerprint },
    });
    if let Some(index) = rules::ALL.iter().position(|rule| rule.code == finding.rule) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(runtime) = &finding.runtime {
        result["properties"] = json!({ "runtime": runtime, "repairs": finding.repairs });
    }
    if let Some(suppression) = &finding.suppression {
        let kind = match suppression.kind {
            SuppressionKind::Ignore => "an ignore in artcheck.toml",
            SuppressionKind::Baseline => "the baseline",
        };
        result["suppressions"] = json!([{
            "kind": "external",
            "status": "accepted",
            "justification": format!("{kind}: {}", suppression.reason),
        }]);
    }
    result
}

/// Consumers show the first location alone, so it is the file.
fn locations(finding: &Finding) -> Value {
    let mut logical: Vec<Value> = Vec::new();
    if finding.artifact != finding.file {
        logical.push(json!({ "fullyQualifiedName": *finding.artifact, "kind": "module" }));
    }
    for location in finding.locations.iter().take(FEW) {
        let words = place(location);
        if !words.is_empty() {
            let name = location.function.as_ref().or(location.symbol.as_ref());
            let mut entry = json!({ "fullyQualifiedName": words, "kind": "member" });
            if let Some(name) = name {
                entry["name"] = json!(name);
            }
            logical.push(entry);
        }
    }
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": artifact_location(&finding.file),
            "region": { "startLine": 1 },
        },
    });
    if !logical.is_empty() {
        location["logicalLocations"] = Value::Array(logical);
    }
    json!([location])
}

fn artifact_location(file: &str) -> Value {
    match file.starts_with('/') {
        true => json!({ "uri": format!("file://{}", paths::uri(file)) }),
        false => json!({ "uri": paths::uri(file), "uriBaseId": "SRCROOT" }),
    }
}

fn message(finding: &Finding) -> String {
    let mut text = sentence(&finding.told());
    if let Some(runtime) = &finding.runtime {
        text.push_str(&format!("\nOn {runtime}."));
    }
    if let Some(words) = &finding.runtime_says {
        text.push_str(&format!("\nRuntime error: {}", cut(words, LONGEST / 3)));
    }
    for line in finding.evidence.iter().take(FEW) {
        text.push_str(&format!("\nEvidence: {line}"));
    }
    if !finding.help.is_empty() {
        text.push_str(&format!("\nFix: {}", finding.fix()));
    }
    cut(&text, LONGEST)
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut out: String = match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => return String::from("No message."),
    };
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn problem_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "recommendation",
    }
}

/// `attention-tag` as `AttentionTag`.
fn pascal(name: &str) -> String {
    name.split('-')
        .flat_map(|word| {
            let mut chars = word.chars();
            chars
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .chain(chars)
                .collect::<Vec<_>>()
        })
        .collect()
}
