//! Arguments of `merge`.

use std::path::PathBuf;

use super::format::{FailOn, Format};

/// `merge`.
#[derive(Debug, clap::Args)]
pub struct MergeArgs {
    /// JSON reports of `scan` runs.
    #[arg(required = true)]
    pub reports: Vec<PathBuf>,

    /// Report format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,

    /// Write a report to a file: FILE for the one of --format, FORMAT=FILE for a further one. Repeatable.
    #[arg(long, short, value_name = "[FORMAT=]FILE", value_parser = crate::report::output::parse)]
    pub output: Vec<crate::report::output::Output>,

    /// Lowest severity that makes the exit status 1; `error` if not given.
    #[arg(long, value_enum)]
    pub fail_on: Option<FailOn>,

    /// Exit 0 even where a file or a fact could not be read.
    #[arg(long)]
    pub allow_unknown: bool,

    /// Also list what was read and found healthy or unrelated.
    #[arg(long, short)]
    pub verbose: bool,
}
