//! Report formats, one file each, all over the same [`Scan`].

pub mod human;
pub mod json;
pub mod matrix;
pub mod style;

use artcheck_inspect::scan::{Scan, VerdictStatus};

use crate::args::FailOn;
use crate::exit::Status;

/// The exit status of a scan, decided here and nowhere else.
pub fn status(scan: &Scan, fail_on: FailOn, allow_unknown: bool) -> Status {
    if scan.artifacts.is_empty() {
        return Status::Nothing;
    }
    if scan
        .findings
        .iter()
        .any(|finding| fail_on.covers(finding.severity))
    {
        return Status::Findings;
    }
    if !allow_unknown && is_undecided(scan) {
        return Status::Unknown;
    }
    if scan.concerns_nothing() {
        return Status::Nothing;
    }
    Status::Clean
}

/// Whether something could not be read, or a wanted verdict could not be told.
pub fn is_undecided(scan: &Scan) -> bool {
    scan.artifacts.iter().any(|artifact| {
        artifact
            .problems
            .iter()
            .any(|problem| problem.kind.leaves_undecided())
    }) || scan
        .verdicts
        .iter()
        .any(|verdict| verdict.is_wanted() && verdict.status == VerdictStatus::Undecided)
}
