//! The result of a run, as data. It becomes text elsewhere.

mod failure;
mod row;
mod stage;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use failure::tells_of_memory;
pub use failure::{Class, Failure};
pub use row::{Answer, Facts, Figures, Outcome, PrecheckFinding, RowReport, Shim};
pub use stage::Stage;

/// The result of a whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MatrixReport {
    /// Version of this structure; changes only when a key changes its meaning.
    pub schema: String,
    /// The matrix file, or the library or folder that was named in its place.
    pub matrix: PathBuf,
    /// The share of the rows that this run looked at, as `K/N`; absent if all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// Whether rows that did not run count as failures.
    pub require_all: bool,
    /// The rows, in the order of the matrix.
    pub rows: Vec<RowReport>,
}

/// The value of [`MatrixReport::schema`].
pub const SCHEMA: &str = "artcheck-verify-1";

/// Rows by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows that passed.
    pub passed: usize,
    /// Rows that failed.
    pub failed: usize,
    /// Rows that did not run.
    pub not_run: usize,
}

impl MatrixReport {
    /// Counts the rows.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for row in &self.rows {
            let count = match row.outcome {
                Outcome::Passed => &mut summary.passed,
                Outcome::Failed { .. } => &mut summary.failed,
                Outcome::NotRun { .. } => &mut summary.not_run,
            };
            *count += 1;
        }
        summary
    }

    /// True if at least one row passed, none failed, and (with `require_all`)
    /// every row ran. A matrix that ran nothing has shown nothing.
    pub fn succeeded(&self) -> bool {
        let summary = self.summary();
        summary.failed == 0 && summary.passed > 0 && (summary.not_run == 0 || !self.require_all)
    }
}
