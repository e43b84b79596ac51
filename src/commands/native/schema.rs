//! `artcheck schema`: the JSON Schema of the JSON report.

use std::io::Write;

use crate::exit::Status;
use crate::streams::stdout;

const SCHEMA: &[u8] = include_bytes!("../../../docs/schema/json-v1.schema.json");

/// Prints the schema of `scan --format json`.
pub fn run() -> anyhow::Result<Status> {
    stdout().write_all(SCHEMA)?;
    Ok(Status::Clean)
}
