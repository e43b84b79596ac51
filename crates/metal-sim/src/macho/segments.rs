//! Where the bytes of a Mach-O image go, and which pointers in it wait for an
//! address. Addresses are those of the file, before sliding.

use super::error::{Result, malformed};
use super::reader::{Reader, plus};

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

    /// The address `offset` into segment `index`, checked to hold `size` bytes.
    pub(super) fn place(&self, index: usize, offset: u64, size: u64) -> Result<u64> {
        match self.list.get(index) {
            Some(s) if offset.checked_add(size).is_some_and(|end| end <= s.size) => {
                plus(s.address, offset)
            }
            _ => malformed(
                0,
                format!("a fixup at offset {offset:#x} of segment {index}, which is not there"),
            ),
        }
    }

    /// Eight bytes of the image's initial contents.
    pub(super) fn word(&self, reader: &Reader<'_>, address: u64) -> Result<u64> {
        for s in &self.list {
            if let Some(offset) = address.checked_sub(s.address)
                && offset.checked_add(8).is_some_and(|end| end <= s.file_size)
            {
                return reader.u64(plus(s.file_offset, offset)?);
            }
        }
        malformed(
            0,
            format!("a fixup at {address:#x}, which has no bytes in the file"),
        )
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
    /// A library ordinal; negative ones have a meaning of their own.
    pub(super) fn of(ordinal: i64) -> Provider {
        match ordinal {
            0 => Provider::Own,
            -3 => Provider::Coalesced,
            _ => u32::try_from(ordinal).map_or(Provider::Any, Provider::Dependency),
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
