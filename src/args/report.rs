//! Which reports are written, and what makes the exit status 1: the same for a
//! scan and for reports of scans joined.

use crate::report::Allowed;
use crate::report::format::{FailOn, Format};
use crate::report::output;

/// Reports and the exit status.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// Report format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,

    /// Write a report to a file: FILE for the one of --format, FORMAT=FILE for a further one. Repeatable.
    #[arg(long, short, value_name = "[FORMAT=]FILE", value_parser = output::parse)]
    pub output: Vec<output::Output>,

    /// Lowest severity that makes the exit status 1; `error` if given neither here nor, for a scan, in artcheck.toml.
    #[arg(long, value_enum)]
    pub fail_on: Option<FailOn>,

    /// Exit 0 even where a file or a fact could not be read.
    #[arg(long, alias = "allow-unknown")]
    pub allow_undecided: bool,

    /// Exit 0 where no file has to do with TVM, as in a hook that is given any library.
    #[arg(long)]
    pub allow_nothing: bool,

    /// Also list what was read and found healthy or unrelated.
    #[arg(long, short)]
    pub verbose: bool,
}

impl ReportArgs {
    /// What is passed over.
    pub fn allowed(&self) -> Allowed {
        Allowed {
            undecided: self.allow_undecided,
            nothing: self.allow_nothing,
        }
    }
}
