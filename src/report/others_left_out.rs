//! The HTML report where it is left out: the program runs in a page, which shows more.

use anyhow::bail;

use super::model::Report;

/// Says so.
pub fn render(_report: &Report) -> anyhow::Result<String> {
    bail!("this build writes no HTML reports: use json or markdown")
}
