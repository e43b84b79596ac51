//! Undefined symbols that neither TVM nor the base system defines.

use object::Endianness;
use object::elf;
use object::pod;
use object::read::elf::{FileHeader, Sym};

use super::dynamic::Dynamic;
use super::image::Image;
use super::table::Table;
use crate::container::names::undefined_concerns_tvm;
use crate::container::symbols::Names;
use crate::container::{ForeignSymbol, system_symbols};
use crate::error::DecodeError;

/// The strong undefined symbols without a version, by their numbers in the table.
pub(super) fn find<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
) -> Result<Vec<(u32, ForeignSymbol)>, DecodeError> {
    let mut names = Names::new(table.strings, table.strings_at, image.data.len());
    let versions = versions(image, dynamic, table.symbols.len());
    let mut found = Vec::new();
    for (number, symbol) in table.symbols.iter().enumerate() {
        if !symbol.is_undefined(image.endian) || symbol.st_bind() != elf::STB_GLOBAL {
            continue;
        }
        // 0 and 1 are no version; the highest bit only hides one.
        let version = versions
            .get(number)
            .map(|version| version.get(image.endian));
        if version.is_some_and(|version| version & 0x7fff > 1) {
            continue;
        }
        let Some(name) = names.get(symbol.st_name(image.endian).into())? else {
            continue;
        };
        let is_known = |name: &[u8]| {
            let text = std::str::from_utf8(name);
            name.is_empty()
                || undefined_concerns_tvm(name)
                || text.is_ok_and(system_symbols::defines)
        };
        if let Ok(number) = u32::try_from(number)
            && !is_known(name)
        {
            let symbol = ForeignSymbol {
                name: names.keep(name)?,
                lazy: false,
                users: Vec::new(),
                idle: false,
            };
            found.push((number, symbol));
        }
    }
    Ok(found)
}

fn versions<'data, Elf: FileHeader<Endian = Endianness>>(
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
