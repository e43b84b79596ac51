//! Artifacts x runtimes as a table.

use artcheck_inspect::scan::VerdictStatus;
use comfy_table::{Table, presets};

use super::model::{Report, Verdict};
use super::style::Style;

/// Verdicts by row (library) and column (runtime), in order of appearance.
pub struct Grid<'a> {
    /// Runtimes.
    pub columns: Vec<&'a str>,
    /// Subject and cells; `None` where a pair was not looked at.
    pub rows: Vec<(String, Vec<Option<&'a Verdict>>)>,
}

/// Arranges the verdicts of a report.
pub fn grid(report: &Report) -> Grid<'_> {
    let columns = in_order(
        report
            .verdicts
            .iter()
            .map(|verdict| verdict.runtime.as_str()),
    );
    let mut rows: Vec<(String, Vec<Option<&Verdict>>)> = Vec::new();
    for verdict in &report.verdicts {
        let subject = verdict.subject();
        let row = match rows.iter().position(|(name, _)| *name == subject) {
            Some(row) => row,
            None => {
                rows.push((subject, vec![None; columns.len()]));
                rows.len() - 1
            }
        };
        if let Some(column) = columns.iter().position(|name| *name == verdict.runtime) {
            rows[row].1[column] = Some(verdict);
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
    for (subject, cells) in grid.rows {
        let cells = cells.into_iter().map(|verdict| {
            verdict.map_or_else(|| String::from("-"), |verdict| cell(verdict, style))
        });
        table.add_row(std::iter::once(subject).chain(cells));
    }
    format!("{table}\n")
}

fn cell(verdict: &Verdict, style: Style) -> String {
    match verdict.status {
        VerdictStatus::Fits => style.good("fits"),
        VerdictStatus::Undecided => style.unsure("?"),
        VerdictStatus::Breaks => style.bad(&verdict.rules.join("\n")),
    }
}

/// Each value once, in order of first appearance.
fn in_order<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}
