//! Arguments of `init`.

use std::path::PathBuf;

/// `init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Where to write artcheck.toml.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}
