//! The export directory: names sorted bytewise, functions and data alike.

use std::cell::RefCell;
use std::cmp::Ordering;

use super::image::Image;
use crate::container::faults::Faults;
use crate::container::names::{concerns_tvm, is_blob_symbol, is_context_symbol};
use crate::container::regions::RegionIndex;
use crate::container::symbols::Names;
use crate::container::{DefinedSymbol, Exported, Region, Reply};
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
    /// The number of the first function.
    base: u32,
    functions: u32,
    names: u32,
    ordinals: u32,
    count: u32,
    range: (u32, u32),
}

/// What an export leads to.
enum Target<'data> {
    /// This RVA.
    Own(u32),
    /// An export of another library, as it is written.
    Forwarded(&'data [u8]),
    /// Nothing: why, in words.
    Nothing(&'static str),
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
            base: field(4)?,
            functions: field(5)?,
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

    fn target(&self, index: u32) -> Target<'data> {
        match self.image.u16_at(self.ordinals, index) {
            Some(ordinal) => self.target_of(ordinal.into()),
            None => Target::Nothing("has no number"),
        }
    }

    /// What the function leads to that has this place among the addresses.
    fn target_of(&self, ordinal: u32) -> Target<'data> {
        let address = self.image.u32_at(self.addresses, ordinal);
        let (start, end) = self.range;
        match address {
            _ if ordinal >= self.functions => Target::Nothing("has a number behind the last"),
            None | Some(0) => Target::Nothing("has no address"),
            Some(address) if (start..end).contains(&address) => match self.text(address) {
                Ok(Some(text)) if is_forwarder(text) => Target::Forwarded(text),
                _ => Target::Nothing("is said to be of another library, which has no name there"),
            },
            Some(address) if address >= self.image.size => {
                Target::Nothing("has an address outside the image")
            }
            Some(address) => Target::Own(address),
        }
    }

    pub(super) fn contains(&self, wanted: &[u8]) -> Result<bool, DecodeError> {
        Ok(self.find(wanted)?.is_some())
    }

    /// What one gets for a name, or for a number, `#4`.
    pub(super) fn get(&self, wanted: &str) -> Result<Exported, DecodeError> {
        let number = wanted.strip_prefix('#').and_then(|text| text.parse().ok());
        let target = match number {
            Some(number) => match u32::checked_sub(number, self.base) {
                Some(ordinal) if ordinal < self.functions => self.target_of(ordinal),
                _ => return Ok(Exported::Nothing),
            },
            None => match self.find(wanted.as_bytes())? {
                Some(index) => self.target(index),
                None => return Ok(Exported::Nothing),
            },
        };
        Ok(match target {
            Target::Own(_) => Exported::Here,
            Target::Forwarded(text) => Exported::Forwarded(self.texts.borrow_mut().keep(text)?),
            Target::Nothing(_) => Exported::Nothing,
        })
    }

    /// Whether another library has any of its exports.
    pub(super) fn are_forwarded(&self) -> bool {
        (0..self.count).any(|index| matches!(self.target(index), Target::Forwarded(_)))
    }

    /// Binary search for one name, step for step as Windows does it.
    fn find(&self, wanted: &[u8]) -> Result<Option<u32>, DecodeError> {
        let (mut low, mut high) = (0, self.count.checked_sub(1));
        while let Some(last) = high.filter(|last| low <= *last) {
            let middle = low.midpoint(last);
            match self.name(middle)?.cmp(wanted) {
                Ordering::Equal => return Ok(Some(middle)),
                Ordering::Less => low = middle.saturating_add(1),
                Ordering::Greater => high = middle.checked_sub(1),
            }
        }
        Ok(None)
    }

    fn is_sorted(&self) -> Result<bool, DecodeError> {
        let mut before: &[u8] = b"";
        for index in 0..self.count {
            let name = self.name(index)?;
            if name < before {
                return Ok(false);
            }
            before = name;
        }
        Ok(true)
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
    pub(super) fn keep(
        &self,
        regions: &[Region<'_>],
        faults: &mut Faults,
    ) -> Result<Vec<DefinedSymbol>, DecodeError> {
        let mut keeper = Keeper {
            index_of: RegionIndex::new(regions),
            is_sorted: self.is_sorted()?,
            kept: Vec::new(),
        };
        let mut of_model_library = false;
        for index in 0..self.count {
            let name = self.name(index)?;
            if self.concerns(name) {
                let symbol = self.define(index, name, &mut keeper, faults)?;
                of_model_library |= is_blob_symbol(&symbol.name) || is_context_symbol(&symbol.name);
                keeper.kept.push(symbol);
            }
        }
        if !of_model_library {
            return Ok(keeper.kept);
        }
        for index in 0..self.count {
            let name = self.name(index)?;
            let place = match self.target(index) {
                Target::Own(address) => keeper.index_of.find(address.into()),
                _ => None,
            };
            let region = place.and_then(|(region, _)| regions.get(region));
            let is_function = region.is_some_and(|region| region.executable);
            if region.is_some() && !is_function && !is_of_compiler(name) {
                self.odd(name, faults);
            }
            if is_function && !self.concerns(name) {
                let symbol = self.define(index, name, &mut keeper, faults)?;
                keeper.kept.push(symbol);
            }
        }
        Ok(keeper.kept)
    }

    fn concerns(&self, name: &[u8]) -> bool {
        concerns_tvm(name) || concerns_tvm(self.image.bare(name))
    }

    /// The data that a model library exports is what TVM asks for.
    fn odd(&self, name: &[u8], faults: &mut Faults) {
        let what = format!(
            "the data that is exported as `{}` has a name that no compiler gives: TVM does not find it by its own",
            name.escape_ascii()
        );
        faults.add(Reply::NotFound, what, self.at);
    }

    fn define(
        &self,
        index: u32,
        name: &[u8],
        keeper: &mut Keeper,
        faults: &mut Faults,
    ) -> Result<DefinedSymbol, DecodeError> {
        let target = self.target(index);
        let lost = match target {
            Target::Nothing(why) => Some(why),
            _ if keeper.is_sorted || self.contains(name)? => None,
            _ => Some("is not where a search in the sorted names looks"),
        };
        if let Some(why) = lost {
            let what = format!("the export `{}` {why}", name.escape_ascii());
            faults.lost(Reply::NotFound, name, what, self.at);
        }
        let address = match target {
            Target::Own(address) => address.into(),
            _ => 0,
        };
        let place = keeper.index_of.find(address).filter(|_| address != 0);
        let name = self.texts.borrow_mut().keep(name)?;
        Ok(DefinedSymbol {
            exported: lost.is_none(),
            ..DefinedSymbol::new(name, address, place)
        })
    }
}

/// What is needed to keep exports, and those that are.
struct Keeper {
    index_of: RegionIndex,
    is_sorted: bool,
    kept: Vec<DefinedSymbol>,
}

/// `library.function`, `library.#number`
fn is_forwarder(text: &[u8]) -> bool {
    text.contains(&b'.') && text.iter().all(u8::is_ascii_graphic)
}

/// Whether a name is made of what compilers make names of.
fn is_of_compiler(name: &[u8]) -> bool {
    let is_known = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$@?.".contains(byte);
    !name.is_empty() && name.iter().all(is_known)
}
