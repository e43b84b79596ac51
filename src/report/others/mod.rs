//! The reports that have no use in a page, which shows more: of other services, and HTML.

mod github;
mod gitlab;
mod html;
mod junit;
mod sarif;

use super::format::{FailOn, Format};
use super::model::Report;

/// One of them, or nothing where the format is none of them.
pub fn render(report: &Report, format: Format, fail_on: FailOn) -> anyhow::Result<String> {
    Ok(match format {
        Format::Sarif => sarif::render(report)?,
        Format::Junit => junit::render(report, fail_on)?,
        Format::Github => github::render(report),
        Format::Gitlab => gitlab::render(report)?,
        Format::Html => html::render(report)?,
        Format::Human | Format::Json | Format::Markdown => String::new(),
    })
}
