//! The report for people: artifact, verdict, then each finding with its
//! place, the runtime's words and what to do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use artcheck_inspect::artifact::{Artifact, Role};
use artcheck_inspect::finding::{Finding, Location, Severity};
use artcheck_inspect::runtime::release;
use artcheck_inspect::scan::{Scan, Verdict, VerdictStatus};
use artcheck_inspect::summary;

use super::style::Style;

/// Renders a scan.
pub fn render(scan: &Scan, style: Style, verbose: bool) -> String {
    let mut out = String::new();
    for artifact in &scan.artifacts {
        artifact_section(&mut out, scan, artifact, style, verbose);
    }
    for load_set in &scan.load_sets {
        load_set_line(&mut out, load_set, style, verbose);
    }
    if !scan.findings.is_empty() {
        out.push('\n');
    }
    for finding in &scan.findings {
        finding_section(&mut out, finding, style);
    }
    out.push_str(&summary_line(scan));
    out.push('\n');
    out
}

fn artifact_section(
    out: &mut String,
    scan: &Scan,
    artifact: &Artifact,
    style: Style,
    verbose: bool,
) {
    let wanted = match artifact.role {
        Role::ModelLibrary | Role::Client => true,
        Role::Unreadable => !artifact.problems.is_empty(),
        Role::RuntimePart | Role::LibraryObject | Role::Unrelated => verbose,
    };
    if !wanted {
        return;
    }
    let _ = writeln!(out, "{}", style.bold(&artifact.path));
    let _ = writeln!(out, "  {}", style.dim(&summary::describe(artifact)));
    for library in &artifact.libraries {
        let Ok(blob) = &library.blob else { continue };
        let facts = summary::library(library, blob);
        let _ = writeln!(out, "  {}", style.dim(&facts.to_string()));
        let verdicts: Vec<&Verdict> = scan
            .verdicts
            .iter()
            .filter(|verdict| verdict.artifact == artifact.path && verdict.prefix == library.prefix)
            .collect();
        verdict_lines(out, &verdicts, style);
    }
    if artifact.role == Role::Client {
        let verdicts: Vec<&Verdict> = scan
            .verdicts
            .iter()
            .filter(|verdict| verdict.artifact == artifact.path)
            .collect();
        verdict_lines(out, &verdicts, style);
    }
}

/// `runs on 0.26, 0.27` and, per set of rules, `breaks on 0.24, 0.25  AC202`.
fn verdict_lines(out: &mut String, verdicts: &[&Verdict], style: Style) {
    let mut fits = Vec::new();
    let mut undecided = Vec::new();
    let mut breaks: BTreeMap<&[&'static str], Vec<&str>> = BTreeMap::new();
    for verdict in verdicts {
        match verdict.status {
            VerdictStatus::Fits => fits.push(verdict.runtime.as_str()),
            VerdictStatus::Undecided => undecided.push(*verdict),
            VerdictStatus::Breaks => breaks
                .entry(&verdict.rules)
                .or_default()
                .push(&verdict.runtime),
        }
    }
    if !fits.is_empty() {
        let _ = writeln!(out, "  {}    {}", style.good("fits"), spans(&fits));
    } else if !verdicts.is_empty() && undecided.is_empty() {
        let _ = writeln!(
            out,
            "  {}    none of {}",
            style.bad("fits"),
            counted(verdicts.len(), "runtime")
        );
    }
    let mut lines: Vec<(&[&'static str], Vec<&str>)> = breaks.into_iter().collect();
    lines.sort_by(|a, b| a.0.len().cmp(&b.0.len()).then(b.1.cmp(&a.1)));
    for (rules, runtimes) in lines {
        let _ = writeln!(
            out,
            "  {}  {}  {}",
            style.bad("breaks"),
            spans(&runtimes),
            rules.join(" ")
        );
    }
    for verdict in undecided {
        let _ = writeln!(out, "  {}  {}", style.unsure("unsure"), verdict.runtime);
        for reason in &verdict.undecided {
            let _ = writeln!(out, "          {}: {}", reason.rule, reason.why);
        }
    }
}

/// Runtime names, neighbouring releases as a span: `tvm-0.20 to tvm-0.22`.
fn spans(names: &[&str]) -> String {
    let releases = release::releases();
    let place = |name: &str| releases.iter().position(|release| release.name == name);
    let mut spans: Vec<(&str, &str)> = Vec::new();
    for name in names {
        match spans.last_mut() {
            Some((_, last)) if place(last).is_some_and(|last| place(name) == Some(last + 1)) => {
                *last = name
            }
            _ => spans.push((name, name)),
        }
    }
    let words = spans.into_iter().map(|(first, last)| {
        if first == last {
            first.to_owned()
        } else {
            format!("{first} to {last}")
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

fn load_set_line(
    out: &mut String,
    load_set: &artcheck_inspect::runtime::load_set::LoadSet,
    style: Style,
    verbose: bool,
) {
    if verbose || load_set.holds_vm_runtime() {
        let _ = writeln!(out, "{} {}", style.bold("runtime"), load_set.profile.name);
        let _ = writeln!(out, "  {}", style.dim(&summary::runtime(&load_set.profile)));
    }
}

fn finding_section(out: &mut String, finding: &Finding, style: Style) {
    let label = format!("{}[{}]", finding.severity, finding.rule);
    let _ = writeln!(
        out,
        "{} {} {}",
        style.severity(finding.severity, &label),
        style.bold(finding.name),
        style.bold(&finding.artifact),
    );
    let _ = writeln!(out, "  {}", finding.message);
    for location in &finding.locations {
        let place = place(location);
        if !place.is_empty() {
            let _ = writeln!(out, "  at    {place}");
        }
    }
    for line in &finding.evidence {
        let _ = writeln!(out, "  seen  {line}");
    }
    if let Some(runtime) = &finding.runtime {
        let _ = writeln!(out, "  on    {runtime}");
    }
    if let Some(words) = &finding.runtime_says {
        let _ = writeln!(out, "  says  {words}");
    }
    if !finding.help.is_empty() {
        let _ = writeln!(out, "  do    {}", finding.help);
    }
    out.push('\n');
}

/// One location in words.
pub fn place(location: &Location) -> String {
    let mut parts = Vec::new();
    if let Some(symbol) = &location.symbol {
        parts.push(format!("symbol {symbol}"));
    }
    if let Some(function) = &location.function {
        parts.push(format!("function {function}"));
    }
    if let Some(instruction) = location.instruction {
        parts.push(format!("instruction {instruction}"));
    }
    if let Some(argument) = location.argument {
        parts.push(format!("argument {argument}"));
    }
    if let Some(constant) = location.constant {
        parts.push(format!("constant {constant}"));
    }
    if let Some(offset) = location.offset {
        parts.push(format!("byte {offset:#x}"));
    }
    parts.join(", ")
}

fn summary_line(scan: &Scan) -> String {
    let count = |role| {
        scan.artifacts
            .iter()
            .filter(|artifact| artifact.role == role)
            .count()
    };
    let severity = |severity| {
        scan.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    format!(
        "{} read: {}, {}, {}. {}, {}.",
        counted(scan.artifacts.len(), "binary").replace("binarys", "binaries"),
        counted(count(Role::ModelLibrary), "model library").replace("librarys", "libraries"),
        counted(count(Role::RuntimePart), "runtime part"),
        counted(count(Role::Client), "client"),
        counted(severity(Severity::Error), "error"),
        counted(severity(Severity::Warning), "warning"),
    )
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
