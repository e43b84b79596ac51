//! The page's data, arranged as `page.jinja` shows it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use artcheck_inspect::Role;
use artcheck_inspect::rules;
use artcheck_inspect::runtime::history::spans;
use artcheck_inspect::shown::shown;
use artcheck_inspect::{Repair, Severity};
use serde::Serialize;

use super::library::{LibraryView, library_view};
use super::picture::{Column, Row, column, row, tell_apart, unreadable};
use crate::report::grid::{Grid, grid};
use crate::report::groups::{alike, groups, listed};
use crate::report::human::verdict::sentences;
use crate::report::model::{Entry, Finding, Key, Report};
use crate::report::phrases::{counted, place};
use crate::report::state::{State, judged};

/// Artifacts that get a section of their own, and lines of the lists: a page
/// that a browser opens. What is left out is counted.
const MOST_SECTIONS: usize = 500;
const MOST_LINES: usize = 1_000;
/// Commands of one list that are told one by one.
const MOST_COMMANDS: usize = 12;

#[derive(Serialize)]
pub(super) struct Page {
    version: String,
    headline: String,
    detail: String,
    state: &'static str,
    counts: Vec<Count>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    rules: Vec<RuleLine>,
    more: Vec<String>,
    artifacts: Vec<Section>,
    others: Vec<Problem>,
    /// Equal findings told once: what is printed in place of the sections.
    together: Vec<Together>,
    suppressed: Vec<Accepted>,
    healthy: Vec<Healthy>,
    todo: Vec<Todo>,
    command: String,
    date: String,
}

/// Repairs for one runtime; each was tried out.
#[derive(Serialize)]
struct Todo {
    title: String,
    commands: Vec<String>,
    more: usize,
}

#[derive(Serialize)]
struct Count {
    number: usize,
    what: String,
    state: &'static str,
}

#[derive(Serialize)]
struct RuleLine {
    code: &'static str,
    name: &'static str,
    summary: &'static str,
}

#[derive(Serialize)]
struct Badge {
    severity: String,
    words: String,
}

#[derive(Serialize)]
struct Section {
    anchor: String,
    path: String,
    about: String,
    state: &'static str,
    badges: Vec<Badge>,
    libraries: Vec<LibraryView>,
    needed: Vec<String>,
    problems: Vec<String>,
    findings: Vec<Problem>,
    undecided: Vec<String>,
}

#[derive(Serialize)]
struct Problem {
    rule: String,
    name: String,
    severity: String,
    artifact: String,
    message: String,
    runtimes: Vec<String>,
    places: Vec<String>,
    evidence: Vec<String>,
    says: Option<String>,
    help: String,
    repairs: Vec<&'static str>,
}

/// One problem, and everything that has it.
#[derive(Serialize)]
struct Together {
    severity: String,
    rule: String,
    message: String,
    artifacts: Vec<String>,
    runtimes: String,
    help: String,
}

#[derive(Serialize)]
struct Accepted {
    rule: String,
    artifact: String,
    message: String,
    reason: String,
}

#[derive(Serialize)]
struct Healthy {
    path: String,
    about: String,
}

/// Arranges a report.
pub(super) fn page(report: &Report) -> Page {
    let totals = &report.summary;
    let (state, headline) = match (totals.errors, totals.warnings, totals.undecided) {
        (1.., ..) => ("bad", counted(totals.errors, "error")),
        (0, _, true) => ("caution", String::from("Undecided")),
        (0, 1.., _) => ("caution", counted(totals.warnings, "warning")),
        _ => ("good", String::from("No errors")),
    };
    let findings = report.by_artifact();
    let of = |entry: &Entry| findings.get(&entry.key()).map_or(&[][..], Vec::as_slice);
    let (mut shown, mut healthy): (Vec<&Entry>, Vec<&Entry>) = report
        .artifacts
        .iter()
        .partition(|artifact| deserves_section(artifact, of(artifact)));
    let mut more = Vec::new();
    if shown.len() > MOST_SECTIONS {
        let worst = |entry: &&Entry| of(entry).iter().map(|f| f.severity).max();
        shown.sort_by_key(|entry| Reverse(worst(entry)));
        cut(&mut shown, MOST_SECTIONS, "artifacts", &mut more);
        shown.sort_by(|a, b| a.path.cmp(&b.path));
    }
    cut(&mut healthy, MOST_LINES, "healthy files", &mut more);
    let anchors: HashMap<Key, String> = shown
        .iter()
        .enumerate()
        .map(|(number, entry)| (entry.key(), format!("artifact-{number}")))
        .collect();
    let known: HashSet<Key> = report.artifacts.iter().map(Entry::key).collect();
    let others = report.findings.iter();
    let mut others: Vec<&Finding> = others
        .filter(|finding| !known.contains(&(finding.file.clone(), finding.artifact.clone())))
        .collect();
    cut(&mut others, MOST_LINES, "other findings", &mut more);
    let mut suppressed: Vec<&Finding> = report.suppressed.iter().collect();
    cut(&mut suppressed, MOST_LINES, "accepted findings", &mut more);
    let grid = grid(report);
    if grid.more > 0 {
        more.push(format!("{} more rows of the matrix", grid.more));
    }
    Page {
        version: report.tool.version.clone(),
        headline,
        detail: detail(report),
        state,
        counts: counts(report),
        columns: grid.columns.iter().map(|name| column(name)).collect(),
        rows: rows_of(report, &grid, &anchors),
        todo: todo(report),
        command: report.run.command.clone(),
        date: report.run.date.clone(),
        rules: rules_named(report),
        more,
        artifacts: shown
            .iter()
            .map(|entry| section(entry, of(entry), &anchors))
            .collect(),
        others: problems(&others),
        together: together(report),
        suppressed: suppressed.into_iter().map(accepted).collect(),
        healthy: healthy
            .into_iter()
            .map(|artifact| Healthy {
                path: artifact.path.to_string(),
                about: artifact.about.to_string(),
            })
            .collect(),
    }
}

