//! What other crates plug into a run: a pre-check, a source of shims, a display.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::matrix::row::Row;
use crate::report::RowReport;

use super::failure::Failure;
use super::stage::Stage;

/// Something that a pre-check found in a row's load set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrecheckFinding {
    /// Rule code, such as `AC101`.
    pub code: String,
    /// What it says.
    pub message: String,
    /// True if the row cannot pass with it.
    pub blocking: bool,
}

/// Looks at a row's files without running them.
pub trait Precheck: Sync {
    /// The findings; an error if the files could not be judged, which does not
    /// stop the row.
    fn check(&self, row: &Row) -> Result<Vec<PrecheckFinding>, String>;
}

/// A repair to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shim {
    /// Libraries to load after the runtime.
    pub libraries: Vec<PathBuf>,
    /// A repaired copy of the model library, to use in its place.
    pub replaces_library: Option<PathBuf>,
    /// What it is, for the report.
    pub description: String,
}

/// Makes shims for rows that fail.
pub trait ShimProvider: Sync {
    /// A repair for this row, or none if there is none. `failure` is what
    /// stopped it; `findings` what the pre-check said.
    fn shim(
        &self,
        row: &Row,
        failure: &Failure,
        findings: &[PrecheckFinding],
    ) -> Result<Option<Shim>, String>;
}

/// Is told how a run goes on. Rows may run side by side, so every call names its row.
pub trait Progress: Send {
    /// The run begins with so many rows.
    fn begin(&mut self, rows: usize) {
        let _ = rows;
    }
    /// A row reached a stage.
    fn stage(&mut self, row: &str, stage: Stage) {
        let _ = (row, stage);
    }
    /// A row has loaded so many of its parameters.
    fn weights(&mut self, row: &str, done: usize, total: usize) {
        let _ = (row, done, total);
    }
    /// A row ended.
    fn row(&mut self, report: &RowReport) {
        let _ = report;
    }
}

/// Says nothing.
pub struct Quiet;

impl Progress for Quiet {}
