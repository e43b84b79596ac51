//! What dyld sets in a Mach-O image before its first function runs: the byte programs of
//! `LC_DYLD_INFO` ([`programs`]), or the chains of `LC_DYLD_CHAINED_FIXUPS` ([`chains`]).
//!
//! They also say which names dyld looks for: the symbol table is for debuggers and linkers.
//! What dyld refuses is told in its words (dyld-1378, `MachOAnalyzer.cpp`, `Loader.cpp`).

mod chains;
mod places;
mod programs;
mod reader;
mod rebases;
mod wanted;

use std::collections::{BTreeMap, HashSet};

use object::Endianness;
use object::read::macho::MachHeader;

use super::image::Image;
use crate::container::Reply;
use crate::container::faults::Faults;
use places::Places;
use reader::Reader;
pub(super) use wanted::Wanted;

/// What was read of an image's fixups.
pub(super) struct Fixups<'data> {
    /// The names that dyld looks for.
    pub(super) wanted: BTreeMap<&'data [u8], Wanted>,
    pub(super) faults: Faults,
}

impl Fixups<'_> {
    /// A name of which the symbol table knows nothing.
    pub(super) fn is_not_listed(&mut self, name: &[u8], at: u64) {
        let what = format!(
            "dyld looks for `{}`, which the symbol table does not have: which of the two is damaged is not known",
            name.escape_ascii()
        );
        self.faults.add(Reply::Unknown, what, at);
    }
}

/// Reads the fixups of a linked image; `None` of one from before them.
pub(super) fn read<'data, Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'data, Mach>,
) -> Option<Fixups<'data>> {
    let mut segments = image.segments.iter();
    let count = segments.position(|one| one.name == "__LINKEDIT");
    let places = Places {
        count: count.unwrap_or(image.segments.len()),
        segments: &image.segments,
        rights: &image.rights,
        dylibs: image.needed.len(),
        left: image.data.len(),
        size: if image.header.is_type_64() { 8 } else { 4 },
        spans: places::spans(&image.segments),
    };
    let mut reader = Reader {
        image,
        places,
        wanted: BTreeMap::new(),
        bound: HashSet::default(),
        faults: Faults::default(),
    };
    match (image.chained, image.dyld_info) {
        (Some(command), _) => chains::read(&mut reader, command),
        (None, Some(command)) => programs::read(&mut reader, command),
        (None, None) if image.is_bound_by_nothing() => reader.has_none(),
        (None, None) => return None,
    }
    Some(Fixups {
        wanted: reader.wanted,
        faults: reader.faults,
    })
}
