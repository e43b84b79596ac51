//! JSON: the whole report.

use serde::Serialize;

use super::{MatrixReport, Summary};

/// The report as JSON, with the counts beside it.
pub fn render(report: &MatrixReport) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Document<'a> {
        #[serde(flatten)]
        report: &'a MatrixReport,
        summary: Summary,
        succeeded: bool,
    }
    let mut text = serde_json::to_string_pretty(&Document {
        report,
        summary: report.summary(),
        succeeded: report.succeeded(),
    })?;
    text.push('\n');
    Ok(text)
}
