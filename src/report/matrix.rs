//! Artifacts x runtimes as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use artcheck_inspect::runtime::{glue, history};
use artcheck_inspect::scan::VerdictStatus;
use artcheck_inspect::{Severity, rules};
use textwrap::core::display_width;

use super::grid::{Grid, MOST_ROWS, Row, grid};
use super::model::{Report, Verdict};
use super::phrases::counted;
use super::runtime_names::head;
use super::state::{State, judged};
use super::style::Style;

/// Neighbouring columns that say the same in every row.
struct Band<'a> {
    runtimes: Vec<&'a str>,
    marks: Vec<Mark<'a>>,
}

/// What a cell says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark<'a> {
    Fits,
    /// Where the machine has what the verdict names.
    FitsIf,
    /// With the first of the rules that break it.
    Breaks(&'a str),
    Undecided,
    Unchecked,
}

impl<'a> Mark<'a> {
    fn of(verdict: Option<&'a Verdict>) -> Self {
        let Some(verdict) = verdict else {
            return Self::Unchecked;
        };
        match verdict.status {
            VerdictStatus::Fits => Self::Fits,
            VerdictStatus::FitsIf => Self::FitsIf,
            VerdictStatus::Undecided => Self::Undecided,
            VerdictStatus::Breaks => {
                Self::Breaks(verdict.rules.first().map_or("✗", String::as_str))
            }
        }
    }

    fn text(self) -> &'a str {
        match self {
            Self::Fits => "✓",
            Self::FitsIf => "(✓)",
            Self::Breaks(rule) => rule,
            Self::Undecided => "?",
            Self::Unchecked => "-",
        }
    }

    fn painted(self, style: Style, text: &str) -> String {
        match self {
            Self::Fits | Self::FitsIf => style.good(text),
            Self::Breaks(_) => style.bad(text),
            Self::Undecided => style.undecided(text),
            Self::Unchecked => style.dim(text),
        }
    }
}

fn bands<'a>(grid: &Grid<'a>) -> Vec<Band<'a>> {
    let mut bands: Vec<Band<'a>> = Vec::new();
    for (place, runtime) in grid.columns.iter().enumerate() {
        let cells = grid
            .rows
            .iter()
            .map(|row| row.cells.get(place).copied().flatten());
        let marks: Vec<Mark<'a>> = cells.map(Mark::of).collect();
        let is_release = |name: &str| history::place(name).is_some();
        match bands.last_mut() {
            Some(band)
                if band.marks == marks
                    && is_release(runtime)
                    && band.runtimes.iter().all(|name| is_release(name)) =>
            {
                band.runtimes.push(runtime);
            }
            _ => bands.push(Band {
                runtimes: vec![runtime],
                marks,
            }),
        }
    }
    bands
}

/// Before cells that do not fit on the line of the name.
const INDENT: usize = 2;

/// Columns of a name that is written at the head of a column.
const LONGEST_HEAD: usize = 12;

/// Renders the verdicts as a table: one row per library, newest release first,
/// releases that say the same in one column.
pub fn render(report: &Report, style: Style) -> String {
    let grid = grid(report);
    let mut out = String::new();
    if grid.rows.is_empty() {
        out.push_str("No model library was found.\n");
        write_beside(&mut out, report, style);
        return out;
    }
    let more = grid.more;
    let (in_pages, native) = apart(grid);
    let are_both = !in_pages.rows.is_empty() && !native.rows.is_empty();
    let mut all = Vec::new();
    for (title, grid) in [("TVM", &native), ("web-llm", &in_pages)] {
        if grid.rows.is_empty() {
            continue;
        }
        if are_both {
            let between = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{between}{}", style.bold(title));
        }
        let bands = bands(grid);
        let (heads, notes) = heads(&bands);
        write_tables(&mut out, grid, &bands, &heads, style);
        for note in notes {
            let _ = writeln!(out, "{note}");
        }
        all.extend(bands);
    }
    if more > 0 {
        let more = counted(more, "row");
        let _ = writeln!(out, "{more} more are in the JSON report.");
    }
    out.push_str(&style.paragraph("\n", 0, &legend(&all)));
    write_beside(&mut out, report, style);
    out
}

fn is_page(runtime: &str) -> bool {
    glue::by_name(runtime).is_some()
}

/// Libraries that run in pages, and the others: no package of JavaScript is a runtime for
/// both.
fn apart<'a>(grid: Grid<'a>) -> (Grid<'a>, Grid<'a>) {
    let in_page = |row: &Row<'a>| {
        let mut cells = grid.columns.iter().zip(&row.cells);
        cells.any(|(name, cell)| cell.is_some() && is_page(name))
    };
    let (in_pages, native): (Vec<Row<'a>>, Vec<Row<'a>>) = grid.rows.into_iter().partition(in_page);
    (
        without_empty(&grid.columns, in_pages),
        without_empty(&grid.columns, native),
    )
}

