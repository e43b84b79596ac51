//! Verdicts by library and runtime, for each report that shows a table.

use std::collections::HashMap;

use artcheck_inspect::runtime::history;

use super::groups::alike;
use super::model::{Entry, Report, Verdict};

/// Rows that reports show; the others are counted.
pub const MOST_ROWS: usize = 1_000;

/// Verdicts by row (library) and column (runtime), newest release first.
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
    let names = libraries.iter().flat_map(|(artifact, verdicts)| {
        let names = verdicts.iter().map(|verdict| verdict.runtime_of(artifact));
        names.collect::<Vec<_>>()
    });
    let runtimes = alike(names, |name| *name);
    let columns: Vec<&str> = runtimes
        .iter()
        .flat_map(|names| names.first().copied())
        .collect();
    let columns = newest_first(columns);
    let places: HashMap<&str, usize> = columns.iter().copied().zip(0..).collect();
    let mut rows = Vec::new();
    for (artifact, verdicts) in libraries {
        let mut cells = vec![None; columns.len()];
        for verdict in &verdicts {
            let place = places.get(verdict.runtime_of(artifact));
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

/// Releases from the newest to the oldest; what is no release stays before them.
fn newest_first(mut columns: Vec<&str>) -> Vec<&str> {
    columns.sort_by_key(|name| history::place(name).map(std::cmp::Reverse));
    columns
}
