//! Arguments of `init`.

use std::path::PathBuf;

/// `init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The folder to write to.
    #[arg(default_value = ".")]
    pub folder: PathBuf,

    /// Write verify.toml instead, with a row for each library found.
    #[arg(long)]
    pub verify: bool,
}
