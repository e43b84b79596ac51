//! The symbol table of a Mach-O image, and what the readers of symbols and of exports
//! share.

use object::Endianness;
use object::read::macho::{MachHeader, Nlist};

use super::image::{Image, bytes_at};
use crate::container::symbols::Names;
use crate::container::{Damage, DefinedSymbol, ForeignSymbol, UndefinedSymbol};
use crate::error::DecodeError;

/// What is kept of the symbols.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) defined: Vec<DefinedSymbol>,
    pub(super) undefined: Vec<UndefinedSymbol>,
    pub(super) foreign: Vec<ForeignSymbol>,
    pub(super) opens: bool,
    pub(super) damage: Vec<Damage>,
}

/// The symbol table, split as `LC_DYSYMTAB` says.
pub(super) struct Table<'data, Mach: MachHeader> {
    pub(super) all: &'data [Mach::Nlist],
    pub(super) external: &'data [Mach::Nlist],
    pub(super) undefined: &'data [Mach::Nlist],
    pub(super) strings: &'data [u8],
    strings_at: u64,
}

impl<'data, Mach: MachHeader<Endian = Endianness>> Table<'data, Mach> {
    pub(super) fn names(&self, image: &Image<'data, Mach>) -> Names<'data> {
        Names::new(self.strings, self.strings_at, image.data.len())
    }
}

/// The symbol table of an image; `None` where it was stripped.
pub(super) fn table<'data, Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'data, Mach>,
) -> Result<Option<Table<'data, Mach>>, DecodeError> {
    let endian = image.endian;
    let Some(command) = image.symbols else {
        return Ok(None);
    };
    let at = u64::from(command.symoff.get(endian));
    let all = command
        .symbols::<Mach, _>(endian, image.data)
        .map_err(|error| super::image::bad(at, "a Mach-O symbol table", error))?
        .symbols();
    let strings_at = u64::from(command.stroff.get(endian));
    let size = u64::from(command.strsize.get(endian));
    let strings = bytes_at(image.data, strings_at, size).ok_or_else(|| {
        DecodeError::new(
            strings_at,
            format!("a Mach-O string table of {size} bytes"),
            "the end of the image: truncated",
        )
    })?;
    let part = |first: u32, count: u32| -> &'data [Mach::Nlist] {
        usize::try_from(first)
            .ok()
            .zip(usize::try_from(count).ok())
            .and_then(|(first, count)| all.get(first..first.checked_add(count)?))
            .unwrap_or(all)
    };
    let (external, undefined) = match image.ranges {
        Some(ranges) => (
            part(ranges.iextdefsym.get(endian), ranges.nextdefsym.get(endian)),
            part(ranges.iundefsym.get(endian), ranges.nundefsym.get(endian)),
        ),
        None => (all, all),
    };
    Ok(Some(Table {
        all,
        external,
        undefined,
        strings,
        strings_at,
    }))
}

/// Which definitions are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Those that concern TVM.
    OfTvm,
    /// Functions that do not, and the local handle caches that do.
    Others,
}

/// Whether a symbol is defined for other images.
pub(super) fn is_exported<Symbol: Nlist>(symbol: &Symbol) -> bool {
    let kind = symbol.n_type();
    symbol.is_definition() && kind.is_ext() && !kind.is_pext()
}

pub(super) fn region_of<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    symbol: &Mach::Nlist,
) -> Option<usize> {
    let section = usize::from(symbol.n_sect()).checked_sub(1)?;
    image.by_section.get(section).copied().flatten()
}

pub(super) fn in_code<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    symbol: &Mach::Nlist,
) -> bool {
    region_of(image, symbol)
        .and_then(|region| image.regions.get(region))
        .is_some_and(|region| region.executable)
}

/// The name as a C programmer would write it.
pub(super) fn plain(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"_").unwrap_or(name)
}
