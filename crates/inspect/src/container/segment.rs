//! Segments: the parts of a linked file that a loader maps, as the file states
//! them. Whether a loader takes them is a rule's question.

use serde::Serialize;

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
