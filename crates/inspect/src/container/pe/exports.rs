//! The export directory: names sorted bytewise, functions and data alike.

use std::cell::RefCell;

use super::image::Image;
use crate::container::names::{concerns_tvm, is_blob_symbol, is_context_symbol};
use crate::container::regions::RegionIndex;
use crate::container::symbols::Names;
use crate::container::{DefinedSymbol, Region};
use crate::error::DecodeError;

/// An export directory; ordinals are 16 bits, so there are no more names.
const MAX_EXPORTS: u32 = 1 << 16;

/// The export directory of an image.
pub(super) struct Exports<'a, 'data> {
    image: &'a Image<'data>,
    texts: RefCell<Names<'data>>,
    at: u64,
    dll_name: u32,
    addresses: u32,
    names: u32,
    ordinals: u32,
    count: u32,
    range: (u32, u32),
}

impl<'a, 'data> Exports<'a, 'data> {
    /// Reads the directory; `None` where the image exports nothing.
    pub(super) fn read(image: &'a Image<'data>) -> Result<Option<Self>, DecodeError> {
        let Some((rva, size)) = image.exports else {
            return Ok(None);
        };
        let at = image.file_offset(rva).unwrap_or(0);
        let field = |index| {
            image.u32_at(rva, index).ok_or_else(|| {
                DecodeError::new(at, "a PE export directory", format!("RVA {rva:#x} outside"))
            })
        };
        let count = field(6)?;
        if count > MAX_EXPORTS {
            return Err(DecodeError::new(at, "at most 65536 export names", count));
        }
        Ok(Some(Self {
            image,
            texts: RefCell::new(Names::new(image.data, 0, image.data.len())),
            at,
            dll_name: field(3)?,
            addresses: field(7)?,
            names: field(8)?,
            ordinals: field(9)?,
            count,
            range: (rva, rva.saturating_add(size)),
        }))
    }

    /// The name the library gives itself.
    pub(super) fn dll_name(&self) -> Result<Option<String>, DecodeError> {
        match self.text(self.dll_name)? {
            Some(name) => self.texts.borrow_mut().keep(name).map(Some),
            None => Ok(None),
        }
    }

    fn text(&self, rva: u32) -> Result<Option<&'data [u8]>, DecodeError> {
        match self.image.file_offset(rva) {
            Some(offset) => self.texts.borrow_mut().get(offset),
            None => Ok(None),
        }
    }

    fn name(&self, index: u32) -> Result<&'data [u8], DecodeError> {
        let rva = self.image.u32_at(self.names, index);
        let name = match rva {
            Some(rva) => self.text(rva)?,
            None => None,
        };
        name.ok_or_else(|| {
            DecodeError::new(
                self.at,
                "PE export names inside the sections",
                format!("name {index} outside"),
            )
        })
    }

    /// RVA of the export behind name `index`; `None` for forwarded ones.
    fn address(&self, index: u32) -> Option<u32> {
        let ordinal = self.image.u16_at(self.ordinals, index)?;
        let address = self.image.u32_at(self.addresses, ordinal.into())?;
        let (start, end) = self.range;
        (!(start..end).contains(&address)).then_some(address)
    }

    /// Binary search for one name.
    pub(super) fn contains(&self, wanted: &[u8]) -> Result<bool, DecodeError> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            match self.name(middle)?.cmp(wanted) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = middle.saturating_add(1),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }

    /// Calls `visit` with every name until it returns `false`.
    pub(super) fn each(&self, visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), DecodeError> {
        for index in 0..self.count {
            if !visit(self.name(index)?) {
                break;
            }
        }
        Ok(())
    }

    /// Keeps the names that concern TVM; in a model library, all functions too.
    pub(super) fn keep(&self, regions: &[Region<'_>]) -> Result<Vec<DefinedSymbol>, DecodeError> {
        let index_of = RegionIndex::new(regions);
        let mut kept = Vec::new();
        let mut of_model_library = false;
        for index in 0..self.count {
            let name = self.name(index)?;
            if concerns_tvm(name) {
                let symbol = self.define(index, name, &index_of)?;
                of_model_library |= is_blob_symbol(&symbol.name) || is_context_symbol(&symbol.name);
                kept.push(symbol);
            }
        }
        if !of_model_library {
            return Ok(kept);
        }
        for index in 0..self.count {
            let name = self.name(index)?;
            if concerns_tvm(name) {
                continue;
            }
            let symbol = self.define(index, name, &index_of)?;
            let function = symbol
                .region
                .and_then(|region| regions.get(region))
                .is_some_and(|region| region.executable);
            if function {
                kept.push(symbol);
            }
        }
        Ok(kept)
    }

    fn define(
        &self,
        index: u32,
        name: &[u8],
        regions: &RegionIndex,
    ) -> Result<DefinedSymbol, DecodeError> {
        let address = u64::from(self.address(index).unwrap_or(0));
        let place = regions.find(address).filter(|_| address != 0);
        let name = self.texts.borrow_mut().keep(name)?;
        Ok(DefinedSymbol::new(name, address, place))
    }
}
