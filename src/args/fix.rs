//! Arguments of `fix`.

use std::path::PathBuf;

use super::application::ApplicationArgs;
use super::patch::ChangeArgs;

/// `fix`.
#[derive(Debug, clap::Args)]
pub struct FixArgs {
    /// An artifact, or a folder of them.
    pub path: PathBuf,

    /// The runtime they must run on: its files, or a release.
    ///
    /// A release's name is enough to plan, and to change files for it. To build a shim
    /// with --apply the runtime's own files must be named. Repeat it where the parts of
    /// one runtime are in several places.
    #[arg(long, short, required = true)]
    pub runtime: Vec<String>,

    /// FILE is loaded first, as a shim is; repeatable.
    #[arg(long, value_name = "FILE")]
    pub with: Vec<PathBuf>,

    #[command(flatten)]
    pub application: ApplicationArgs,

    /// Carry the plan out; a shim needs the runtime's files.
    #[arg(long)]
    pub apply: bool,

    /// Also run the result: the smallest call of every function.
    #[arg(long, requires = "apply")]
    pub prove: bool,

    /// Write the shim library here, if the plan needs one.
    #[arg(long, value_name = "FILE")]
    pub shim_out: Option<PathBuf>,

    #[command(flatten)]
    pub change: ChangeArgs,
}
