//! What dyld sets in a Mach-O image before its first function runs: the byte programs of
//! `LC_DYLD_INFO` ([`programs`]), or the chains of `LC_DYLD_CHAINED_FIXUPS` ([`chains`]).
//!
//! They also say which names dyld looks for: the symbol table is for debuggers and linkers.
//! What dyld refuses is told in its words (dyld-1378, `MachOAnalyzer.cpp`, `Loader.cpp`).

mod chains;
mod programs;

use std::collections::{BTreeMap, HashSet};

use object::Endianness;
use object::macho::{self, BindDylib, SymbolDesc, SymbolLibrary};
use object::read::macho::MachHeader;

use super::image::Image;
use crate::container::faults::Faults;
use crate::container::{Reply, Segment};

/// The bits of a pointer that are its address; Swift and Objective-C keep tags above them.
const ADDRESS: u64 = (1 << 56) - 1;

/// Who exports a name, and whether it may be missing.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Its library, or what dyld searches in place of one.
    pub(super) dylib: BindDylib,
    /// Whether dyld goes on without it.
    pub(super) weak: bool,
}

impl Wanted {
    /// What the symbol table says of a name.
    pub(super) fn of(library: SymbolLibrary, description: SymbolDesc) -> Self {
        let dylib = match library {
            macho::DYNAMIC_LOOKUP_ORDINAL => macho::BIND_SPECIAL_DYLIB_FLAT_LOOKUP,
            macho::EXECUTABLE_ORDINAL => macho::BIND_SPECIAL_DYLIB_MAIN_EXECUTABLE,
            number => BindDylib(number.0.into()),
        };
        Self {
            dylib,
            weak: description.contains(macho::N_WEAK_REF),
        }
    }

    /// This, or what the symbol table says where any definition will do.
    pub(super) fn or(self, of_table: Self) -> Self {
        match self.is_of_any_definition() {
            true => of_table,
            false => self,
        }
    }

    /// Whether the first definition counts, of this image too.
    pub(super) fn is_of_any_definition(self) -> bool {
        self.dylib == macho::BIND_SPECIAL_DYLIB_WEAK_LOOKUP
    }

    /// Whether any library may have it. What is not defined here and is said to be of this
    /// file: zig's linker means any.
    pub(super) fn is_anywhere(self) -> bool {
        let any = [
            macho::BIND_SPECIAL_DYLIB_FLAT_LOOKUP,
            macho::BIND_SPECIAL_DYLIB_SELF,
        ];
        any.contains(&self.dylib)
    }

    /// Which of the libraries that the image needs has it.
    pub(super) fn library(self) -> Option<usize> {
        usize::try_from(self.dylib.index()?).ok()?.checked_sub(1)
    }
}

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
    let places = Places {
        segments: &image.segments,
        rights: &image.rights,
        dylibs: image.needed.len(),
        left: image.data.len(),
        size: if image.header.is_type_64() { 8 } else { 4 },
    };
    let mut reader = Reader {
        image,
        places,
        wanted: BTreeMap::new(),
        bound: HashSet::new(),
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

/// What a segment's memory may be used for from the start.
#[derive(Clone, Copy)]
pub(super) struct Rights {
    pub(super) write: bool,
    pub(super) execute: bool,
}

struct Reader<'a, 'data, Mach: MachHeader<Endian = Endianness>> {
    image: &'a Image<'data, Mach>,
    places: Places<'a>,
    wanted: BTreeMap<&'data [u8], Wanted>,
    /// The words that hold an address of another library in the end.
    bound: HashSet<u64>,
    faults: Faults,
}

impl<'data, Mach: MachHeader<Endian = Endianness>> Reader<'_, 'data, Mach> {
    /// Adds what dyld refuses the image for; `at` is an offset in the image.
    fn refused(&mut self, at: u64, (words, what): Refused) {
        let at = self.image.base.saturating_add(at);
        self.faults.add(Reply::Words(words), what, at);
    }

    /// A library that needs names, and no table says where.
    fn has_none(&mut self) {
        let what = String::from(
            "nothing says which words dyld is to set, though the symbol table has names of other libraries",
        );
        self.faults.add(Reply::Unknown, what, self.image.base);
    }

    /// A name that dyld looks for.
    fn wants(&mut self, name: &'data [u8], dylib: BindDylib, weak: bool) -> Result<(), Refused> {
        self.places.exists(dylib, name)?;
        let known = self.wanted.entry(name).or_insert(Wanted { dylib, weak });
        known.weak &= weak;
        Ok(())
    }

    /// A word that is to hold an address of the image itself, unless it gets another.
    fn leads(&mut self, target: u64, place: u64) {
        if !self.places.holds(target & ADDRESS) && !self.bound.contains(&place) {
            let what = format!(
                "the word at address {place:#x} is to lead to {target:#x}, out of the library"
            );
            self.faults.add(Reply::Unknown, what, self.image.base);
        }
    }
}

/// dyld's words, and what is wrong.
type Refused = (&'static str, String);

/// Where a fixup may be.
struct Places<'a> {
    segments: &'a [Segment],
    rights: &'a [Rights],
    dylibs: usize,
    /// How many more there may be: more than bytes of the file is no table of a linker.
    left: usize,
    size: u8,
}

impl Places<'_> {
    /// The address of a pointer that dyld writes.
    fn of_pointer(&mut self, segment: usize, offset: u64) -> Result<u64, Refused> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            let what = String::from("there are more fixups than bytes in the file");
            ("", what)
        })?;
        // What follows is the linker's own.
        let mut all = self.segments.iter();
        let count = all.position(|one| one.name == "__LINKEDIT");
        let count = count.unwrap_or(self.segments.len());
        let found = self.segments.get(segment).filter(|_| segment < count);
        let (Some(found), Some(rights)) = (found, self.rights.get(segment)) else {
            let what = format!("a fixup is in segment {segment}, of {count}");
            return Err(("segment index too large", what));
        };
        let name = &found.name;
        if offset > found.memory_size.saturating_sub(self.size.into()) {
            let size = found.memory_size;
            let what =
                format!("a fixup is at {offset:#x} of segment `{name}`, which has {size:#x} bytes");
            return Err(("segment offset beyond segment size", what));
        }
        if !rights.write {
            let what = format!("a fixup is in segment `{name}`, which may not be written");
            return Err(("pointer bind is in non-writable segment", what));
        }
        if rights.execute {
            let what = format!("a fixup is in segment `{name}`, which may be executed");
            return Err(("pointer bind is in executable segment", what));
        }
        Ok(found.address.saturating_add(offset))
    }

    /// Whether the library of a name is among those that the image needs.
    fn exists(&self, dylib: BindDylib, name: &[u8]) -> Result<(), Refused> {
        let name = name.escape_ascii();
        let is_known = usize::try_from(dylib.0).is_ok_and(|number| number <= self.dylibs);
        if is_known || (macho::BIND_SPECIAL_DYLIB_WEAK_LOOKUP.0..0).contains(&dylib.0) {
            return Ok(());
        }
        let (count, number) = (self.dylibs, dylib.0);
        let what = format!("`{name}` is to come from library {number}, of {count}");
        match number > 0 {
            true => Err(("library ordinal too large", what)),
            false => Err(("unknown library special ordinal", what)),
        }
    }

    /// Whether an address is of the image; one behind its end is an end.
    fn holds(&self, address: u64) -> bool {
        let mut segments = self.segments.iter();
        segments.any(|one| {
            let end = one.address.saturating_add(one.memory_size);
            (one.address..=end).contains(&address)
        })
    }
}
