//! Report formats, one file each, all over the same [`model::Report`].

pub mod contents;
pub mod finding;
pub mod fingerprint;
pub mod format;
pub mod grid;
pub mod groups;
pub mod human;
pub mod json;
pub mod markdown;
pub mod matrix;
pub mod model;
#[cfg_attr(target_family = "wasm", path = "others_left_out.rs")]
mod others;
pub mod output;
pub mod paths;
pub mod phrases;
pub mod run;
pub mod runtime_names;
pub mod shards;
pub mod shared;
pub mod shown;
pub mod state;
pub mod style;
pub mod summary;
#[cfg(not(target_family = "wasm"))]
pub mod verify;

mod from_scan;

use format::FailOn;
use model::Report;

use crate::exit::Status;

/// What the caller passes over.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// `--allow-undecided`.
    pub undecided: bool,
    /// `--allow-nothing`.
    pub nothing: bool,
}

impl Allowed {
    /// What no option passes over.
    pub const NOTHING: Self = Self {
        undecided: false,
        nothing: false,
    };
}

/// The exit status of a report, decided here and nowhere else.
pub fn status(report: &Report, fail_on: FailOn, allowed: Allowed) -> Status {
    if report
        .findings
        .iter()
        .any(|finding| fail_on.covers(finding.severity))
    {
        return Status::Findings;
    }
    let nothing = match allowed.nothing {
        true => Status::Clean,
        false => Status::Nothing,
    };
    if report.artifacts.is_empty() {
        return nothing;
    }
    if !allowed.undecided && report.summary.undecided {
        return Status::Unknown;
    }
    if report.concerns_nothing() {
        return nothing;
    }
    Status::Clean
}
