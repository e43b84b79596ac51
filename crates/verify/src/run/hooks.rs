//! What other crates plug into a run: a pre-check, a source of shims, a display.

use crate::matrix::row::Row;
use crate::report::{Failure, PrecheckFinding, RowReport, Shim, Stage};

use super::process::ChildCommand;

/// Looks at a row's files without running them.
pub trait Precheck: Sync {
    /// The findings; an error if the files could not be judged, which does not
    /// stop the row.
    fn check(&self, row: &Row) -> Result<Vec<PrecheckFinding>, String>;
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

/// What the rows of a run have in common.
pub struct Tools<'a> {
    /// How to start a child process.
    pub child: &'a ChildCommand,
    /// Looks at files before they are loaded.
    pub precheck: Option<&'a dyn Precheck>,
    /// Repairs rows that fail.
    pub shims: Option<&'a dyn ShimProvider>,
}
