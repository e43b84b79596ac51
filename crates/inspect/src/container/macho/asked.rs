//! What any linked Mach-O file asks of others than the system and TVM, library by library.

use object::Endianness;
use object::macho;
use object::read::macho::{MachHeader, Nlist};

use super::fixups::{self, Wanted};
use super::image::Image;
use super::symbols::is_foreign;
use super::table::table;
use crate::container::ForeignSymbol;
use crate::container::symbols::Names;
use crate::error::DecodeError;

/// The strong names that dyld looks for in one library, of those that `is_meant` says, or in
/// any. Those of which the first definition counts are left out.
pub(super) fn of<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    is_meant: fn(&str) -> bool,
) -> Result<Vec<ForeignSymbol>, DecodeError> {
    let is_two_level = image
        .header
        .flags(image.endian)
        .contains(macho::MH_TWOLEVEL);
    let mut names = Names::new(image.data, 0, image.data.len());
    let mut asked = Vec::new();
    each(image, &mut |name, wanted| {
        let Some(name) = name.strip_prefix(b"_").filter(|_| !wanted.weak) else {
            return Ok(());
        };
        let library = wanted.library().filter(|_| is_two_level);
        let library = library.and_then(|index| image.needed.get(index));
        let is_asked = match library {
            Some(needed) => is_meant(&needed.name),
            None => (wanted.is_anywhere() || !is_two_level) && is_foreign(name),
        };
        if is_asked && !wanted.is_of_any_definition() {
            asked.push(ForeignSymbol {
                name: names.keep(name)?,
                version: None,
                library: library.map(|needed| needed.name.clone()),
                lazy: wanted.lazy,
                users: Vec::new(),
                idle: false,
            });
        }
        Ok(())
    })?;
    Ok(asked)
}

/// Receives a name and how it is wanted.
type Visit<'v> = &'v mut dyn FnMut(&[u8], Wanted) -> Result<(), DecodeError>;

/// Every name that dyld looks for; the symbol table's where there are no fixups.
fn each<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    visit: Visit<'_>,
) -> Result<(), DecodeError> {
    if let Some(fixups) = fixups::read(image) {
        let mut wanted = fixups.wanted.into_iter();
        return wanted.try_for_each(|(name, wanted)| visit(name, wanted));
    }
    let Some(table) = table(image)? else {
        return Ok(());
    };
    let mut names = table.names(image);
    for symbol in table.undefined.iter().filter(|one| one.is_undefined()) {
        if let Some(name) = names.get(symbol.n_strx(image.endian).into())? {
            let ordinal = symbol.library_ordinal(image.endian);
            visit(name, Wanted::of(ordinal, symbol.n_desc(image.endian)))?;
        }
    }
    Ok(())
}
