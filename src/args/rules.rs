//! Arguments of `rules` and `explain`.

use super::format::PlainFormat;

/// `explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// A rule, a symbol, an error message, a log file, or - for a pipe.
    // An error may begin with a hyphen: `-[MTLDevice newBuffer...]`.
    #[arg(value_name = "RULE|ERROR|-", allow_hyphen_values = true)]
    pub text: Vec<String>,
}

/// `rules`.
#[derive(Debug, clap::Args)]
pub struct RulesArgs {
    /// human or json.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human, hide_possible_values = true, hide_default_value = true)]
    pub format: PlainFormat,
}
