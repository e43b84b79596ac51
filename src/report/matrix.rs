//! Artifacts x runtimes as a table.

use std::collections::HashMap;

use artcheck_inspect::scan::VerdictStatus;
use comfy_table::{Table, presets};

use super::groups::alike;
use super::model::{Entry, Report, Verdict};
use super::style::Style;

/// Rows that reports show; the others are counted.
const MOST_ROWS: usize = 1_000;

/// Verdicts by row (library) and column (runtime), in order of appearance.
pub struct Grid<'a> {
    /// Runtimes.
    pub columns: Vec<&'a str>,
    /// What stands in them.
    pub rows: Vec<Row<'a>>,
    /// Libraries that have no row.
    pub more: usize,
}

/// One library on every runtime.
pub struct Row<'a> {
    /// The artifact, with the library's prefix where it has one.
    pub subject: String,
    /// The artifact.
    pub artifact: &'a Entry,
    /// `None` where a pair was not looked at.
    pub cells: Vec<Option<&'a Verdict>>,
}

/// Arranges the verdicts of a report: the first [`MOST_ROWS`] libraries, on the
/// runtimes that they were held against.
pub fn grid(report: &Report) -> Grid<'_> {
    let libraries = report.artifacts.iter().flat_map(|artifact| {
        let verdicts = artifact.verdicts.iter();
        let libraries = alike(verdicts, |verdict| verdict.prefix.as_deref());
        libraries
            .into_iter()
            .map(move |verdicts| (artifact, verdicts))
    });
    let mut libraries: Vec<_> = libraries.collect();
    let more = libraries.len().saturating_sub(MOST_ROWS);
    libraries.truncate(MOST_ROWS);
    let verdicts = libraries.iter().flat_map(|(_, verdicts)| verdicts);
    let runtimes = alike(verdicts.map(|v| v.runtime.as_str()), |name| *name);
    let columns: Vec<&str> = runtimes
        .iter()
        .flat_map(|names| names.first().copied())
        .collect();
    let places: HashMap<&str, usize> = columns.iter().copied().zip(0..).collect();
    let mut rows = Vec::new();
    for (artifact, verdicts) in libraries {
        let mut cells = vec![None; columns.len()];
        for verdict in &verdicts {
            let place = places.get(verdict.runtime.as_str());
            if let Some(cell) = place.and_then(|place| cells.get_mut(*place)) {
                *cell = Some(*verdict);
            }
        }
        rows.extend(verdicts.first().map(|first| Row {
            subject: first.subject(artifact),
            artifact,
            cells,
        }));
    }
    Grid {
        columns,
        rows,
        more,
    }
}

/// Renders the verdicts as a table: one row per library, one column per runtime.
pub fn render(report: &Report, style: Style) -> String {
    let grid = grid(report);
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let mut header = vec![String::from("artifact")];
    header.extend(grid.columns.iter().map(|name| (*name).to_owned()));
    table.set_header(header);
    let more = grid.more;
    for row in grid.rows {
        let cells = row.cells.into_iter().map(|verdict| {
            verdict.map_or_else(|| String::from("-"), |verdict| cell(verdict, style))
        });
        table.add_row(std::iter::once(row.subject).chain(cells));
    }
    match more {
        0 => format!("{table}\n"),
        _ => format!("{table}\n{more} more rows are not shown; the JSON report has them.\n"),
    }
}

fn cell(verdict: &Verdict, style: Style) -> String {
    match verdict.status {
        VerdictStatus::Fits => style.good("fits"),
        VerdictStatus::Undecided => style.unsure("?"),
        VerdictStatus::Breaks => style.bad(&verdict.rules.join("\n")),
    }
}
