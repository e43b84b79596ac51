//! Undefined symbols that neither TVM nor the base system defines.

use std::collections::HashMap;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, Sym};

use super::dynamic::Dynamic;
use super::image::Image;
use super::table::Table;
use super::{relocations, symbols, versions};
use crate::container::names::undefined_concerns_tvm;
use crate::container::symbols::Names;
use crate::container::{ForeignSymbol, VersionNeed, system_symbols};
use crate::error::DecodeError;

/// What any linked file asks of others: of those symbols the ones that its loader comes to.
/// Nothing is said of files whose relocations are not followed.
pub(super) fn asked<Elf: FileHeader<Endian = Endianness>>(
    data: &[u8],
) -> Result<Vec<ForeignSymbol>, DecodeError> {
    let image = Image::<Elf>::parse(data)?;
    let Some(dynamic) = Dynamic::of(&image)? else {
        return Ok(Vec::new());
    };
    let Some(table) = symbols::dynamic_table(&image, &dynamic)? else {
        return Ok(Vec::new());
    };
    let found = find(&image, &dynamic, &table)?;
    let wanted = found.iter().map(|(number, _)| *number).collect();
    let met = relocations::met(&image, &dynamic, &wanted);
    let asked = found.into_iter().filter_map(|(number, symbol)| {
        let lazy = met.get(&number)?.lazy;
        Some(ForeignSymbol { lazy, ..symbol })
    });
    Ok(asked.collect())
}

/// The strong undefined symbols that no library of the system's defines, and such that are
/// copied from a library, by their numbers in the table.
pub(super) fn find<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
) -> Result<Vec<(u32, ForeignSymbol)>, DecodeError> {
    let mut names = Names::new(table.strings, table.strings_at, image.data.len());
    let versions = versions::of_symbols(image, dynamic, table.symbols.len());
    let needs: HashMap<u16, VersionNeed> = versions::numbered(image, dynamic)?
        .into_iter()
        .filter(|(_, need)| !system_symbols::is_listed(&need.library))
        .collect();
    let mut found = Vec::new();
    let copied = relocations::copied(image, dynamic);
    for (number, symbol) in table.symbols.iter().enumerate() {
        let is_copied = || u32::try_from(number).is_ok_and(|number| copied.contains(&number));
        let is_asked = symbol.is_undefined(image.endian) || is_copied();
        if !is_asked || symbol.st_bind() != elf::STB_GLOBAL {
            continue;
        }
        // 0 and 1 are no version; the highest bit only hides one.
        let version = versions.get(number);
        let version = version.map_or(0, |version| version.get(image.endian) & 0x7fff);
        let need = needs.get(&version);
        if version > 1 && need.is_none() {
            continue;
        }
        let Some(name) = names.get(symbol.st_name(image.endian).into())? else {
            continue;
        };
        let is_known = |name: &[u8]| {
            let text = std::str::from_utf8(name);
            name.is_empty()
                || undefined_concerns_tvm(name)
                || (need.is_none() && text.is_ok_and(system_symbols::defines))
        };
        if let Ok(number) = u32::try_from(number)
            && !is_known(name)
        {
            let symbol = ForeignSymbol {
                name: names.keep(name)?,
                version: need.cloned(),
                library: None,
                lazy: false,
                users: Vec::new(),
                idle: false,
            };
            found.push((number, symbol));
        }
    }
    Ok(found)
}
