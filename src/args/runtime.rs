//! Arguments of `runtime`.

use std::path::PathBuf;

use super::format::PlainFormat;

/// `runtime`.
#[derive(Debug, clap::Args)]
pub struct RuntimeArgs {
    /// A release (`tvm-0.26`), library, directory, wheel, virtual environment or saved profile; every release if absent.
    pub runtime: Option<String>,

    /// Save the profile as JSON for later use with --runtime.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}
