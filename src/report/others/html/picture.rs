//! The matrix as a picture: artifacts down, runtimes across.

use std::collections::HashMap;

use artcheck_inspect::runtime::release;
use artcheck_inspect::scan::VerdictStatus;
use serde::Serialize;

use crate::report::grid;
use crate::report::model::{Entry, Key, Verdict};

#[derive(Serialize)]
pub(super) struct Column {
    name: String,
    short: String,
}

#[derive(Serialize)]
pub(super) struct Row {
    name: String,
    short: String,
    anchor: String,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    state: &'static str,
    sign: &'static str,
    words: String,
    rules: String,
}

pub(super) fn column(name: &str) -> Column {
    Column {
        name: name.to_owned(),
        short: runtime_short(name),
    }
}

/// A runtime's name as a column head: the part of a long path that tells it apart.
fn runtime_short(name: &str) -> String {
    if release::by_name(name).is_some() {
        return name.trim_start_matches("tvm-").to_owned();
    }
    const COMMON: [&str; 6] = ["lib", "lib64", "site-packages", "tvm", "tvm_ffi", "Lib"];
    name.split(['/', '\\'])
        .rfind(|part| !part.is_empty() && !COMMON.contains(part) && !part.starts_with("python3"))
        .unwrap_or(name)
        .to_owned()
}

pub(super) fn row(line: &grid::Row<'_>, anchors: &HashMap<Key, String>) -> Row {
    // Short enough for a table; the whole name is its title.
    let name = line.subject.as_str();
    let short = name.rsplit('/').next().unwrap_or(name);
    Row {
        anchor: anchors
            .get(&line.artifact.key())
            .cloned()
            .unwrap_or_default(),
        cells: line.cells.iter().map(|verdict| cell(*verdict)).collect(),
        name: name.to_owned(),
        short: short.to_owned(),
    }
}

/// A file that could not be read, on every runtime.
pub(super) fn unreadable(entry: &Entry, anchor: Option<&String>, columns: usize) -> Row {
    let name = entry.path.to_string();
    let cell = || Cell {
        state: "caution",
        sign: "?",
        words: String::from("unreadable"),
        rules: String::from("unreadable"),
    };
    Row {
        short: name.rsplit('/').next().unwrap_or(&name).to_owned(),
        name,
        anchor: anchor.cloned().unwrap_or_default(),
        cells: (0..columns).map(|_| cell()).collect(),
    }
}

/// Folders that a short name takes at most, so that it is no other row's.
const FOLDERS: usize = 4;

/// Files of one name get the folders that tell them apart.
pub(super) fn tell_apart(rows: &mut [Row]) {
    for _ in 0..FOLDERS {
        let mut times: HashMap<String, usize> = HashMap::new();
        for row in rows.iter() {
            *times.entry(row.short.clone()).or_default() += 1;
        }
        let shared = |row: &&mut Row| times.get(&row.short).is_some_and(|times| *times > 1);
        for row in rows.iter_mut().filter(shared) {
            let before = row.name.len().saturating_sub(row.short.len());
            let folders = row.name.get(..before).unwrap_or_default();
            let folders = folders.trim_end_matches('/');
            let start = folders.rfind('/').map_or(0, |at| at + 1);
            row.short = row.name.get(start..).unwrap_or(&row.name).to_owned();
        }
    }
}

fn cell(verdict: Option<&Verdict>) -> Cell {
    let Some(verdict) = verdict else {
        return Cell {
            state: "none",
            sign: "–",
            words: String::from("not compared"),
            rules: String::new(),
        };
    };
    let (state, sign, words) = match verdict.status {
        VerdictStatus::Fits => ("good", "✓", String::from("fits")),
        VerdictStatus::FitsIf => {
            let needs = verdict.needs.iter().map(|need| need.library.as_str());
            let needs = needs.collect::<Vec<_>>().join(", ");
            ("good", "(✓)", format!("fits if the machine has {needs}"))
        }
        VerdictStatus::Undecided => ("caution", "?", String::from("undecided")),
        VerdictStatus::Breaks => match &verdict.runs_with {
            Some(with) => ("bad", "✗", format!("breaks; runs with {with}")),
            None => ("bad", "✗", String::from("breaks")),
        },
    };
    Cell {
        state,
        sign,
        words,
        rules: verdict.rules.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_are_told_apart() {
        let row = |name: &str| Row {
            name: name.to_owned(),
            short: name.rsplit('/').next().unwrap_or(name).to_owned(),
            anchor: String::new(),
            cells: Vec::new(),
        };
        let mut rows = [
            row("a/b/m.so"),
            row("a/c/m.so"),
            row("a/c/n.so"),
            row("m.so"),
        ];
        tell_apart(&mut rows);
        let short: Vec<&str> = rows.iter().map(|row| row.short.as_str()).collect();
        assert_eq!(short, ["b/m.so", "c/m.so", "n.so", "m.so"]);
    }

    #[test]
    fn a_column_head_is_what_tells_a_runtime_apart() {
        assert_eq!(runtime_short("tvm-0.27"), "0.27");
        assert_eq!(
            runtime_short("venv/tvm-0.25/lib/python3.11/site-packages"),
            "tvm-0.25"
        );
    }
}
