//! The reports that are left out where the program runs in a page.

use anyhow::bail;

use super::format::{FailOn, Format};
use super::model::Report;

/// Says so.
pub fn render(_report: &Report, format: Format, _fail_on: FailOn) -> anyhow::Result<String> {
    bail!("this build writes no {format:?} reports: use json or markdown")
}
