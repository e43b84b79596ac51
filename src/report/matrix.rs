//! Artifacts x runtimes as a table.

use artcheck_inspect::scan::{Scan, Verdict, VerdictStatus};
use comfy_table::{Table, presets};

use super::style::Style;

/// Renders the verdicts as a table: one row per library, one column per runtime.
pub fn render(scan: &Scan, style: Style) -> String {
    let runtimes = in_order(scan.verdicts.iter().map(|verdict| verdict.runtime.as_str()));
    let rows = in_order(scan.verdicts.iter().map(row_name));
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let mut header = vec![String::from("artifact")];
    header.extend(runtimes.iter().map(|name| (*name).to_owned()));
    table.set_header(header);
    for row in &rows {
        let mut cells = vec![row.clone()];
        for runtime in &runtimes {
            let verdict = scan
                .verdicts
                .iter()
                .find(|verdict| row_name(verdict) == *row && verdict.runtime == *runtime);
            cells.push(verdict.map_or_else(|| String::from("-"), |verdict| cell(verdict, style)));
        }
        table.add_row(cells);
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

fn row_name(verdict: &Verdict) -> String {
    match &verdict.prefix {
        Some(prefix) => format!("{} [{prefix}]", verdict.artifact),
        None => verdict.artifact.clone(),
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
