//! What lies behind a blob in a linked image: bytes its symbol still counts,
//! and padding that belongs to no section.

use artcheck_inspect::container::Parsed;
use artcheck_inspect::module::{Blob, ModelLibrary};
use object::{Object, ObjectSection, ObjectSegment};

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

/// Zero bytes directly behind the blob that lie in its segment and in no
/// section: the linker's alignment. Objects have none, their sections are
/// placed anew when they are linked.
pub(super) fn padding(content: &[u8], library: &ModelLibrary, blob: &Blob) -> usize {
    let Ok(file) = object::File::parse(content) else {
        return 0;
    };
    if file.kind() != object::ObjectKind::Dynamic {
        return 0;
    }
    let end = library.file_offset.saturating_add(blob.length);
    let sections: Vec<(u64, u64)> = file
        .sections()
        .filter_map(|section| section.file_range())
        .map(|(start, length)| (start, start.saturating_add(length)))
        .collect();
    let at_end_of_section = sections.iter().any(|(start, stop)| *stop == end && *start < end);
    let next = sections.iter().map(|(start, _)| *start).filter(|start| *start >= end).min();
    let segment = file
        .segments()
        .map(|segment| segment.file_range())
        .map(|(start, length)| (start, start.saturating_add(length)))
        .find(|(start, stop)| *start < end && end <= *stop);
    let (true, Some(next), Some((_, stop))) = (at_end_of_section, next, segment) else {
        return 0;
    };
    let gap = content.get(index(end)..index(next.min(stop))).unwrap_or_default();
    gap.iter().take_while(|byte| **byte == 0).count()
}