/// The libraries on each runtime, then the files that could not be read.
fn rows_of(report: &Report, grid: &Grid<'_>, anchors: &HashMap<Key, String>) -> Vec<Row> {
    let mut rows: Vec<Row> = grid.rows.iter().map(|line| row(line, anchors)).collect();
    let unread = judged(report).into_iter();
    let unread = unread.filter(|judged| judged.state == State::Unreadable);
    let columns = grid.columns.len();
    let unread = unread.take(MOST_LINES).map(|judged| {
        let entry = judged.entry;
        unreadable(entry, anchors.get(&entry.key()), columns)
    });
    rows.extend(unread.filter(|_| columns > 0));
    tell_apart(&mut rows);
    rows
}

/// What to type for the files that a repair makes run: a list for each runtime.
fn todo(report: &Report) -> Vec<Todo> {
    let runtimes = alike(&report.run.fixes, |fix| fix.runtime.as_str());
    let lists = runtimes.iter().filter_map(|fixes| {
        let commands = fixes.iter().take(MOST_COMMANDS);
        Some(Todo {
            title: format!(
                "{} can be fixed for {}",
                counted(fixes.len(), "file"),
                shown(&fixes.first()?.runtime)
            ),
            commands: commands.map(|fix| fix.command.join(" ")).collect(),
            more: fixes.len().saturating_sub(MOST_COMMANDS),
        })
    });
    lists.collect()
}

/// Keeps the first `most`, and says how many of what are left out.
fn cut<T>(list: &mut Vec<T>, most: usize, what: &str, more: &mut Vec<String>) {
    if list.len() > most {
        more.push(format!("{} more {what}", list.len() - most));
        list.truncate(most);
    }
}

/// How many run where, as the report on a terminal says it.
fn detail(report: &Report) -> String {
    match sentences(report, &judged(report)).join(" ") {
        none if none.is_empty() => String::from("No model library was found."),
        words => words,
    }
}

/// The rules that stand in the matrix or in a finding, by code.
fn rules_named(report: &Report) -> Vec<RuleLine> {
    let in_verdicts = report.verdicts().flat_map(|(_, verdict)| &verdict.rules);
    let in_findings = report.findings.iter().map(|finding| &finding.rule);
    let codes: BTreeSet<&String> = in_verdicts.chain(in_findings).collect();
    codes
        .into_iter()
        .filter_map(|code| rules::find(code))
        .map(|rule| RuleLine {
            code: rule.code,
            name: rule.name,
            summary: rule.summary,
        })
        .collect()
}