/// The rows with the columns that say something in one of them.
fn without_empty<'a>(columns: &[&'a str], rows: Vec<Row<'a>>) -> Grid<'a> {
    let says = |place: &usize| {
        let mut cells = rows.iter().filter_map(|row| row.cells.get(*place));
        cells.any(Option::is_some)
    };
    let places: Vec<usize> = (0..columns.len()).filter(says).collect();
    let kept = places
        .iter()
        .filter_map(|place| columns.get(*place))
        .copied();
    let kept = kept.collect();
    let rows = rows.into_iter().map(|row| Row {
        cells: places
            .iter()
            .map(|place| row.cells.get(*place).copied().flatten())
            .collect(),
        ..row
    });
    Grid {
        columns: kept,
        rows: rows.collect(),
        more: 0,
    }
}

/// Writes as many tables as it takes for each to have room.
fn write_tables(
    out: &mut String,
    grid: &Grid<'_>,
    bands: &[Band<'_>],
    heads: &[String],
    style: Style,
) {
    let room = style.width.unwrap_or(usize::MAX).saturating_sub(INDENT);
    let (mut first, mut taken) = (0, 0usize);
    for (place, (band, head)) in bands.iter().zip(heads).enumerate() {
        let width = width(band, head).saturating_add(1);
        if place > first && taken.saturating_add(width) > room {
            let range = first..place;
            if let Some(part) = bands.get(range.clone()).zip(heads.get(range)) {
                write_table(out, grid, part.0, part.1, style);
            }
            out.push('\n');
            (first, taken) = (place, 0);
        }
        taken = taken.saturating_add(width);
    }
    if let Some(part) = bands.get(first..).zip(heads.get(first..)) {
        write_table(out, grid, part.0, part.1, style);
    }
}

/// Columns that a band takes.
fn width(band: &Band<'_>, head: &str) -> usize {
    let marks = band.marks.iter().map(|mark| display_width(mark.text()));
    marks.chain([display_width(head)]).max().unwrap_or(0)
}

/// The head of each column, and the notes of those whose names are too long for one.
fn heads(bands: &[Band<'_>]) -> (Vec<String>, Vec<String>) {
    let mut notes = Vec::new();
    let names = bands.iter().flat_map(|band| &band.runtimes);
    let (pages, others): (Vec<&str>, Vec<&str>) = names.partition(|name| is_page(name));
    // A number alone would not tell of which it is.
    let are_both = !pages.is_empty() && !others.is_empty();
    let words = |band: &Band<'_>| match band.runtimes.as_slice() {
        [first, .., last] => format!("{}-{}", head(first), head(last)),
        [only] if are_both && display_width(only) <= LONGEST_HEAD => (*only).to_owned(),
        [only] if !are_both && display_width(head(only)) <= LONGEST_HEAD => head(only).to_owned(),
        [only] => {
            notes.push(format!("[{}] {only}", notes.len() + 1));
            format!("[{}]", notes.len())
        }
        [] => String::new(),
    };
    (bands.iter().map(words).collect(), notes)
}

/// Writes the heads and a row per library; each has lines of its own where names and cells
/// do not fit on one.
fn write_table(
    out: &mut String,
    grid: &Grid<'_>,
    bands: &[Band<'_>],
    heads: &[String],
    style: Style,
) {
    let widths = bands.iter().zip(heads);
    let widths: Vec<usize> = widths.map(|(band, head)| width(band, head)).collect();
    let cells_width: usize = widths.iter().map(|width| width + 1).sum();
    let names = grid.rows.iter().map(|row| display_width(&row.subject));
    let longest = names.max().unwrap_or(0);
    let fits = style
        .width
        .is_none_or(|width| longest + 1 + cells_width <= width);
    let column = if fits { longest + 1 } else { INDENT };
    let line = |cells: Vec<String>| cells.join(" ").trim_end().to_owned();
    let padded = |text: &str, width: usize| " ".repeat(width.saturating_sub(display_width(text)));
    let heads = heads.iter().zip(&widths);
    let heads = heads.map(|(head, width)| format!("{}{}", style.bold(head), padded(head, *width)));
    let _ = writeln!(out, "{}{}", " ".repeat(column), line(heads.collect()));
    for (place, row) in grid.rows.iter().enumerate() {
        out.push_str(&style.bold(&row.subject));
        out.push_str(&if fits {
            padded(&row.subject, column)
        } else {
            format!("\n{}", " ".repeat(column))
        });
        let cells = bands.iter().zip(&widths).filter_map(|(band, width)| {
            let mark = band.marks.get(place)?;
            let text = mark.text();
            let painted = mark.painted(style, text);
            Some(format!("{painted}{}", padded(text, *width)))
        });
        let _ = writeln!(out, "{}", line(cells.collect()));
    }
}

/// What the marks mean.
fn legend(bands: &[Band<'_>]) -> String {
    let is_if = |mark: &Mark<'_>| *mark == Mark::FitsIf;
    let needs = bands.iter().any(|band| band.marks.iter().any(is_if));
    let if_needs = if needs {
        "; (✓) fits if the machine has what the library needs (`artcheck scan` names it)"
    } else {
        ""
    };
    format!(
        "✓ fits{if_needs}; {0}: breaks (the first rule that it violates: `artcheck explain {0}`); ? undecided",
        rules::VM_FORMAT
    )
}

/// Writes what no cell says.
fn write_beside(out: &mut String, report: &Report, style: Style) {
    let beside = beside(report);
    if !beside.is_empty() {
        out.push_str("\nnot in the table:\n");
    }
    for (subject, said) in beside.iter().take(MOST_ROWS) {
        let needed = display_width(subject).saturating_add(display_width(said));
        let fits = style
            .width
            .is_none_or(|width| needed.saturating_add(4) <= width);
        let between = if fits { "  " } else { "\n      " };
        let _ = writeln!(out, "  {}{between}{said}", style.bold(subject));
    }
    let more = beside.len().saturating_sub(MOST_ROWS);
    if more > 0 {
        let more = counted(more, "line");
        let _ = writeln!(out, "{more} more are in the JSON report.");
    }
}

/// Errors that are no library's on a runtime, as those of an environment, and files that
/// were held against none or not read.
fn beside(report: &Report) -> BTreeMap<&str, String> {
    let all = judged(report);
    let mut errors: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let known: BTreeSet<_> = all.iter().map(|one| one.entry.key()).collect();
    for finding in &report.findings {
        let key = (finding.file.clone(), finding.artifact.clone());
        if finding.severity == Severity::Error && !known.contains(&key) {
            let of_place = errors.entry(finding.artifact.as_str()).or_default();
            of_place.insert(&finding.rule);
        }
    }
    let mut said: BTreeMap<&str, String> = BTreeMap::new();
    let mut unread = BTreeSet::new();
    for one in &all {
        if one.state == State::Unreadable {
            unread.insert(one.entry.path.as_str());
        }
        let in_cells = |rule: &&&str| one.on.iter().any(|on| on.rules.contains(*rule));
        let others: BTreeSet<&str> = one
            .errors
            .iter()
            .filter(|it| !in_cells(it))
            .copied()
            .collect();
        let in_row = |status| one.on.iter().any(|on| on.status == status);
        let is_open = one.state == State::Undecided && !in_row(VerdictStatus::Undecided);
        if !others.is_empty() {
            errors.insert(one.entry.path.as_str(), others);
        } else if one.on.is_empty() || is_open {
            said.insert(one.entry.path.as_str(), one.state.word().to_owned());
        }
    }
    said.extend(errors.into_iter().map(|(subject, rules)| {
        let rules: Vec<&str> = rules.into_iter().collect();
        let word = match unread.contains(subject) {
            true => State::Unreadable.word(),
            false => State::Breaks.word(),
        };
        (subject, format!("{word} ({})", rules.join(", ")))
    }));
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_libraries_have_a_table_of_their_own() {
        let on = |artifact: &str, runtime: &str| {
            serde_json::json!({ "artifact": artifact, "runtime": runtime, "source": "release",
                "status": "fits", "rules": [] })
        };
        let entry = |path: &str| {
            serde_json::json!({ "path": path, "size": 1, "role": "model-library",
                "libraries": [], "problems": [] })
        };
        let report = serde_json::json!({
            "schema": super::super::model::SCHEMA,
            "tool": { "name": "artcheck", "version": "0" },
            "summary": { "artifacts": 2, "errors": 0, "warnings": 0, "infos": 0, "undecided": false },
            "artifacts": [entry("a.so"), entry("b.wasm")],
            "runtimes": [], "findings": [],
            "verdicts": [on("a.so", "tvm-0.27"), on("b.wasm", "web-llm-0.2.86")],
        });
        let report: Report = serde_json::from_value(report).expect("a report");
        let style = Style {
            color: false,
            width: Some(80),
        };
        let text = render(&report, style);
        let tables = "TVM\n     0.27\na.so ✓\n\nweb-llm\n       0.2.86\nb.wasm ✓\n";
        assert!(text.starts_with(tables), "{text}");
    }
}
