//! The end of the report: how many run where, and what to type next.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use artcheck_inspect::Severity;
use artcheck_inspect::runtime::history;
use artcheck_inspect::scan::VerdictStatus;

use crate::report::groups::alike;
use crate::report::model::Report;
use crate::report::phrases::counted;
use crate::report::state::{Judged, State};
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
            0 => String::from("No file here has anything of TVM's in it."),
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

/// How many run where.
pub fn sentences(report: &Report, all: &[Judged<'_>]) -> Vec<String> {
    let wanted = all.iter().any(|judged| judged.wanted);
    let mut words = if wanted {
        on_runtimes(report, all)
    } else {
        on_releases(report, all).into_iter().collect()
    };
    words.extend(other_states(all));
    words
}

/// `2 of 14 do not run on tvm-0.27.`, per runtime. What fits a runtime that has errors of
/// its own fits it in vain.
fn on_runtimes(report: &Report, all: &[Judged<'_>]) -> Vec<String> {
    let faulty = faulty_runtimes(report, all);
    let beside = beside(report, all);
    let is_read = all.iter().all(|judged| judged.state != State::Unreadable);
    let readable = if is_read { "" } else { " that can be read" };
    let pairs = all.iter().flat_map(|judged| &judged.on);
    let pairs = pairs.filter(|on| on.wanted);
    let runtimes = alike(pairs, |on| on.runtime);
    let mut words: Vec<String> = on_none(report, all).into_iter().collect();
    let everywhere = !words.is_empty();
    for on in runtimes.iter().take(FEW) {
        let Some(first) = on.first() else { continue };
        let count = |status| on.iter().filter(|on| on.status == status).count();
        let (breaks, open) = (
            count(VerdictStatus::Breaks),
            count(VerdictStatus::Undecided),
        );
        let (total, runtime) = (on.len(), first.runtime);
        words.extend(not_running(breaks, open, total, runtime));
        let needing = count(VerdictStatus::FitsIf);
        let is_faulty = faulty.contains(runtime);
        let but = match is_faulty {
            true => format!(", but {runtime} has errors of its own"),
            false => beside.clone(),
        };
        let would = if is_faulty { "would fit" } else { "fit" };
        let fits = if is_faulty { "would fit" } else { "fits" };
        if breaks == 0 && open == 0 && needing > 0 && !everywhere {
            words.push(match (needing, total) {
                (1, 1) => format!("It {fits} {runtime} if the machine has what it needs{but}."),
                _ => format!(
                    "All {total}{readable} {would} {runtime}, {needing} of them if the machine has what they need{but}."
                ),
            });
        } else if breaks == 0 && open == 0 && !everywhere {
            words.push(match total {
                1 => format!("It {fits} {runtime}{but}."),
                _ => format!("All {total}{readable} {would} {runtime}{but}."),
            });
        } else if is_faulty {
            words.push(format!("And {runtime} has errors of its own."));
        }
    }
    let more = runtimes.len().saturating_sub(FEW);
    if more > 0 {
        words.push(format!("And {} more.", counted(more, "runtime")));
    }
    words
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
fn on_none(report: &Report, all: &[Judged<'_>]) -> Option<String> {
    let broken = all.iter().filter(|judged| judged.breaks_everywhere());
    let on = match report.run.has_target {
        true => "the target",
        false => "any runtime",
    };
    match (broken.count(), all.len()) {
        (0, _) => None,
        (1, 1) => Some(format!("It does not run on {on}.")),
        (1, total) => Some(format!("1 of {total} does not run on {on}.")),
        (count, total) => Some(format!("{count} of {total} do not run on {on}.")),
    }
}

/// Without a runtime, any release is enough, and that is no gate.
fn on_releases(report: &Report, all: &[Judged<'_>]) -> Option<String> {
    let checked = all.iter().filter(|judged| !judged.on.is_empty());
    let fits = |judged: &&Judged<'_>| !judged.breaks_everywhere() && judged.fits_somewhere();
    let total = checked.clone().count();
    let good = checked.filter(fits).count();
    match (good, total) {
        (_, 0) => None,
        (0, 1) if on_none(report, all).is_some() => on_none(report, all),
        (1, 1) => Some("It fits at least one TVM release.".to_owned()),
        (0, 1) if all.iter().any(|judged| judged.state == State::Undecided) => {
            Some("Whether it fits any TVM release is undecided.".to_owned())
        }
        (0, 1) => Some("It fits no known TVM release.".to_owned()),
        (0, _) => Some(format!("None of {total} fits any known TVM release.")),
        _ => Some(format!("{good} of {total} fit at least one TVM release.")),
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