/// How many findings of each severity, most severe first.
fn badges(findings: &[&Finding]) -> Vec<Badge> {
    [Severity::Error, Severity::Warning, Severity::Info]
        .into_iter()
        .filter_map(|severity| {
            let count = findings.iter().filter(|f| f.severity == severity).count();
            let word = match severity {
                Severity::Info => "note",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            (count > 0).then(|| Badge {
                severity: severity.to_string(),
                words: counted(count, word),
            })
        })
        .collect()
}

fn deserves_section(artifact: &Entry, findings: &[&Finding]) -> bool {
    matches!(artifact.role, Role::ModelLibrary | Role::Client)
        || !artifact.problems.is_empty()
        || !findings.is_empty()
}

fn counts(report: &Report) -> Vec<Count> {
    let libraries: usize = report.artifacts.iter().map(|a| a.libraries.len()).sum();
    let state = |count, state| if count > 0 { state } else { "plain" };
    let totals = &report.summary;
    let mut counts = vec![
        (totals.errors, "errors", state(totals.errors, "bad")),
        (
            totals.warnings,
            "warnings",
            state(totals.warnings, "caution"),
        ),
        (libraries, "model libraries", "plain"),
        (totals.artifacts, "files read", "plain"),
    ];
    if totals.suppressed > 0 {
        counts.push((totals.suppressed, "accepted", "plain"));
    }
    counts
        .into_iter()
        .map(|(number, what, state)| Count {
            number,
            what: what.to_owned(),
            state,
        })
        .collect()
}

fn section(artifact: &Entry, of_artifact: &[&Finding], anchors: &HashMap<Key, String>) -> Section {
    let worst = of_artifact.iter().map(|finding| finding.severity).max();
    Section {
        anchor: anchors.get(&artifact.key()).cloned().unwrap_or_default(),
        path: artifact.path.to_string(),
        about: artifact.about.to_string(),
        state: match worst {
            Some(Severity::Error) => "bad",
            Some(Severity::Warning) => "caution",
            _ if artifact.problems.is_empty() => "good",
            _ => "caution",
        },
        badges: badges(of_artifact),
        libraries: artifact
            .libraries
            .iter()
            .map(|library| library_view(artifact, library))
            .collect(),
        needed: artifact.needed.to_vec(),
        problems: artifact.problems.iter().map(|p| p.detail.clone()).collect(),
        findings: problems(of_artifact),
        undecided: artifact
            .verdicts
            .iter()
            .flat_map(|verdict| {
                verdict
                    .undecided
                    .iter()
                    .map(|reason| format!("{} on {}: {}", reason.rule, verdict.runtime, reason.why))
            })
            .collect(),
    }
}

fn problems(findings: &[&Finding]) -> Vec<Problem> {
    groups(findings.iter().copied())
        .into_iter()
        .map(|group| {
            let finding = group.finding;
            Problem {
                rule: finding.rule.clone(),
                name: finding.name.clone(),
                severity: finding.severity.to_string(),
                artifact: finding.artifact.to_string(),
                message: group.message(),
                runtimes: group.runtimes.iter().map(|r| (*r).to_owned()).collect(),
                places: finding
                    .locations
                    .iter()
                    .map(place)
                    .filter(|place| !place.is_empty())
                    .collect(),
                evidence: finding.evidence.clone(),
                says: finding.runtime_says.clone(),
                help: finding.fix(),
                repairs: finding
                    .repairs
                    .iter()
                    .map(|repair| in_words(*repair))
                    .collect(),
            }
        })
        .collect()
}

/// Errors and warnings, the worst first, then what is undecided.
fn together(report: &Report) -> Vec<Together> {
    let told = report.findings.iter();
    let told = told.filter(|finding| finding.severity != Severity::Info);
    let mut blocks = alike(told, |finding| {
        (finding.severity, &finding.rule, &finding.message)
    });
    blocks.sort_by_key(|block| Reverse(block.first().map(|finding| finding.severity)));
    let found = blocks.iter().filter_map(|block| {
        let first = block.first()?;
        let runtimes = block.iter().filter_map(|one| one.runtime.as_deref());
        Some(Together {
            severity: first.severity.to_string(),
            rule: first.rule.clone(),
            message: first.message.clone(),
            artifacts: listed(&distinct(block.iter().map(|one| one.artifact.as_str()))),
            runtimes: spans(&distinct(runtimes)),
            help: first.fix(),
        })
    });
    let open = report.artifacts.iter().flat_map(|entry| {
        let verdicts = entry.verdicts.iter();
        verdicts.flat_map(move |verdict| verdict.undecided.iter().map(move |u| (entry, verdict, u)))
    });
    let open = alike(open, |(_, _, reason)| (&reason.rule, &reason.why));
    let open = open.iter().filter_map(|block| {
        let (_, _, reason) = block.first()?;
        Some(Together {
            severity: String::from("undecided"),
            rule: reason.rule.to_string(),
            message: reason.why.clone(),
            artifacts: listed(&distinct(
                block.iter().map(|(entry, _, _)| entry.path.as_str()),
            )),
            runtimes: spans(&distinct(
                block.iter().map(|(_, verdict, _)| verdict.runtime.as_str()),
            )),
            help: String::new(),
        })
    });
    found.chain(open).take(MOST_LINES).collect()
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let same = alike(names, |name| *name);
    same.iter()
        .filter_map(|same| same.first().copied())
        .collect()
}

fn in_words(repair: Repair) -> &'static str {
    match repair {
        Repair::Source => "upstream source patch",
        Repair::Shim => "shim library beside the stock runtime",
        Repair::InPlace => "change of the artifact itself",
    }
}

fn accepted(finding: &Finding) -> Accepted {
    Accepted {
        rule: finding.rule.clone(),
        artifact: finding.artifact.to_string(),
        message: finding.message.clone(),
        reason: finding
            .suppression
            .as_ref()
            .map_or_else(String::new, |suppression| suppression.reason.clone()),
    }
}
