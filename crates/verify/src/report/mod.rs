//! The result of a run, and its forms: one file per format.

pub mod human;
pub mod json;
pub mod junit;
mod kernels;
pub mod markdown;

use std::path::PathBuf;

use artcheck_metal_sim::Report;
use serde::Serialize;

use crate::matrix::expect::Check;
use crate::run::failure::Failure;
use crate::run::hooks::{PrecheckFinding, Shim};
use crate::run::protocol::{Answer, Facts, Figures};
use crate::run::stage::Stage;

/// The result of a whole run.
#[derive(Clone, Debug, Serialize)]
pub struct MatrixReport {
    /// Version of this structure; changes only when a key changes its meaning.
    pub schema: &'static str,
    /// The matrix file.
    pub matrix: PathBuf,
    /// Whether rows that did not run count as failures.
    pub require_all: bool,
    /// The rows, in the order of the matrix.
    pub rows: Vec<RowReport>,
}

/// What every report with Metal rows says until somebody has run them on a Mac.
pub const METAL_REMARK: &str = "Metal rows: not yet run on Apple hardware by the project";

/// What every report with simulated rows says.
pub const SIMULATED_REMARK: &str = "metal-sim rows: Metal simulated on a CPU; their times are not a GPU's, and they replace no run on a Mac";

impl MatrixReport {
    /// Remarks that belong to the whole report.
    pub fn remarks(&self) -> Vec<&'static str> {
        let metal = |row: &RowReport| row.device == "metal" || row.device.starts_with("metal:");
        let mut remarks = Vec::new();
        if self.rows.iter().any(metal) {
            remarks.push(METAL_REMARK);
        }
        if self.rows.iter().any(|row| row.simulated) {
            remarks.push(SIMULATED_REMARK);
        }
        remarks
    }
}

/// The value of [`MatrixReport::schema`].
pub const SCHEMA: &str = "artcheck-verify-1";

/// The result of one row.
#[derive(Clone, Debug, Serialize)]
pub struct RowReport {
    /// Name of the row.
    pub name: String,
    /// The model.
    pub model: String,
    /// The device.
    pub device: String,
    /// True if the device was the simulated one, whatever became of the row.
    pub simulated: bool,
    /// The runtime's name in the matrix.
    pub runtime: String,
    /// The model library.
    pub library: PathBuf,
    /// What happened.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The last stage reached; none if the row did not start.
    pub stage: Option<Stage>,
    /// What was found out about model and runtime.
    pub facts: Facts,
    /// What the pre-check said.
    pub precheck: Vec<PrecheckFinding>,
    /// The shim that the row ran with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shim: Option<Shim>,
    /// The comparisons.
    pub checks: Vec<Check>,
    /// The answers.
    pub answers: Vec<Answer>,
    /// The figures; with several runs the median of each.
    pub figures: Figures,
    /// What the simulated device says of its kernels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernels: Option<Report>,
    /// Processes that ran.
    pub runs: u32,
    /// Seconds of all of them.
    pub seconds: f64,
}

/// What happened to a row.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran and every answer is right.
    Passed,
    /// It did not.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// It could not run here. That is never a pass.
    NotRun {
        /// Why.
        reason: String,
    },
}

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

impl Outcome {
    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed { .. } => "failed",
            Outcome::NotRun { .. } => "not run",
        }
    }
}

impl RowReport {
    /// What a table says beside the outcome: why it failed or did not run, or
    /// what it was compared with.
    pub fn remark(&self) -> String {
        match &self.outcome {
            Outcome::Failed { failure } => failure.message.clone(),
            Outcome::NotRun { reason } => reason.clone(),
            Outcome::Passed => {
                let mut names: Vec<&str> = Vec::new();
                for check in &self.checks {
                    if !names.contains(&check.name.as_str()) {
                        names.push(&check.name);
                    }
                }
                let mut text = names.join(", ");
                if let Some(shim) = &self.shim {
                    text.push_str(&format!("; with {}", shim.description));
                }
                if self.simulated {
                    text.push_str("; simulated");
                }
                if let Some(kernels) = &self.kernels {
                    text.push_str(&format!(", {}", kernels.coverage()));
                }
                text
            }
        }
    }
}

/// `12.3 ms`, `1.2 s`.
pub(crate) fn duration(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(s) if s < 1.0 => format!("{:.1} ms", s * 1e3),
        Some(s) => format!("{s:.2} s"),
    }
}

/// `123`, `12.3`.
pub(crate) fn rate(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(r) if r >= 100.0 => format!("{r:.0}"),
        Some(r) => format!("{r:.1}"),
    }
}

/// Mebibytes.
pub(crate) fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |b| format!("{} MiB", b >> 20))
}
