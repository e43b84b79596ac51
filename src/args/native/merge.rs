//! Arguments of `merge`.

use std::path::PathBuf;

use crate::args::report::ReportArgs;

/// `merge`.
#[derive(Debug, clap::Args)]
pub struct MergeArgs {
    /// JSON reports, all of `scan` or all of `verify`.
    #[arg(required = true)]
    pub reports: Vec<PathBuf>,

    #[command(flatten)]
    pub report: ReportArgs,
}
