//! Cells that a PE image calls through, by its import tables, and its functions,
//! by its exception directory.

use super::image::Image;
use super::imports;
use crate::container::linkage::Linkage;

/// Entries of the exception directory: begin, end, unwind information.
const WORDS: u32 = 3;

pub(super) fn read(data: &[u8], wanted: fn(&[u8]) -> bool) -> Option<Linkage> {
    let image = Image::parse(data).ok()?;
    let mut linkage = Linkage::default();
    for (cell, name) in imports::cells(&image, wanted).ok()? {
        linkage.cell(cell.into(), name.as_bytes(), None, true);
    }
    if let Some((rva, size)) = image.exceptions {
        for entry in 0..size / (4 * WORDS) {
            let begin = entry
                .checked_mul(WORDS)
                .and_then(|at| image.u32_at(rva, at));
            // A size may say more than there is.
            let Some(begin) = begin else { break };
            linkage.start(begin.into());
        }
    }
    Some(linkage)
}
