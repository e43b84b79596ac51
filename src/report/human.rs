//! The report for people: artifact, verdict, then each finding with its
//! place, the runtime's words and what to do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use artcheck_inspect::artifact::Role;
use artcheck_inspect::finding::Location;
use artcheck_inspect::runtime::history::spans;
use artcheck_inspect::scan::VerdictStatus;

use super::model::{Entry, Finding, Report, Runtime, Verdict};
use super::style::Style;

/// Renders a report.
pub fn render(scan: &Report, style: Style, verbose: bool) -> String {
    let mut out = String::new();
    for artifact in &scan.artifacts {
        artifact_section(&mut out, scan, artifact, style, verbose);
    }
    for runtime in &scan.runtimes {
        runtime_line(&mut out, runtime, style, verbose);
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
    scan: &Report,
    artifact: &Entry,
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
    let _ = writeln!(out, "  {}", style.dim(&artifact.about));
    for library in &artifact.libraries {
        let _ = writeln!(out, "  {}", style.dim(&library.summary.to_string()));
        let verdicts: Vec<&Verdict> = scan
            .verdicts
            .iter()
            .filter(|verdict| {
                verdict.artifact == artifact.path && verdict.prefix == library.summary.prefix
            })
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
    let mut breaks: BTreeMap<&[String], Vec<&str>> = BTreeMap::new();
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
    } else if verdicts.len() > 1 && undecided.is_empty() {
        let _ = writeln!(
            out,
            "  {}    none of {}",
            style.bad("fits"),
            counted(verdicts.len(), "runtime")
        );
    }
    let mut lines: Vec<(&[String], Vec<&str>)> = breaks.into_iter().collect();
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

fn runtime_line(out: &mut String, runtime: &Runtime, style: Style, verbose: bool) {
    if verbose || runtime.runs_models {
        let _ = writeln!(out, "{} {}", style.bold("runtime"), runtime.name);
        let _ = writeln!(out, "  {}", style.dim(&runtime.about));
    }
}

fn finding_section(out: &mut String, finding: &Finding, style: Style) {
    let label = format!("{}[{}]", finding.severity, finding.rule);
    let _ = writeln!(
        out,
        "{} {} {}",
        style.severity(finding.severity, &label),
        style.bold(&finding.name),
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

fn summary_line(report: &Report) -> String {
    let count = |role| {
        report
            .artifacts
            .iter()
            .filter(|artifact| artifact.role == role)
            .count()
    };
    let suppressed = match report.summary.suppressed {
        0 => String::new(),
        count => format!(" {count} accepted by ignores or the baseline."),
    };
    format!(
        "{} read: {}, {}, {}. {}, {}.{suppressed}",
        counted(report.artifacts.len(), "binary").replace("binarys", "binaries"),
        counted(count(Role::ModelLibrary), "model library").replace("librarys", "libraries"),
        counted(count(Role::RuntimePart), "runtime part"),
        counted(count(Role::Client), "client"),
        counted(report.summary.errors, "error"),
        counted(report.summary.warnings, "warning"),
    )
}

/// `1 error`, `2 errors`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
