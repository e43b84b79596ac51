//! Reports of several runs of one matrix as one: of shards, of devices.

use std::collections::BTreeSet;

use thiserror::Error;

use super::MatrixReport;

/// Why reports cannot be joined.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum JoinError {
    /// There is nothing to join.
    #[error("no report was named")]
    Empty,
    /// Two matrices are two runs.
    #[error("reports of different matrices: {0} and {1}")]
    Matrices(String, String),
    /// Shards of another division, or none, beside shards.
    #[error("{0} does not fit beside shard {1}: all reports must be shards of one division")]
    Divisions(String, String),
    /// A share of the rows would be missing silently.
    #[error("shard {0} is missing")]
    MissingShard(String),
    /// A row has two results.
    #[error("row `{0}` is in two reports")]
    Twice(String),
}

/// Joins the reports. Rows come in the order of the matrix; if the reports are
/// shards, all of them must be there.
pub fn join(reports: Vec<MatrixReport>) -> Result<MatrixReport, JoinError> {
    complete(&reports)?;
    let mut reports = reports.into_iter();
    let mut joined = reports.next().ok_or(JoinError::Empty)?;
    joined.shard = None;
    for report in reports {
        if report.matrix != joined.matrix {
            let name = |r: &MatrixReport| r.matrix.display().to_string();
            return Err(JoinError::Matrices(name(&joined), name(&report)));
        }
        joined.require_all |= report.require_all;
        joined.rows.extend(report.rows);
    }
    let mut names = BTreeSet::new();
    if let Some(row) = joined.rows.iter().find(|row| !names.insert(&row.name)) {
        return Err(JoinError::Twice(row.name.clone()));
    }
    joined.rows.sort_by_key(|row| row.place);
    Ok(joined)
}

/// Either no report is a shard, or every shard of one division is there.
fn complete(reports: &[MatrixReport]) -> Result<(), JoinError> {
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
                return Err(JoinError::Divisions(found, first.to_owned()));
            }
        }
    }
    let count = total(first).unwrap_or(0);
    let mut all = (1..=count).map(|k| format!("{k}/{count}"));
    match all.find(|label| !labels.contains(label.as_str())) {
        Some(missing) => Err(JoinError::MissingShard(missing)),
        None => Ok(()),
    }
}
