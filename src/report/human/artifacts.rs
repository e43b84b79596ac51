//! A line per artifact: its name, one word, and where it fits. More about it where
//! there is only one, or where more was asked for.

use std::collections::HashSet;
use std::fmt::Write as _;

use artcheck_inspect::runtime::history::spans;
use artcheck_inspect::scan::VerdictStatus;

use crate::report::groups::alike;
use crate::report::model::{Report, Runtime};
use crate::report::phrases::{MOST, SCREENFUL, counted};
use crate::report::state::{Judged, State};
use crate::report::style::Style;

/// Columns of the longest word.
const WORD: usize = 10;
/// Columns that words and ranges need beside a name.
const BESIDE: usize = 40;

/// Writes the lines. Beyond a screenful, what is healthy becomes a count.
pub(super) fn write(out: &mut String, all: &[Judged<'_>], style: Style, verbose: bool) {
    let collapse = !verbose && all.len() > SCREENFUL;
    let is_told = |judged: &&Judged<'_>| !collapse || judged.state != State::Fits;
    let told: Vec<&Judged<'_>> = all.iter().filter(is_told).collect();
    let shown = told.get(..most(told.len(), verbose)).unwrap_or_default();
    let names = shown.iter().map(|judged| name(judged).chars().count());
    let room = style
        .width
        .map_or(usize::MAX, |width| width.saturating_sub(BESIDE));
    let column = names.filter(|length| *length <= room).max().unwrap_or(0);
    for judged in shown {
        line(out, judged, column, style);
        if verbose || all.len() == 1 {
            details(out, judged, style);
        }
    }
    let hidden = told.len().saturating_sub(shown.len());
    if hidden > 0 {
        let _ = writeln!(out, "and {hidden} more that do not fit");
    }
    let healthy = all.len().saturating_sub(told.len());
    if healthy > 0 {
        let fit = style.good("fit");
        let _ = match told.is_empty() {
            true => writeln!(out, "all {healthy} {fit}"),
            false => writeln!(out, "and {healthy} that {fit}"),
        };
    }
}

fn most(count: usize, verbose: bool) -> usize {
    count.min(if verbose { MOST } else { 2 * SCREENFUL })
}

fn name<'a>(judged: &'a Judged<'_>) -> &'a str {
    &judged.entry.path
}

fn line(out: &mut String, judged: &Judged<'_>, column: usize, style: Style) {
    let name = name(judged);
    let length = name.chars().count();
    out.push_str(&style.bold(name));
    // A long name has the line for itself.
    let at = match column.checked_sub(length) {
        Some(missing) => {
            out.push_str(&" ".repeat(missing.saturating_add(2)));
            column.saturating_add(2)
        }
        None => {
            out.push_str("\n    ");
            4
        }
    };
    let range = range(judged);
    let word = format!("{:<WORD$}", judged.state.word());
    let word = if range.is_empty() {
        word.trim_end()
    } else {
        &word
    };
    let first = format!("{}  ", paint(judged.state, word, style));
    let text = style.paragraph(&first, at.saturating_add(WORD).saturating_add(2), &range);
    out.push_str(text.trim_end());
    out.push('\n');
}

fn paint(state: State, word: &str, style: Style) -> String {
    match state {
        State::Breaks | State::Unreadable => style.bad(word),
        State::Undecided => style.undecided(word),
        State::Fits | State::FitsIf => style.good(word),
        State::Unchecked | State::NoLibrary => style.dim(word),
    }
}

/// Where it fits, and what breaks it where it was asked to run.
fn range(judged: &Judged<'_>) -> String {
    let entry = judged.entry;
    let of = |status| -> Vec<&str> {
        let on = judged.on.iter().filter(|on| on.status == status);
        on.map(|on| on.runtime).collect()
    };
    let fits = of(VerdictStatus::Fits);
    let mut words = Vec::new();
    match judged.state {
        State::Unreadable | State::NoLibrary => {
            words.extend(entry.problems.first().map(|p| p.detail.clone()))
        }
        State::Breaks if judged.breaks_everywhere() => {
            let codes: Vec<&str> = judged.everywhere.iter().copied().collect();
            return format!("on every runtime ({})", codes.join(" "));
        }
        State::Breaks if judged.wanted => words.extend(broken(judged)),
        State::Breaks if fits.is_empty() && !judged.on.is_empty() => {
            words.push("no known release runs it".to_owned());
        }
        State::Undecided => {
            let runtimes = of(VerdictStatus::Undecided);
            words.extend((!runtimes.is_empty()).then(|| format!("on {}", spans(&runtimes))));
            let mut problems = entry.problems.iter();
            let open = problems.find(|problem| problem.kind.leaves_undecided());
            words.extend(
                open.filter(|_| runtimes.is_empty())
                    .map(|it| it.detail.clone()),
            );
        }
        _ => {}
    }
    if judged.state == State::Breaks && words.is_empty() {
        let codes: Vec<&str> = judged.errors.iter().copied().collect();
        words.push(codes.join(" "));
    } else if judged.state == State::FitsIf {
        words.extend(needing(judged));
        words.extend((!fits.is_empty()).then(|| format!("fits {}", spans(&fits))));
    } else if judged.state == State::Fits {
        words.push(spans(&fits));
    } else if !fits.is_empty() {
        words.push(format!("fits {}", spans(&fits)));
    }
    words.join("; ")
}

/// `on tvm-0.26 (AC105)`, per set of rules; the newest release first.
fn broken(judged: &Judged<'_>) -> Vec<String> {
    let on = judged.on.iter();
    let on = on.filter(|on| on.status == VerdictStatus::Breaks);
    let by_rules = alike(on, |on| (on.rules.as_slice(), on.runs_with));
    let words = by_rules.iter().rev().map(|on| {
        let runtimes: Vec<&str> = on.iter().map(|on| on.runtime).collect();
        let rules = on.first().map_or(&[][..], |on| &on.rules);
        let with = on.first().and_then(|on| on.runs_with);
        let with = with.map_or(String::new(), |with| format!("; runs with {with}"));
        format!("on {} ({}){with}", spans(&runtimes), rules.join(" "))
    });
    words.collect()
}

/// `the machine has libcuda.so.1 (tvm-0.27)`, per list of needs.
fn needing(judged: &Judged<'_>) -> Vec<String> {
    let on = judged.on.iter();
    let on = on.filter(|on| on.status == VerdictStatus::FitsIf);
    let by_needs = alike(on, |on| &on.needs);
    let words = by_needs.iter().map(|on| {
        let runtimes: Vec<&str> = on.iter().map(|on| on.runtime).collect();
        let needs = on.iter().take(1).flat_map(|on| on.needs.iter().copied());
        let needs: Vec<&str> = needs.collect();
        format!(
            "the machine has {} ({})",
            needs.join(", "),
            spans(&runtimes)
        )
    });
    words.collect()
}

/// What it is made of, and why it breaks where.
fn details(out: &mut String, judged: &Judged<'_>, style: Style) {
    // Its line says all that is known.
    if judged.state == State::Unreadable {
        return;
    }
    let entry = judged.entry;
    let mut dim = |text: &str| {
        for (number, line) in style.lines(text, 4).iter().enumerate() {
            let indent = if number == 0 { "  " } else { "    " };
            let _ = writeln!(out, "{indent}{}", style.dim(line));
        }
    };
    dim(&entry.about);
    for library in entry.libraries.iter() {
        dim(&library.summary.to_string());
    }
    // No runtime mends it.
    if judged.breaks_everywhere() {
        return;
    }
    if let Some(needs) = &entry.needs {
        out.push_str(&style.paragraph("  needs  ", 9, needs));
    }
    if judged.wanted {
        return;
    }
    for line in broken(judged) {
        let first = format!("  {} ", style.bad("breaks"));
        out.push_str(&style.paragraph(&first, 9, &line));
    }
}

/// The runtimes that lie among the paths.
pub(super) fn runtimes(out: &mut String, report: &Report, style: Style, verbose: bool) {
    // The runtime inside a wasm library has no line of its own.
    let libraries = report
        .artifacts
        .iter()
        .filter(|entry| !entry.libraries.is_empty());
    let inside: HashSet<&str> = libraries.map(|entry| entry.path.as_str()).collect();
    let is_shown = |r: &&Runtime| verbose || (r.runs_models && !inside.contains(r.name.as_str()));
    let shown = report.runtimes.iter().filter(is_shown);
    let shown: Vec<_> = shown.collect();
    for runtime in shown.iter().take(most(shown.len(), verbose)) {
        let about = if verbose {
            runtime.about.clone()
        } else {
            let release = runtime
                .release
                .as_ref()
                .map(|release| format!("TVM {release}"));
            release.unwrap_or_default()
        };
        let text = format!("{}  {about}", runtime.name);
        let first = format!("{}  ", style.bold("runtime"));
        out.push_str(style.paragraph(&first, 9, text.trim_end()).trim_end());
        out.push('\n');
    }
    let hidden = shown.len().saturating_sub(most(shown.len(), verbose));
    if hidden > 0 {
        let _ = writeln!(out, "and {} more", counted(hidden, "runtime"));
    }
}
