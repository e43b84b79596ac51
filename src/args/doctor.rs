//! Arguments of `doctor`.

use std::path::PathBuf;

use super::application::ApplicationArgs;
use super::format::PlainFormat;

/// `doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Further places to look: virtual environments, library folders, model libraries.
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    pub application: ApplicationArgs,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}
