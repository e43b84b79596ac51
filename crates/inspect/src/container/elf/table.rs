//! A symbol table of an ELF file, wherever it was found.

use object::read::elf::FileHeader;

/// A symbol table and its names.
pub(super) struct Table<'data, Elf: FileHeader> {
    pub(super) symbols: &'data [Elf::Sym],
    pub(super) strings: &'data [u8],
    pub(super) strings_at: u64,
}
