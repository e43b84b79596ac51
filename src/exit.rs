//! Exit status, the same for every command and decided in one place.

use std::process::ExitCode;

/// What the exit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 0: nothing at or above `--fail-on`.
    Clean,
    /// 1: findings at or above `--fail-on`.
    Findings,
    /// 2: wrong usage or configuration, or the job could not be done.
    Failed,
    /// 3: nothing to look at.
    Nothing,
    /// 4: could not decide, and `--allow-undecided` was not given.
    Unknown,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Clean => 0,
            Status::Findings => 1,
            Status::Failed => 2,
            Status::Nothing => 3,
            Status::Unknown => 4,
        })
    }
}
