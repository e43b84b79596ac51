//! JUnit where it is left out: a page has no test report.

use anyhow::bail;

use super::format::FailOn;
use super::model::Report;

/// Says so.
pub fn render(_report: &Report, _fail_on: FailOn) -> anyhow::Result<String> {
    bail!("this build writes no JUnit reports: use json or markdown")
}
