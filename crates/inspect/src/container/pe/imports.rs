//! The import and delay-import directories.

use object::pe;

use super::image::Image;
use crate::container::names::undefined_concerns_tvm;
use crate::container::symbols::Names;
use crate::container::{Needed, UndefinedSymbol};
use crate::error::DecodeError;

/// What an image imports.
#[derive(Default)]
pub(super) struct Imports {
    pub(super) needed: Vec<Needed>,
    pub(super) undefined: Vec<UndefinedSymbol>,
    /// Where the loader puts the address of each of them.
    pub(super) cells: Vec<(u32, String)>,
}

/// Cells of the address tables, with the names of whom `wanted` holds.
pub(super) fn cells(
    image: &Image<'_>,
    wanted: fn(&[u8]) -> bool,
) -> Result<Vec<(u32, String)>, DecodeError> {
    Ok(read_where(image, wanted)?.cells)
}

/// Reads both directories.
pub(super) fn read(image: &Image<'_>) -> Result<Imports, DecodeError> {
    read_where(image, undefined_concerns_tvm)
}

fn read_where(image: &Image<'_>, wanted: fn(&[u8]) -> bool) -> Result<Imports, DecodeError> {
    let mut reader = Reader {
        image,
        texts: Names::new(image.data, 0, image.data.len()),
        imports: Imports::default(),
        wanted,
        // No more entries than words in the file, however they overlap.
        left: image.data.len() / 4,
    };
    if let Some((rva, _)) = image.imports {
        reader.imports(rva)?;
    }
    if let Some((rva, _)) = image.delayed {
        reader.delayed(rva)?;
    }
    Ok(reader.imports)
}

struct Reader<'a, 'data> {
    image: &'a Image<'data>,
    texts: Names<'data>,
    imports: Imports,
    wanted: fn(&[u8]) -> bool,
    left: usize,
}

impl<'data> Reader<'_, 'data> {
    /// 20-byte descriptors: name table, two unused words, library, addresses.
    fn imports(&mut self, rva: u32) -> Result<(), DecodeError> {
        let mut first = 0u32;
        loop {
            let field = |index: u32| self.image.u32_at(rva, first.checked_add(index)?);
            let (Some(lookup), Some(name), Some(addresses)) = (field(0), field(3), field(4)) else {
                return Err(self.outside(rva, "a PE import directory"));
            };
            if name == 0 {
                return Ok(());
            }
            // Old linkers leave the lookup table out; the address table then
            // holds the names.
            let names = if lookup == 0 { addresses } else { lookup };
            self.library(name, names, addresses, false)?;
            first = first.saturating_add(5);
        }
    }

    /// 32-byte descriptors: attributes, library, handle, addresses, names, ...
    fn delayed(&mut self, rva: u32) -> Result<(), DecodeError> {
        let mut first = 0u32;
        loop {
            let field = |index: u32| self.image.u32_at(rva, first.checked_add(index)?);
            let (Some(attributes), Some(name), Some(cells), Some(names)) =
                (field(0), field(1), field(3), field(4))
            else {
                return Err(self.outside(rva, "a PE delay-import directory"));
            };
            if name == 0 {
                return Ok(());
            }
            let relative = |address: u32| {
                // Every linker since 2003 sets this.
                if attributes & pe::IMAGE_DELAYLOAD_RVA_BASED != 0 {
                    return address;
                }
                let base = u32::try_from(self.image.image_base).unwrap_or(0);
                address.saturating_sub(base)
            };
            self.library(relative(name), relative(names), relative(cells), true)?;
            first = first.saturating_add(8);
        }
    }

    fn library(
        &mut self,
        name: u32,
        names: u32,
        cells: u32,
        optional: bool,
    ) -> Result<(), DecodeError> {
        self.spend(name)?;
        let Some(library) = self.text(name, 0)? else {
            return Err(self.outside(name, "the name of an imported library"));
        };
        let library = self.texts.keep(library)?;
        let mut index = 0u32;
        loop {
            let thunk = if self.image.is_64 {
                self.image.u64_at(names, index)
            } else {
                self.image.u32_at(names, index).map(u64::from)
            };
            let Some(thunk) = thunk else {
                return Err(self.outside(names, "a PE import name table"));
            };
            if thunk == 0 {
                break;
            }
            self.spend(names)?;
            let width = if self.image.is_64 { 8 } else { 4 };
            let cell = cells.saturating_add(index.saturating_mul(width));
            index = index.saturating_add(1);
            let by_ordinal = if self.image.is_64 { 1 << 63 } else { 1 << 31 };
            if thunk & by_ordinal != 0 {
                continue;
            }
            // A two-byte hint stands before the name.
            let address = u32::try_from(thunk).unwrap_or(u32::MAX);
            if let Some(symbol) = self.text(address, 2)?
                && (self.wanted)(symbol)
            {
                let name = self.texts.keep(symbol)?;
                let library = self.texts.keep(library.as_bytes())?;
                self.imports.cells.push((cell, name.clone()));
                self.imports.undefined.push(UndefinedSymbol {
                    weak: optional,
                    library: Some(library),
                    ..UndefinedSymbol::new(name)
                });
            }
        }
        self.imports.needed.push(Needed {
            name: library,
            optional,
        });
        Ok(())
    }

    fn text(&mut self, rva: u32, skip: u32) -> Result<Option<&'data [u8]>, DecodeError> {
        let offset = rva
            .checked_add(skip)
            .and_then(|rva| self.image.file_offset(rva));
        match offset {
            Some(offset) => self.texts.get(offset),
            None => Ok(None),
        }
    }

    fn spend(&mut self, rva: u32) -> Result<(), DecodeError> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.outside(rva, "import tables that do not overlap")),
        }
    }

    fn outside(&self, rva: u32, expected: &'static str) -> DecodeError {
        let at = self.image.file_offset(rva).unwrap_or(0);
        DecodeError::new(at, expected, format!("RVA {rva:#x}"))
    }
}
