//! Symbol versions a file asks of its libraries (`.gnu.version_r`), and those that a
//! library defines (`.gnu.version_d`).

use std::collections::HashMap;

use object::Endianness;
use object::elf;
use object::pod;
use object::read::elf::FileHeader;

use super::dynamic::Dynamic;
use super::image::Image;
use crate::container::VersionNeed;
use crate::container::symbols::Names;
use crate::error::DecodeError;

/// The bit of a symbol's version that hides it from who asks for none.
const HIDDEN: u16 = 0x8000;

/// The version needs in file order.
pub(super) fn needs<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> Result<Vec<VersionNeed>, DecodeError> {
    let numbered = numbered(image, dynamic)?.into_iter();
    Ok(numbered.map(|(_, need)| need).collect())
}

/// The same, with the number that symbols name each by.
pub(super) fn numbered<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> Result<Vec<(u16, VersionNeed)>, DecodeError> {
    let endian = image.endian;
    let (strings_at, strings) = dynamic.strings(image);
    let mut names = Names::new(strings, strings_at, image.data.len());
    let mut needs = Vec::new();
    let mut library_at = dynamic
        .get(elf::DT_VERNEED)
        .and_then(|address| image.memory.at(address))
        .map(|(_, bytes)| bytes);
    // `vn_next` and `vna_next` only lead forward, but entries may overlap in a
    // hostile file: no more of them than 16-byte entries fit.
    let mut left = library_at.map_or(0, |bytes| bytes.len() / 16);
    while let Some(bytes) = library_at {
        let Ok((need, _)) = pod::from_bytes::<elf::Verneed<Endianness>>(bytes) else {
            break;
        };
        let library = names.get(need.vn_file.get(endian).into())?;
        let mut version_at = skip(bytes, need.vn_aux.get(endian));
        for _ in 0..need.vn_cnt.get(endian) {
            left = left.saturating_sub(1);
            if left == 0 {
                return Ok(needs);
            }
            let Some(Ok((version, _))) =
                version_at.map(pod::from_bytes::<elf::Vernaux<Endianness>>)
            else {
                break;
            };
            let name = names.get(version.vna_name.get(endian).into())?;
            if let (Some(library), Some(name)) = (library, name) {
                let need = VersionNeed {
                    library: names.keep(library)?,
                    version: names.keep(name)?,
                };
                needs.push((version.vna_other.get(endian).0 & 0x7fff, need));
            }
            version_at = version_at.and_then(|bytes| skip(bytes, version.vna_next.get(endian)));
        }
        library_at = skip(bytes, need.vn_next.get(endian));
    }
    Ok(needs)
}

/// The versions of a library's symbols.
#[derive(Default)]
pub(super) struct OfSymbols<'data> {
    /// What each symbol names its version by, and whether it is hidden; nothing where the
    /// library has no versions.
    numbers: &'data [object::U16<Endianness>],
    defined: HashMap<u16, String>,
    endian: Endianness,
}

impl<'data> OfSymbols<'data> {
    pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(
        image: &Image<'data, Elf>,
        dynamic: &Dynamic,
        symbols: usize,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            numbers: of_symbols(image, dynamic, symbols),
            // The first is the library's own name, and no version.
            defined: defined(image, dynamic)?
                .into_iter()
                .filter(|(number, _)| *number > 1)
                .collect(),
            endian: image.endian,
        })
    }

    /// Whether a symbol answers where its name is asked for in a version: in that one, or
    /// without any, as glibc's `check_match` has it.
    pub(super) fn answers(&self, symbol: usize, version: &str) -> bool {
        let Some(number) = self.numbers.get(symbol) else {
            return true;
        };
        let number = number.get(self.endian);
        match self.defined.get(&(number & !HIDDEN)) {
            Some(own) => own == version,
            None => number & HIDDEN == 0,
        }
    }
}

/// By symbol, the number of its version.
pub(super) fn of_symbols<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
    dynamic: &Dynamic,
    symbols: usize,
) -> &'data [object::U16<Endianness>] {
    let bytes = dynamic
        .get(elf::DT_VERSYM)
        .and_then(|address| image.memory.at(address));
    let found = bytes.and_then(|(_, bytes)| pod::slice_from_bytes(bytes, symbols).ok());
    found.map_or(&[], |(versions, _)| versions)
}

/// Whether a library says nothing of versions, not even of those that it asks for.
pub(super) fn are_absent<Elf: FileHeader<Endian = Endianness>>(
    data: &[u8],
) -> Result<bool, DecodeError> {
    let image = Image::<Elf>::parse(data)?;
    Ok(Dynamic::of(&image)?.is_some_and(|dynamic| !dynamic.has(elf::DT_VERSYM)))
}

/// The versions that a library defines, in file order.
pub(super) fn definitions<Elf: FileHeader<Endian = Endianness>>(
    data: &[u8],
) -> Result<Vec<String>, DecodeError> {
    let image = Image::<Elf>::parse(data)?;
    let Some(dynamic) = Dynamic::of(&image)? else {
        return Ok(Vec::new());
    };
    let defined = defined(&image, &dynamic)?.into_iter();
    Ok(defined.map(|(_, version)| version).collect())
}

/// The same, with the number that symbols name each by.
fn defined<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> Result<Vec<(u16, String)>, DecodeError> {
    let endian = image.endian;
    let (strings_at, strings) = dynamic.strings(image);
    let mut names = Names::new(strings, strings_at, image.data.len());
    let mut found = Vec::new();
    let mut at = dynamic
        .get(elf::DT_VERDEF)
        .and_then(|address| image.memory.at(address))
        .map(|(_, bytes)| bytes);
    // As above: no more entries than fit, which take 20 bytes each.
    let mut left = at.map_or(0, |bytes| bytes.len() / 20);
    while let Some(bytes) = at.filter(|_| left > 0) {
        left = left.saturating_sub(1);
        let Ok((definition, _)) = pod::from_bytes::<elf::Verdef<Endianness>>(bytes) else {
            break;
        };
        // The first name is the version, what follows are those that it includes.
        let first = skip(bytes, definition.vd_aux.get(endian));
        if let Some(Ok((name, _))) = first.map(pod::from_bytes::<elf::Verdaux<Endianness>>)
            && let Some(name) = names.get(name.vda_name.get(endian).into())?
        {
            let number = definition.vd_ndx.get(endian).0 & !HIDDEN;
            found.push((number, names.keep(name)?));
        }
        at = skip(bytes, definition.vd_next.get(endian));
    }
    Ok(found)
}

/// The bytes `offset` further on; `None` for zero, which ends a list.
fn skip(bytes: &[u8], offset: u32) -> Option<&[u8]> {
    let offset = usize::try_from(offset).ok().filter(|offset| *offset > 0)?;
    bytes.get(offset..)
}
