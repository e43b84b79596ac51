//! Findings for people. Equal ones are told once for all artifacts that have them;
//! the worst come last, where the eye is when the command ends.

use std::fmt::{Display, Write as _};

use artcheck_inspect::Severity;
use artcheck_inspect::runtime::history::spans;
use artcheck_inspect::scan::VerdictStatus;

use crate::report::groups::alike;
use crate::report::model::{Finding, Report, Verdict};
use crate::report::phrases::{MOST, counted, place};
use crate::report::run::Run;
use crate::report::runtime_names::named;
use crate::report::state::{Judged, State};
use crate::report::style::Style;

/// Places, facts and names that are listed without --verbose.
const FEW: usize = 2;
/// The column behind the labels.
const AT: usize = 17;

/// Writes the findings and what is undecided.
pub(super) fn write(
    out: &mut String,
    report: &Report,
    all: &[Judged<'_>],
    style: Style,
    verbose: bool,
) {
    let told = report.findings.iter();
    let told = told.filter(|finding| verbose || finding.severity != Severity::Info);
    // With --verbose, only what is the same in every word is told together.
    let mut blocks = alike(told, |finding| {
        let same = verbose.then(|| finding.said.clone());
        let said = (
            finding.rule.as_str(),
            finding.message.as_str(),
            finding.help.as_str(),
        );
        (
            same,
            said,
            finding.severity,
            finding.runtime_says.as_deref(),
        )
    });
    blocks.sort_by_key(|block| block.first().map(|finding| finding.severity));
    let hidden = blocks.len().saturating_sub(MOST);
    let left: usize = blocks.drain(..hidden).map(|block| block.len()).sum();
    if left > 0 {
        let _ = writeln!(
            out,
            "\n{} more are in the JSON report",
            counted(left, "finding")
        );
    }
    let page = Page {
        run: &report.run,
        style,
        verbose,
    };
    let is_error = |block: &&Vec<&Finding>| {
        let first = block.first();
        first.is_some_and(|finding| finding.severity == Severity::Error)
    };
    for block in blocks.iter().filter(|block| !is_error(block)) {
        page.finding(out, block);
    }
    page.undecided(out, all);
    for block in blocks.iter().filter(is_error) {
        page.finding(out, block);
    }
}

struct Page<'a> {
    run: &'a Run,
    style: Style,
    verbose: bool,
}

impl Page<'_> {
    fn finding(&self, out: &mut String, block: &[&Finding]) {
        let Some(finding) = block.first() else {
            return;
        };
        let word = match finding.severity {
            Severity::Info => "note".to_owned(),
            other => other.to_string(),
        };
        let label = format!("{word}[{}]", finding.rule);
        let runtimes = alike(block.iter().filter_map(|f| f.runtime.as_deref()), |name| {
            *name
        });
        let runtimes: Vec<&str> = runtimes
            .iter()
            .filter_map(|same| same.first().copied())
            .collect();
        let painted = self.style.severity(finding.severity, &label);
        self.title(
            out,
            &painted,
            label.len(),
            &named(&finding.message, &runtimes),
        );
        let artifacts = alike(block.iter().map(|f| f.artifact.as_str()), |name| *name);
        let artifacts: Vec<&str> = artifacts
            .iter()
            .filter_map(|same| same.first().copied())
            .collect();
        self.list(out, "in", &artifacts);
        if !runtimes.is_empty() {
            self.line(out, "on", &spans(&runtimes));
        }
        let places: Vec<String> = finding.locations.iter().map(place).collect();
        let places: Vec<&String> = places.iter().filter(|place| !place.is_empty()).collect();
        // A place in one of many artifacts says nothing of the others.
        if self.verbose || artifacts.len() == 1 {
            self.list(out, "where", &places);
        }
        self.list(out, "evidence", &finding.evidence);
        if let Some(words) = &finding.runtime_says {
            self.line(out, "runtime error", words);
        }
        self.fix(out, block, finding);
    }

    /// A command that was tried out, or else what the rule says.
    fn fix(&self, out: &mut String, block: &[&Finding], finding: &Finding) {
        let mut fixes = block
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        let fix = fixes.find_map(|f| self.run.fix(&f.file, f.runtime.as_deref()));
        if let Some(fix) = fix {
            let command = self.style.command(&fix.command, AT);
            let _ = writeln!(out, "{}{}", self.label("fix"), self.style.bold(&command));
        } else if !finding.help.is_empty() {
            let help = self
                .run
                .filled(&finding.help, &finding.file, finding.runtime.as_deref());
            self.line(out, "fix", &help);
        }
    }

    /// Reasons why something is undecided, each once.
    fn undecided(&self, out: &mut String, all: &[Judged<'_>]) {
        let open = all.iter().filter(|judged| judged.state == State::Undecided);
        let reasons = open.flat_map(|judged| {
            let verdicts = judged.entry.verdicts.iter();
            let open = move |verdict: &&Verdict| {
                verdict.status == VerdictStatus::Undecided && verdict.is_wanted() == judged.wanted
            };
            let reasons = verdicts.filter(open).flat_map(|verdict| &verdict.undecided);
            reasons.map(move |reason| (reason, judged.entry.path.as_str()))
        });
        let blocks = alike(reasons, |(reason, _)| {
            (reason.rule.as_str(), reason.why.as_str())
        });
        for block in blocks.iter().take(MOST) {
            let Some((reason, _)) = block.first() else {
                continue;
            };
            let label = format!("undecided[{}]", reason.rule);
            self.title(out, &self.style.undecided(&label), label.len(), &reason.why);
            let names = alike(block.iter().map(|(_, name)| *name), |name| *name);
            let names: Vec<&str> = names
                .iter()
                .filter_map(|same| same.first().copied())
                .collect();
            self.list(out, "in", &names);
        }
    }

    fn title(&self, out: &mut String, label: &str, length: usize, text: &str) {
        out.push('\n');
        for (number, line) in self
            .style
            .lines(text, length.saturating_add(1))
            .iter()
            .enumerate()
        {
            let line = self.style.bold(line);
            let _ = match number {
                0 => writeln!(out, "{label} {line}"),
                _ => writeln!(out, "    {line}"),
            };
        }
    }

    fn label(&self, label: &str) -> String {
        self.style.dim(&format!("  {label:<0$}", AT - 2))
    }

    fn line(&self, out: &mut String, label: &str, text: &str) {
        out.push_str(&self.style.paragraph(&self.label(label), AT, text));
    }

    /// The first few, and how many there are besides.
    fn list<T: Display>(&self, out: &mut String, label: &str, items: &[T]) {
        let most = if self.verbose { MOST } else { FEW };
        // "And 1 more" would take the line that the one does.
        let most = if items.len() == most + 1 {
            most + 1
        } else {
            most
        };
        let mut label = label;
        for item in items.iter().take(most) {
            self.line(out, label, &item.to_string());
            label = "";
        }
        let more = items.len().saturating_sub(most);
        if more > 0 {
            self.line(out, label, &format!("and {more} more"));
        }
    }
}
