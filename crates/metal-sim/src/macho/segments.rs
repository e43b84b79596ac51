//! Where the bytes of a Mach-O image go, and which pointers in it wait for an
//! address. Addresses are those of the file, before sliding.

use object::macho;

use super::error::{Result, malformed};

/// One segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its name, such as `__TEXT`.
    pub name: String,
    /// Its address.
    pub address: u64,
    /// Its size in memory.
    pub size: u64,
    /// Where its bytes are in the file.
    pub file_offset: u64,
    /// How many there are; the rest is zero.
    pub file_size: u64,
}

/// All segments of an image.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    /// In file order.
    pub list: Vec<Segment>,
    /// The first address after the last one.
    pub end: u64,
}

impl Segments {
    /// The address of `__TEXT`, from which offsets in the image count.
    pub(super) fn base(&self) -> u64 {
        let text = self.list.iter().find(|s| s.name == "__TEXT");
        text.map_or(0, |s| s.address)
    }

    /// The address `offset` into segment `index`, checked to hold a pointer.
    pub(super) fn place(&self, index: u8, offset: u64) -> Result<u64> {
        match self.list.get(usize::from(index)) {
            Some(s) if offset.checked_add(8).is_some_and(|end| end <= s.size) => {
                plus(s.address, offset)
            }
            _ => malformed(format!(
                "a fixup at offset {offset:#x} of segment {index}, which is not there"
            )),
        }
    }

    /// The image's initial contents from `address` to the end of its segment.
    pub(super) fn from<'a>(&self, bytes: &'a [u8], address: u64) -> Result<&'a [u8]> {
        let contents = self.list.iter().find_map(|s| {
            let skipped = address.checked_sub(s.address)?;
            let size = s.file_size.checked_sub(skipped).filter(|size| *size > 0)?;
            part(bytes, s.file_offset.checked_add(skipped)?, size)
        });
        match contents {
            Some(contents) => Ok(contents),
            None => malformed(format!(
                "a fixup at {address:#x}, which has no bytes in the file"
            )),
        }
    }

    /// Eight bytes of the image's initial contents.
    pub(super) fn word(&self, bytes: &[u8], address: u64) -> Result<u64> {
        match self.from(bytes, address)?.first_chunk() {
            Some(word) => Ok(u64::from_le_bytes(*word)),
            None => malformed(format!("a fixup at {address:#x}, across a segment's end")),
        }
    }

    /// Refuses more fixups than an image of this size has room for: a count in a program
    /// of fixups may be any number.
    pub(super) fn have_room(&self, index: usize) -> Result<()> {
        if u64::try_from(index).is_ok_and(|index| index <= self.end / 8) {
            return Ok(());
        }
        malformed("more fixups than the image has room for")
    }
}

/// `size` bytes of the file from `offset`.
pub(super) fn part(bytes: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    bytes.get(start..)?.get(..usize::try_from(size).ok()?)
}

/// `base + offset`, refused on overflow.
pub(super) fn plus(base: u64, offset: u64) -> Result<u64> {
    match base.checked_add(offset) {
        Some(sum) => Ok(sum),
        None => malformed("an address beyond 64 bits"),
    }
}

/// A pointer-sized place that holds the address of a symbol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The place.
    pub address: u64,
    /// The symbol, with Mach-O's leading underscore.
    pub symbol: String,
    /// Added to the symbol's address.
    pub addend: i64,
    /// Absence of the symbol is allowed.
    pub weak: bool,
    /// Which library has the symbol.
    pub from: Provider,
}

/// Where the loader looks for a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// The image itself.
    Own,
    /// A library that it names, counted from 1.
    Dependency(u32),
    /// Whatever library has it.
    Any,
    /// The first definition of all images, for this and every other of them.
    Coalesced,
}

impl Provider {
    /// A library's number; negative ones have a meaning of their own.
    pub(super) fn of(library: macho::BindDylib) -> Provider {
        match library {
            macho::BIND_SPECIAL_DYLIB_SELF => Provider::Own,
            macho::BIND_SPECIAL_DYLIB_WEAK_LOOKUP => Provider::Coalesced,
            _ => u32::try_from(library.0).map_or(Provider::Any, Provider::Dependency),
        }
    }
}

/// A pointer-sized place that holds an address inside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rebase {
    /// The place.
    pub address: u64,
    /// What it points to, before sliding.
    pub target: u64,
}

/// What must be written into a mapped image before it runs.
#[derive(Clone, Debug, Default)]
pub struct Fixups {
    /// Places that hold addresses of the image.
    pub rebases: Vec<Rebase>,
    /// Places that hold addresses of symbols.
    pub bindings: Vec<Binding>,
}
