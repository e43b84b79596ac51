//! Which reports are written, and what makes the exit status 1: the same for a
//! scan and for reports of scans joined.

use crate::report::Allowed;
use crate::report::format::{FailOn, Format};
use crate::report::output;

/// Reports and the exit status.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// human, json, sarif, junit, github, gitlab, markdown, html.
    #[arg(long, value_enum, default_value_t = Format::Human, hide_possible_values = true, hide_default_value = true)]
    pub format: Format,

    /// Write a report to FILE, by its suffix; repeatable.
    ///
    /// The suffixes are .json, .sarif, .xml (JUnit), .md and .html. Other names take the
    /// format of --format, or say it: FORMAT=FILE.
    #[arg(long, short, value_name = "FILE", value_parser = output::parser())]
    pub output: Vec<output::Output>,

    /// Lowest severity that exits with 1: error, warning, info or never.
    ///
    /// It is `error` if given neither here nor, for a scan, in artcheck.toml.
    #[arg(long, value_enum, value_name = "LEVEL", hide_possible_values = true)]
    pub fail_on: Option<FailOn>,

    /// Exit 0 if something is undecided or unreadable.
    #[arg(long, alias = "allow-unknown")]
    pub allow_undecided: bool,

    /// Exit 0 if no file has anything to do with TVM.
    ///
    /// For a hook that is given any library.
    #[arg(long)]
    pub allow_nothing: bool,

    /// Also show notes, healthy files and all evidence.
    #[arg(long, short, overrides_with = "verbose")]
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
