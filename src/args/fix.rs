//! Arguments of `fix`.

use std::path::PathBuf;

use super::format::PlainFormat;
use super::patch::{InPlace, ResignChoice};

/// `fix`.
#[derive(Debug, clap::Args)]
pub struct FixArgs {
    /// An artifact, or a folder of them.
    pub path: PathBuf,

    /// The runtime they must run on.
    #[arg(long, short)]
    pub runtime: String,

    /// Carry the plan out.
    #[arg(long)]
    pub apply: bool,

    /// Where a shim library goes, if the plan needs one.
    #[arg(long, value_name = "FILE")]
    pub shim_out: Option<PathBuf>,

    /// Replace a team's code signature; without it such a file is refused.
    #[arg(long, value_enum)]
    pub resign: Option<ResignChoice>,

    #[command(flatten)]
    pub to_where: InPlace,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}
