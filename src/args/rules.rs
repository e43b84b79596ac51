//! Arguments of `rules` and `explain`.

use super::format::PlainFormat;

/// `explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// A rule (AC101, attention-tag), a symbol, an error as it was printed, a file
    /// with one, or `-` for standard input.
    #[arg(value_name = "RULE|ERROR|-")]
    pub text: Vec<String>,
}

/// `rules`.
#[derive(Debug, clap::Args)]
pub struct RulesArgs {
    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}
