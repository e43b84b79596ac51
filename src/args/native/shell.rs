//! Arguments of `completions` and `man`.

use std::path::PathBuf;

/// `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write a page per command into this folder.
    ///
    /// Without it, the main page goes to standard output.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}
