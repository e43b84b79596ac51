//! What lies behind a blob in a linked image: bytes its symbol still counts,
//! and padding that belongs to no section.

use std::ops::Range;

use artcheck_inspect::container::Parsed;
use artcheck_inspect::module::{Blob, ModelLibrary};
use object::read::elf::{ElfFile64, FileHeader as _};
use object::{LittleEndian, Object, ObjectSection, ObjectSegment};

use super::splice::index;

/// Bytes that the blob's symbol counts beyond the blob's own length. Only ELF
/// records sizes; a compiler writes them equal, so a difference is what an
/// earlier change left.
pub(super) fn left_unused(parsed: &Parsed<'_>, library: &ModelLibrary, blob: &Blob) -> usize {
    let symbol = parsed
        .binary
        .defined
        .iter()
        .find(|symbol| Some(&symbol.name) == library.blob_symbol.as_ref());
    let size = symbol.and_then(|symbol| symbol.size).unwrap_or(0);
    index(size.saturating_sub(blob.length))
}

/// Padding behind a blob, and the field that says where its section ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Padding {
    /// Bytes of it.
    pub(super) bytes: usize,
    /// The size field of the section, eight bytes.
    pub(super) size_field: Range<usize>,
}

/// Zero bytes directly behind the blob that lie in its segment and in no
/// section: the linker's alignment. Only in linked ELF images: objects are
/// placed anew when they are linked, and the other formats say sizes where a
/// signature or the loader looks.
pub(super) fn padding(content: &[u8], library: &ModelLibrary, blob: &Blob) -> Option<Padding> {
    let file = ElfFile64::<LittleEndian>::parse(content).ok()?;
    if file.kind() != object::ObjectKind::Dynamic {
        return None;
    }
    let end = library.file_offset.saturating_add(blob.length);
    let range = |(start, length): (u64, u64)| start..start.saturating_add(length);
    let holding = file.sections().find(|section| {
        section
            .file_range()
            .map(range)
            .is_some_and(|at| at.start < end && at.end == end)
    })?;
    let next = file.sections().filter_map(|section| section.file_range());
    let next = next
        .map(|(start, _)| start)
        .filter(|start| *start >= end)
        .min()?;
    let segment = file.segments().map(|segment| range(segment.file_range()));
    let segment = segment
        .into_iter()
        .find(|at| at.start < end && end <= at.end)?;
    let gap = content.get(index(end)..index(next.min(segment.end)))?;
    let bytes = gap.iter().take_while(|byte| **byte == 0).count();
    // A section header is 64 bytes; its size field is the fifth, at 32.
    let header = index(file.elf_header().e_shoff(LittleEndian));
    let field = header
        .checked_add(holding.index().0.checked_mul(64)?)?
        .checked_add(32)?;
    Some(Padding {
        bytes,
        size_field: field..field.checked_add(8)?,
    })
}
