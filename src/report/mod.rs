//! Report formats, one file each, all over the same [`model::Report`].

pub mod contents;
pub mod finding;
pub mod fingerprint;
pub mod format;
pub mod github;
pub mod groups;
pub mod html;
pub mod human;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod matrix;
pub mod model;
pub mod output;
pub mod paths;
pub mod run;
pub mod sarif;
pub mod shared;
pub mod shown;
pub mod state;
pub mod style;
pub mod summary;
pub mod verify;

mod from_scan;

use format::FailOn;
use model::Report;

use crate::exit::Status;

/// The exit status of a report, decided here and nowhere else.
pub fn status(report: &Report, fail_on: FailOn, allow_unknown: bool) -> Status {
    if report
        .findings
        .iter()
        .any(|finding| fail_on.covers(finding.severity))
    {
        return Status::Findings;
    }
    if report.artifacts.is_empty() {
        return Status::Nothing;
    }
    if !allow_unknown && report.summary.undecided {
        return Status::Unknown;
    }
    if report.concerns_nothing() {
        return Status::Nothing;
    }
    Status::Clean
}
