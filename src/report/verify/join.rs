//! Reports of several runs of one matrix as one: of shards, of devices.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use artcheck_inspect::source::Spelled as _;
use artcheck_verify::MatrixReport;

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
    let Some(first) = reports.iter().find_map(|r| r.shard.as_deref()) else {
        return Ok(());
    };
    let total = |label: &str| label.split_once('/')?.1.parse::<u32>().ok();
    let mut labels = BTreeSet::new();
    for report in reports {
        let label = report.shard.as_deref();
        match label {
            Some(label) if total(label).is_some() && total(label) == total(first) => {
                labels.insert(label);
            }
            other => {
                let found =
                    other.map_or("a report of all rows".to_owned(), |l| format!("shard {l}"));
                bail!(
                    "{found} does not fit beside shard {first}: \
                     all reports must be shards of one division"
                );
            }
        }
    }
    let count = total(first).unwrap_or(0);
    let mut all = (1..=count).map(|k| format!("{k}/{count}"));
    match all.find(|label| !labels.contains(label.as_str())) {
        Some(missing) => bail!("shard {missing} is missing"),
        None => Ok(()),
    }
}
