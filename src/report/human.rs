//! The report for people: artifact, verdict, then each finding with its
//! place, the runtime's words and what to do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use artcheck_inspect::artifact::Role;
use artcheck_inspect::finding::Location;
use artcheck_inspect::runtime::history::spans;
use artcheck_inspect::scan::VerdictStatus;

use super::groups::{alike, listed};
use super::model::{Entry, Finding, Report, Runtime, Verdict};
use super::style::Style;

/// Blocks of one kind that are shown; the others are counted.
const MOST_BLOCKS: usize = 1_000;

/// Renders a report.
pub fn render(scan: &Report, style: Style, verbose: bool) -> String {
    let mut out = String::new();
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut texts: HashMap<String, usize> = HashMap::new();
    let shown = |entry: &&Entry| is_shown(entry, verbose);
    for entry in scan.artifacts.iter().filter(shown) {
        let place = *texts.entry(about(entry, style)).or_insert(blocks.len());
        match blocks.get_mut(place) {
            Some(names) => names.push(&entry.path),
            None => blocks.push(vec![&entry.path]),
        }
    }
    let mut texts: Vec<(String, usize)> = texts.into_iter().collect();
    texts.sort_by_key(|(_, place)| *place);
    for ((text, _), names) in texts.iter().zip(&blocks).take(MOST_BLOCKS) {
        names_of(&mut out, names, style);
        out.push_str(text);
    }
    let left = blocks.iter().skip(MOST_BLOCKS).map(Vec::len).sum();
    more(&mut out, left, "artifact");
    runtimes(&mut out, &scan.runtimes, style, verbose);
    if !scan.findings.is_empty() {
        out.push('\n');
    }
    findings(&mut out, scan, style);
    out.push_str(&summary_line(scan));
    out.push('\n');
    out
}

/// The first names, each in a line of its own, and how many there are besides.
fn names_of(out: &mut String, names: &[&str], style: Style) {
    for name in listed(names) {
        let _ = writeln!(out, "{}", style.bold(&name));
    }
}

fn more(out: &mut String, count: usize, noun: &str) {
    if count > 0 {
        let _ = writeln!(
            out,
            "{} more not shown here; the JSON report has them all.",
            counted(count, noun)
        );
    }
}

fn is_shown(artifact: &Entry, verbose: bool) -> bool {
    match artifact.role {
        Role::ModelLibrary | Role::Client => true,
        Role::Unreadable => !artifact.problems.is_empty(),
        Role::RuntimePart | Role::LibraryObject | Role::Unrelated => verbose,
    }
}

/// What is said of an artifact below its name.
fn about(artifact: &Entry, style: Style) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "  {}", style.dim(&artifact.about));
    for library in artifact.libraries.iter() {
        let _ = writeln!(out, "  {}", style.dim(&library.summary.to_string()));
        let verdicts = artifact.verdicts.iter();
        let verdicts: Vec<&Verdict> = verdicts
            .filter(|verdict| verdict.prefix == library.summary.prefix)
            .collect();
        verdict_lines(&mut out, &verdicts, style);
    }
    if artifact.role == Role::Client {
        let verdicts: Vec<&Verdict> = artifact.verdicts.iter().collect();
        verdict_lines(&mut out, &verdicts, style);
    }
    out
}

fn runtimes(out: &mut String, runtimes: &[Runtime], style: Style, verbose: bool) {
    let shown = runtimes
        .iter()
        .filter(|runtime| verbose || runtime.runs_models);
    let blocks = alike(shown, |runtime| runtime.about.as_str());
    for block in blocks.iter().take(MOST_BLOCKS) {
        let names: Vec<&str> = block.iter().map(|runtime| runtime.name.as_str()).collect();
        for name in listed(&names) {
            let _ = writeln!(out, "{} {name}", style.bold("runtime"));
        }
        let about = block.first().map_or("", |runtime| &runtime.about);
        let _ = writeln!(out, "  {}", style.dim(about));
    }
    more(
        out,
        blocks.iter().skip(MOST_BLOCKS).map(Vec::len).sum(),
        "runtime",
    );
}

/// Each finding once, with the artifacts that have it; the most severe are sure
/// to be shown.
fn findings(out: &mut String, scan: &Report, style: Style) {
    let mut blocks = alike(&scan.findings, |finding| {
        (finding.said.clone(), finding.severity)
    });
    let mut left = 0;
    if blocks.len() > MOST_BLOCKS {
        blocks.sort_by_key(|block| block.first().map(|f| Reverse(f.severity)));
        left = blocks.split_off(MOST_BLOCKS).iter().map(Vec::len).sum();
    }
    for block in &blocks {
        if let Some((first, others)) = block.split_first() {
            finding_section(out, first, others, style);
        }
    }
    more(out, left, "finding");
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

fn finding_section(out: &mut String, finding: &Finding, others: &[&Finding], style: Style) {
    let label = format!("{}[{}]", finding.severity, finding.rule);
    let _ = writeln!(
        out,
        "{} {} {}",
        style.severity(finding.severity, &label),
        style.bold(&finding.name),
        style.bold(&finding.artifact),
    );
    let others: Vec<&str> = others.iter().map(|other| other.artifact.as_str()).collect();
    for other in listed(&others) {
        let _ = writeln!(out, "  also  {other}");
    }
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
