//! Reports of several runs of one matrix as one: of shards, of devices.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use artcheck_inspect::source::Spelled as _;
use artcheck_verify::MatrixReport;

use crate::report::shards;

/// Joins the reports. Rows come in the order of the matrix; if the reports are
/// shards, all of them must be there.
pub fn join(reports: Vec<MatrixReport>) -> anyhow::Result<MatrixReport> {
    complete(&reports)?;
    let mut reports = reports.into_iter();
    let mut joined = reports.next().context("no report was named")?;
    joined.shard = None;
    for report in reports {
        if report.matrix != joined.matrix {
            bail!(
                "reports of different matrices: {} and {}",
                joined.matrix.spelled(),
                report.matrix.spelled()
            );
        }
        joined.require_all |= report.require_all;
        joined.rows.extend(report.rows);
    }
    let mut names = BTreeSet::new();
    if let Some(row) = joined.rows.iter().find(|row| !names.insert(&row.name)) {
        bail!("row `{}` is in two reports", row.name);
    }
    joined.rows.sort_by_key(|row| row.place);
    Ok(joined)
}

/// Either no report is a shard, or every shard of one division is there.
fn complete(reports: &[MatrixReport]) -> anyhow::Result<()> {
    let labels = || reports.iter().map(|report| report.shard.as_deref());
    let Some(first) = labels().flatten().next() else {
        return Ok(());
    };
    let is_of_it = |label: &str| shards::total(label) == shards::total(first);
    if let Some(other) = labels().find(|label| !label.is_some_and(is_of_it)) {
        let found = other.map_or("a report of all rows".to_owned(), |l| format!("shard {l}"));
        bail!(
            "{found} does not fit beside shard {first}: \
             all reports must be shards of one division"
        );
    }
    shards::complete(labels().flatten())
}
