//! Arguments of `dump`.

use std::path::PathBuf;

use super::format::PlainFormat;

/// `dump`.
#[derive(Debug, clap::Args)]
pub struct DumpArgs {
    /// Model library, archive, object, bare executable, or runtime part.
    pub file: PathBuf,

    /// The bytecode, exactly as TVM's `as_text()` prints it.
    #[arg(long, conflicts_with_all = ["stats", "metadata", "symbols"])]
    pub asm: bool,

    /// Statistics, exactly as TVM's `stats()` prints them.
    #[arg(long, conflicts_with_all = ["metadata", "symbols"])]
    pub stats: bool,

    /// The `_metadata` document, or that of `get_metadata` of 2023.
    #[arg(long, conflicts_with = "symbols")]
    pub metadata: bool,

    /// With --asm or --stats: names byte for byte, even on a terminal.
    ///
    /// Without it, only a text that goes into a file has control characters as they are.
    #[arg(long, conflicts_with_all = ["metadata", "symbols"])]
    pub raw: bool,

    /// The symbols that concern TVM.
    #[arg(long)]
    pub symbols: bool,

    /// human or json.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human, hide_possible_values = true, hide_default_value = true)]
    pub format: PlainFormat,
}
