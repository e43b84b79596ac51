//! Arguments of `rules` and `explain`.

use super::format::PlainFormat;

/// `explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// Rule code or name, e.g. AC101 or attention-tag.
    pub rule: String,
}

/// `rules`.
#[derive(Debug, clap::Args)]
pub struct RulesArgs {
    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}
