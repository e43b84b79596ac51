//! The versioned JSON report: [`Report`] as it is, and back.

use std::io::Write;

use anyhow::{Context, bail};

use super::model::{Report, SCHEMA};
use super::shown::Show as _;

/// Writes a report as one JSON document and a newline, item by item.
pub fn write(report: &Report, out: &mut dyn Write) -> anyhow::Result<()> {
    // A reader that went away is an error of writing, and known as one.
    serde_json::to_writer_pretty(&mut *out, report).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Reads a report that [`write`] wrote.
pub fn read(text: &str) -> anyhow::Result<Report> {
    let value: serde_json::Value = serde_json::from_str(text).context("not a JSON document")?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => bail!("its schema is `{other}`, and this version reads `{SCHEMA}`"),
        None => bail!("no artcheck report: it has no `schema` field (expected `{SCHEMA}`)"),
    }
    let report: Report = serde_json::from_value(value).context("a damaged report")?;
    Ok(report.fit())
}
