//! Formats of what is no report.

use clap::ValueEnum;

/// Formats of commands that do not scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlainFormat {
    /// For people.
    Human,
    /// JSON.
    Json,
}
