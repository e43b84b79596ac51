//! Arguments of `fix`.

use std::path::PathBuf;

use super::application::ApplicationArgs;
use super::patch::ChangeArgs;

/// `fix`.
#[derive(Debug, clap::Args)]
pub struct FixArgs {
    /// An artifact, or a folder of them.
    pub path: PathBuf,

    /// The runtime they must run on.
    #[arg(long, short)]
    pub runtime: String,

    /// A library that every process loads first, as a shim is. Repeatable.
    #[arg(long, value_name = "FILE")]
    pub with: Vec<PathBuf>,

    #[command(flatten)]
    pub application: ApplicationArgs,

    /// Carry the plan out.
    #[arg(long)]
    pub apply: bool,

    /// Run the result in a child process: the smallest call of every function.
    #[arg(long, requires = "apply")]
    pub prove: bool,

    /// Where a shim library goes, if the plan needs one.
    #[arg(long, value_name = "FILE")]
    pub shim_out: Option<PathBuf>,

    #[command(flatten)]
    pub change: ChangeArgs,
}
