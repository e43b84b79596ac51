//! Segments: the parts of a linked file that a loader maps, as the file states
//! them. Whether a loader takes them is a rule's question.

use std::ops::Range;

use serde::Serialize;

use super::DefinedSymbol;
use super::names::{SLOT, is_context_symbol};
use crate::error::DecodeError;

/// Segments of one file; real ones have fewer than thirty.
const MAX_SEGMENTS: usize = 4096;

/// A `PT_LOAD` of ELF, a Mach-O segment, a PE section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Its name; empty in ELF.
    pub name: String,
    /// Where its bytes begin in the file, counted from the file's own start (not
    /// a universal file's slice).
    pub file_offset: u64,
    /// How many bytes the file has of it.
    pub file_size: u64,
    /// Where it begins in memory.
    pub address: u64,
    /// How many bytes it takes there.
    pub memory_size: u64,
    /// What its address is a multiple of: `p_align`, the pages of a Mach-O
    /// architecture, a PE image's section alignment.
    pub alignment: u64,
    /// Whether it may be written once the library is loaded.
    #[serde(skip)]
    pub writable: bool,
}

impl Segment {
    /// The first address behind it, where there is one.
    pub fn end(&self) -> Option<u64> {
        self.address.checked_add(self.memory_size)
    }
}

/// Adds a segment, unless a file has more of them than any real one.
pub(super) fn push(segments: &mut Vec<Segment>, segment: Segment) -> Result<(), DecodeError> {
    if segments.len() >= MAX_SEGMENTS {
        let expected = format!("at most {MAX_SEGMENTS} segments");
        return Err(DecodeError::limit(0, expected, "more"));
    }
    segments.push(segment);
    Ok(())
}

/// The exported cells for TVM to write to that lie where nothing may be written, or in what
/// the loader protects.
pub(super) fn frozen(
    defined: &[DefinedSymbol],
    segments: &[Segment],
    protected: Option<Range<u64>>,
) -> Vec<String> {
    let is_cell = |name: &str| name.starts_with(SLOT) || is_context_symbol(name);
    let holds = |segment: &Segment, address: u64| {
        segment.address <= address && segment.end().is_some_and(|end| address < end)
    };
    let is_frozen = |address: u64| {
        let mut holding = segments.iter().filter(|one| holds(one, address)).peekable();
        let is_mapped = holding.peek().is_some();
        let mut protected = protected.iter();
        is_mapped
            && (holding.all(|one| !one.writable) || protected.any(|range| range.contains(&address)))
    };
    let cells = defined
        .iter()
        .filter(|one| one.exported && is_cell(&one.name));
    let frozen = cells.filter(|one| is_frozen(one.address));
    frozen.map(|one| one.name.clone()).collect()
}
