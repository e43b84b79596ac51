//! Arguments of `diff`.

use std::path::PathBuf;

use super::format::PlainFormat;

/// `diff`.
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// The artifact before.
    pub before: PathBuf,

    /// The artifact after.
    pub after: PathBuf,

    /// human or json.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human, hide_possible_values = true, hide_default_value = true)]
    pub format: PlainFormat,
}
