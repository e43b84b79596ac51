//! Arguments of `runtime`.

use std::path::PathBuf;

use super::format::PlainFormat;

/// `runtime`.
#[derive(Debug, clap::Args)]
pub struct RuntimeArgs {
    /// A release, library, folder, wheel, environment or saved profile.
    ///
    /// Without it, every known release is listed.
    pub runtime: Option<String>,

    /// Save the profile, for use with --runtime.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,

    /// human or json.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human, hide_possible_values = true, hide_default_value = true)]
    pub format: PlainFormat,
}
