//! Artifacts x runtimes as a table.

use std::collections::HashMap;

use artcheck_inspect::scan::VerdictStatus;
use comfy_table::{Table, presets};

use super::groups::alike;
use super::model::{Entry, Report, Verdict};
use super::style::Style;

/// Rows that reports show; the others are counted.
pub const MOST_ROWS: usize = 1_000;

/// Verdicts by row (library) and column (runtime), in order of appearance.
pub struct Grid<'a> {
    /// Runtimes.
    pub columns: Vec<&'a str>,
    /// What stands in them.
    pub rows: Vec<Row<'a>>,
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

/// Arranges the verdicts of a report.
pub fn grid(report: &Report) -> Grid<'_> {
    let runtimes = report
        .verdicts()
        .map(|(_, verdict)| verdict.runtime.as_str());
    let columns: Vec<&str> = alike(runtimes, |name| *name)
        .iter()
        .filter_map(|names| names.first().copied())
        .collect();
    let places: HashMap<&str, usize> = columns.iter().copied().zip(0..).collect();
    let mut rows: Vec<Row<'_>> = Vec::new();
    for artifact in &report.artifacts {
        let libraries = alike(artifact.verdicts.iter(), |verdict| {
            verdict.prefix.as_deref()
        });
        for verdicts in libraries {
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
    }
    Grid { columns, rows }
}

/// Renders the verdicts as a table: one row per library, one column per runtime.
pub fn render(report: &Report, style: Style) -> String {
    let grid = grid(report);
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let mut header = vec![String::from("artifact")];
    header.extend(grid.columns.iter().map(|name| (*name).to_owned()));
    table.set_header(header);
    let more = grid.rows.len().saturating_sub(MOST_ROWS);
    for row in grid.rows.into_iter().take(MOST_ROWS) {
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
