//! Cells that TVM writes to when it opens a library, where nothing may be written by then:
//! linkers and their scripts can put them among constants.

use std::ops::Range;

use super::binary::DefinedSymbol;
use super::names::{SLOT, is_context_symbol};
use super::segment::Segment;

/// The exported cells for TVM to write to that lie where nothing may be written, or in what
/// the loader protects.
pub(super) fn cells(
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
