//! Arguments of `doctor`.

use std::path::PathBuf;

use crate::args::application::ApplicationArgs;
use crate::args::format::PlainFormat;

/// `doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Also look here: environments, folders, model libraries.
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    pub application: ApplicationArgs,

    /// human or json.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human, hide_possible_values = true, hide_default_value = true)]
    pub format: PlainFormat,
}
