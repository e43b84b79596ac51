//! The end of the report: how many run where, and what to type next.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use artcheck_inspect::Severity;
use artcheck_inspect::runtime::history;
use artcheck_inspect::scan::VerdictStatus;

use crate::report::groups::alike;
use crate::report::model::Report;
use crate::report::phrases::counted;
use crate::report::state::{Judged, On, State};
use crate::report::style::Style;

/// Runtimes and commands that are told one by one.
const FEW: usize = 3;

/// Writes the verdict.
pub(super) fn write(
    out: &mut String,
    report: &Report,
    all: &[Judged<'_>],
    style: Style,
    verbose: bool,
) {
    let mut words = sentences(report, all);
    let wanted = all.iter().any(|judged| judged.wanted);
    if all.is_empty() {
        words.push(match report.artifacts.len() {
            0 => String::from("Nothing here belongs to TVM."),
            count => format!(
                "{} read, no model library among them.",
                counted(count, "file")
            ),
        });
    }
    words.push(counts(report, verbose));
    if !all.is_empty() || !report.findings.is_empty() {
        out.push('\n');
    }
    out.push_str(&style.paragraph("", 0, &words.join(" ")));
    // Where every release is undecided, naming one decides nothing.
    let is_settled =
        |judged: &Judged<'_>| judged.breaks_everywhere() || judged.state == State::Undecided;
    let is_open = !all.iter().all(is_settled);
    let gate = (!wanted && is_open).then(|| newest(all)).flatten();
    commands(out, report, gate, style);
}

/// The runtime to name in a gate: the newest that runs something here, or else the
/// newest that there is.
fn newest<'a>(all: &'a [Judged<'_>]) -> Option<&'a str> {
    let on = || all.iter().flat_map(|judged| &judged.on);
    let newest = |status: Option<VerdictStatus>| {
        let on = on().filter(|on| status.is_none_or(|status| on.status == status));
        on.map(|on| on.runtime)
            .max_by_key(|name| history::place(name))
    };
    newest(Some(VerdictStatus::Fits)).or_else(|| newest(None))
}

/// How many run where. Each is counted once: what runs nowhere, on the runtimes that it is
/// held against, or on any release.
pub fn sentences(report: &Report, all: &[Judged<'_>]) -> Vec<String> {
    let checked = |one: &&Judged<'_>| !one.on.is_empty() || one.breaks_everywhere();
    let total = all.iter().filter(checked).count();
    let mut words: Vec<String> = on_none(report, all, total).into_iter().collect();
    words.extend(on_runtimes(report, all, total));
    words.extend(on_releases(all, total));
    words.extend(other_states(all));
    words
}

/// `2 of 14 do not run on tvm-0.27.`, per runtime. What fits a runtime that has errors of
/// its own fits it in vain.
fn on_runtimes(report: &Report, all: &[Judged<'_>], total: usize) -> Vec<String> {
    let faulty = faulty_runtimes(report, all);
    let beside = beside(report, all);
    let others = all.iter().filter(|judged| !judged.breaks_everywhere());
    let pairs = others.flat_map(|judged| &judged.on).filter(|on| on.wanted);
    let runtimes = alike(pairs, |on| on.runtime);
    let mut words = Vec::new();
    for on in runtimes.iter().take(FEW) {
        let Some(first) = on.first() else { continue };
        let runtime = first.runtime;
        let count = |status| on.iter().filter(|on| on.status == status).count();
        let (breaks, open) = (
            count(VerdictStatus::Breaks),
            count(VerdictStatus::Undecided),
        );
        words.extend(not_running(breaks, open, total, runtime));
        let is_faulty = faulty.contains(runtime);
        if is_faulty {
            words.push(format!("{runtime} has errors of its own."));
        }
        if breaks == 0 && open == 0 {
            words.push(all_fit(all, on, (total, is_faulty), &beside));
        }
    }
    let breaks = |on: &&Vec<&On<'_>>| {
        let fits = [VerdictStatus::Fits, VerdictStatus::FitsIf];
        !on.iter().all(|on| fits.contains(&on.status))
    };
    let rest = runtimes.get(FEW..).unwrap_or_default();
    let bad = rest.iter().filter(breaks).count();
    let more = |count: usize| counted(count, "more runtime");
    if bad > 0 {
        words.push(format!("Some break or are undecided on {}.", more(bad)));
    }
    if bad < rest.len() {
        words.push(format!("Nothing breaks on {}.", more(rest.len() - bad)));
    }
    words
}

/// `All 3 fit tvm-0.27.`, of those that are held against one runtime.
fn all_fit(
    all: &[Judged<'_>],
    on: &[&On<'_>],
    (total, in_vain): (usize, bool),
    beside: &str,
) -> String {
    let is_needing = |on: &&&On<'_>| on.status == VerdictStatus::FitsIf;
    let needs = match (on.iter().filter(is_needing).count(), total) {
        (0, _) => String::new(),
        (_, 1) => String::from(" if the machine has what it needs"),
        (needing, _) => format!(", {needing} of them if the machine has what they need"),
    };
    let (who, fit) = fitting(on.len(), total);
    if in_vain {
        return format!("Without them, {} would fit{needs}.", who.to_lowercase());
    }
    let readable = match all.iter().any(|one| one.state == State::Unreadable) {
        true if on.len() == total && total > 1 => " that can be read",
        _ => "",
    };
    let runtime = on.first().map_or("", |on| on.runtime);
    format!("{who}{readable} {fit} {runtime}{needs}{beside}.")
}

/// How many of all, as the subject of a sentence, and its verb.
fn fitting(count: usize, total: usize) -> (String, &'static str) {
    let who = match (count, total) {
        (1, 1) => String::from("It"),
        (all, total) if all == total => format!("All {total}"),
        _ => format!("{count} of {total}"),
    };
    (who, if count == 1 { "fits" } else { "fit" })
}

/// What does not run on one runtime, and what is undecided.
fn not_running(breaks: usize, open: usize, total: usize, runtime: &str) -> Option<String> {
    let verb = if open == 1 { "is" } else { "are" };
    let broken = match (breaks, total) {
        (0, _) if open == 0 => return None,
        (0, 1) => return Some(format!("It is undecided on {runtime}.")),
        (0, _) => return Some(format!("{open} of {total} {verb} undecided on {runtime}.")),
        (1, 1) => format!("It does not run on {runtime}"),
        (1, _) => format!("1 of {total} does not run on {runtime}"),
        (all, total) if all == total => format!("None of {total} runs on {runtime}"),
        _ => format!("{breaks} of {total} do not run on {runtime}"),
    };
    Some(match open {
        0 => format!("{broken}."),
        _ => format!("{broken}, and {open} {verb} undecided."),
    })
}

/// Runtimes that something fits, and that have errors of their own.
fn faulty_runtimes<'a>(report: &Report, all: &[Judged<'a>]) -> BTreeSet<&'a str> {
    let fitting = all.iter().flat_map(|judged| &judged.on);
    let fitting = fitting.filter(|on| on.wanted && on.status != VerdictStatus::Breaks);
    let fitting: BTreeSet<&str> = fitting.map(|on| on.runtime).collect();
    let pairs = all.iter().flat_map(|one| {
        let path = one.entry.path.as_str();
        one.on.iter().map(move |on| (path, on.runtime))
    });
    let judged: BTreeSet<(&str, &str)> = pairs.collect();
    let is_own = |runtime: &str| {
        report.findings.iter().any(|finding| {
            finding.severity == Severity::Error
                && finding.runtime.as_deref() == Some(runtime)
                && !judged.contains(&(finding.artifact.as_str(), runtime))
        })
    };
    fitting
        .into_iter()
        .filter(|runtime| is_own(runtime))
        .collect()
}

/// What is wrong beside the libraries: their weights, configurations, packages.
fn beside(report: &Report, all: &[Judged<'_>]) -> String {
    let judged: BTreeSet<&str> = all.iter().map(|one| one.entry.path.as_str()).collect();
    let errors = report.findings.iter().filter(|finding| {
        finding.severity == Severity::Error
            && finding.runtime.is_none()
            && !judged.contains(finding.artifact.as_str())
    });
    match errors.count() {
        0 => String::new(),
        1 => String::from(", but a file beside it has an error"),
        count => format!(", but files beside it have {count} errors"),
    }
}

/// How many have something wrong with them that is no matter of the runtime.
fn on_none(report: &Report, all: &[Judged<'_>], total: usize) -> Option<String> {
    let broken = all.iter().filter(|judged| judged.breaks_everywhere());
    let on = match report.run.has_target {
        true => "the target",
        false => "any runtime",
    };
    match (broken.count(), total) {
        (0, _) => None,
        (1, 1) => Some(format!("It does not run on {on}.")),
        (1, total) => Some(format!("1 of {total} does not run on {on}.")),
        (all, total) if all == total => Some(format!("None of {total} runs on {on}.")),
        (count, total) => Some(format!("{count} of {total} do not run on {on}.")),
    }
}

/// Without a runtime, any release is enough, and that is no gate.
fn on_releases(all: &[Judged<'_>], total: usize) -> Option<String> {
    let checked = all
        .iter()
        .filter(|one| !one.wanted && !one.on.is_empty() && !one.breaks_everywhere());
    let count = checked.clone().count();
    let good = checked.clone().filter(|one| one.fits_somewhere()).count();
    let mut rest = checked.filter(|one| !one.fits_somewhere());
    let is_open = rest.any(|one| one.state == State::Undecided);
    match (good, count) {
        (_, 0) => None,
        (0, 1) if is_open && total == 1 => {
            Some("Whether it fits any TVM release is undecided.".to_owned())
        }
        (0, 1) if total == 1 => Some("It fits no known TVM release.".to_owned()),
        (0, count) if count == total => {
            Some(format!("None of {total} fits any known TVM release."))
        }
        (0, 1) => Some(format!("1 of {total} fits no known TVM release.")),
        (0, _) => Some(format!("{count} of {total} fit no known TVM release.")),
        _ => {
            let (who, fit) = fitting(good, total);
            Some(format!("{who} {fit} at least one TVM release."))
        }
    }
}

fn other_states(all: &[Judged<'_>]) -> Vec<String> {
    let count = |state| all.iter().filter(|judged| judged.state == state).count();
    let of_files = |state, word: &str| match count(state) {
        0 => None,
        1 => Some(format!("1 file is {word}.")),
        count => Some(format!("{count} files are {word}.")),
    };
    let all = [
        of_files(State::Unreadable, "unreadable"),
        of_files(
            State::Unchecked,
            "unchecked, because no runtime was named or found",
        ),
    ];
    all.into_iter().flatten().collect()
}

fn counts(report: &Report, verbose: bool) -> String {
    let totals = &report.summary;
    let mut words = vec![
        counted(totals.errors, "error"),
        counted(totals.warnings, "warning"),
    ];
    if totals.infos > 0 {
        let hint = if verbose { "" } else { " (see --verbose)" };
        words.push(format!("{}{hint}", counted(totals.infos, "note")));
    }
    if totals.suppressed > 0 {
        words.push(format!(
            "{} accepted by ignores or the baseline",
            totals.suppressed
        ));
    }
    format!("{}.", words.join(", "))
}

/// What to type.
fn commands(out: &mut String, report: &Report, gate: Option<&str>, style: Style) {
    let run = &report.run;
    let files = alike(&run.fixes, |fix| fix.file.as_str());
    let count = files.len();
    if count > 0 {
        let open = if run.untried > 0 { "at least " } else { "" };
        let _ = writeln!(out, "{open}{count} can be fixed:");
    }
    for fix in files.iter().take(FEW).filter_map(|fixes| fixes.first()) {
        let command = style.bold(&style.command(&fix.command, 2));
        let _ = writeln!(out, "  {command}");
    }
    if let (true, [path]) = (count > FEW, run.paths.as_slice()) {
        let shim = files.iter().flatten().max_by_key(|fix| fix.command.len());
        if let Some(mut command) = shim.map(|fix| fix.command.clone()) {
            if let Some(file) = command.get_mut(2) {
                path.clone_into(file);
            }
            let _ = writeln!(out, "or all of them:\n  {}", style.command(&command, 2));
        }
    }
    if run.quiet {
        return;
    }
    let errors = report.findings.iter();
    let mut errors = errors.filter(|finding| finding.severity == Severity::Error);
    if let Some(finding) = errors.next_back() {
        let command = ["artcheck", "explain", &finding.rule].map(str::to_owned);
        let _ = writeln!(
            out,
            "more about {}: {}",
            finding.rule,
            style.command(&command, 0)
        );
    }
    if let Some(newest) = gate.filter(|_| !run.paths.is_empty()) {
        let words = |words: &[&str]| {
            words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>()
        };
        let mut command = words(&["artcheck", "scan"]);
        command.extend(run.paths.iter().cloned());
        command.extend(words(&["--runtime", newest]));
        let command = style.command(&command, 2);
        let why =
            "Without --runtime, a scan passes if any release fits. To check the one you ship:";
        out.push_str(&style.paragraph("", 0, why));
        let _ = writeln!(out, "  {command}");
    }
}
