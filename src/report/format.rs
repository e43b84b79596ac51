//! Report formats, and what makes the exit status 1.

use artcheck_inspect::Severity;
use clap::ValueEnum;

/// Report formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// Versioned JSON; `artcheck schema` prints its schema.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for test reports.
    Junit,
    /// GitHub workflow annotations.
    Github,
    /// Markdown, for job summaries.
    Markdown,
    /// One self-contained page.
    Html,
}

impl Format {
    /// Whether it says what to type.
    pub fn is_for_people(self) -> bool {
        matches!(self, Self::Human | Self::Html | Self::Markdown)
    }
}

/// `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailOn {
    /// Errors only.
    Error,
    /// Warnings and errors.
    Warning,
    /// Anything.
    Info,
    /// Never.
    Never,
}

impl FailOn {
    /// Whether a finding of `severity` makes the exit status 1.
    pub fn covers(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity >= Severity::Error,
            Self::Warning => severity >= Severity::Warning,
            Self::Info => true,
            Self::Never => false,
        }
    }
}
