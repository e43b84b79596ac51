//! Arguments of `dump`.

use std::path::PathBuf;

use super::format::PlainFormat;

/// `dump`.
#[derive(Debug, clap::Args)]
pub struct DumpArgs {
    /// Model library, archive, object, bare executable, or runtime part.
    pub file: PathBuf,

    /// The executable as text, exactly as TVM's `as_text()` prints it.
    #[arg(long, conflicts_with_all = ["stats", "metadata", "symbols"])]
    pub asm: bool,

    /// Statistics, exactly as TVM's `stats()` prints them.
    #[arg(long, conflicts_with_all = ["metadata", "symbols"])]
    pub stats: bool,

    /// The `_metadata` document, or that of `get_metadata` of 2023.
    #[arg(long, conflicts_with = "symbols")]
    pub metadata: bool,

    /// With --asm or --stats: every name byte for byte, wherever the text goes.
    /// Without, only a text that goes into a file has control characters as they are.
    #[arg(long, conflicts_with_all = ["metadata", "symbols"])]
    pub raw: bool,

    /// Symbols that concern TVM.
    #[arg(long)]
    pub symbols: bool,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}
