//! JSON: the whole report, and back.

use artcheck_verify::{MatrixReport, SCHEMA, Summary};
use serde::Serialize;

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

/// Reads a report that [`render`] wrote; none if the text is anything else.
pub fn read(text: &str) -> Result<Option<MatrixReport>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: Option<String>,
    }
    match serde_json::from_str(text) {
        Ok(Head {
            schema: Some(schema),
        }) if schema == SCHEMA => serde_json::from_str(text).map(Some),
        _ => Ok(None),
    }
}
