//! The versioned JSON report: [`Report`] as it is, and back.

use anyhow::{Context, bail};

use super::model::{Report, SCHEMA};

/// Renders a report as one JSON document and a newline.
pub fn render(report: &Report) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}

/// Reads a report that [`render`] wrote.
pub fn read(text: &str) -> anyhow::Result<Report> {
    let value: serde_json::Value = serde_json::from_str(text).context("not a JSON document")?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => bail!("its schema is `{other}`, and this version reads `{SCHEMA}`"),
        None => bail!("no artcheck report: it has no `schema` field (expected `{SCHEMA}`)"),
    }
    serde_json::from_value(value).context("a damaged report")
}
