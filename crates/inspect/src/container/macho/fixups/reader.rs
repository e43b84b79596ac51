//! What both forms of fixups are read into.

use std::collections::{BTreeMap, HashSet};

use foldhash::fast::RandomState;
use object::Endianness;
use object::read::macho::MachHeader;

use super::places::{Places, Refused};
use super::wanted::Wanted;
use crate::container::Reply;
use crate::container::faults::Faults;
use crate::container::macho::image::Image;

/// The bits of a pointer that are its address; Swift and Objective-C keep tags above them.
const ADDRESS: u64 = (1 << 56) - 1;

/// What is read, and what was found.
pub(super) struct Reader<'a, 'data, Mach: MachHeader<Endian = Endianness>> {
    pub(super) image: &'a Image<'data, Mach>,
    pub(super) places: Places<'a>,
    pub(super) wanted: BTreeMap<&'data [u8], Wanted>,
    /// The words that hold an address of another library in the end.
    pub(super) bound: HashSet<u64, RandomState>,
    pub(super) faults: Faults,
}

impl<'data, Mach: MachHeader<Endian = Endianness>> Reader<'_, 'data, Mach> {
    /// Adds what dyld refuses the image for; `at` is an offset in the image.
    pub(super) fn refused(&mut self, at: u64, (words, what): Refused) {
        let at = self.image.base.saturating_add(at);
        self.faults.add(Reply::Words(words), what, at);
    }

    /// A library that needs names, and no table says where.
    pub(super) fn has_none(&mut self) {
        let what = String::from(
            "nothing says which words dyld is to set, though the symbol table has names of other libraries",
        );
        self.faults.add(Reply::Unknown, what, self.image.base);
    }

    /// A name that dyld looks for.
    pub(super) fn wants(&mut self, name: &'data [u8], asked: Wanted) -> Result<(), Refused> {
        self.places.exists(asked.dylib, name)?;
        let known = self.wanted.entry(name).or_insert(asked);
        known.weak &= asked.weak;
        known.lazy &= asked.lazy;
        Ok(())
    }

    /// A word that is to hold an address of the image itself, unless it gets another.
    pub(super) fn leads(&mut self, target: u64, place: u64) {
        if !self.places.holds(target & ADDRESS) && !self.bound.contains(&place) {
            let what = format!(
                "the word at address {place:#x} is to lead to {target:#x}, out of the library"
            );
            self.faults.add(Reply::Unknown, what, self.image.base);
        }
    }
}
