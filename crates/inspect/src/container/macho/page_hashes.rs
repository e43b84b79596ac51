//! Recomputes the page hashes of a Mach-O code signature. Reads every page of
//! the file, so callers ask only where the answer matters.
//!
//! Facts: the embedded signature's layout (all fields big-endian): a super
//! blob, its index, code directories with one hash per page of the file up to
//! the code limit. SHA-256 directories alone are checked; SHA-1 ones stand
//! beside them for systems before 10.11.4.

use std::fmt;

use sha2::{Digest, Sha256};

const MAGIC_64: u32 = 0xfeed_facf;
const HEADER_64: usize = 32;
const LC_CODE_SIGNATURE: u32 = 0x1d;
const SUPER_BLOB: u32 = 0xfade_0cc0;
const CODE_DIRECTORY: u32 = 0xfade_0c02;
const HASH_SHA256: u8 = 2;
const SHA256_LENGTH: usize = 32;
/// Index entries and load commands looked at; real files have a dozen.
const MAX_ENTRIES: u32 = 4096;

/// The first page whose hash differs from the signature's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenPage {
    /// Number of the page.
    pub page: usize,
    /// Its first byte, from the start of the Mach-O slice.
    pub offset: u64,
    /// Pages that differ altogether.
    pub count: usize,
    /// Pages the signature covers.
    pub of: usize,
}

impl fmt::Display for BrokenPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} pages do not match their SHA-256 in the code signature, first page {} at byte {:#x}",
            self.count, self.of, self.page, self.offset
        )
    }
}

/// The first page of a 64-bit little-endian Mach-O slice that its signature
/// does not vouch for; `None` when all match or there is nothing to check.
pub fn broken_page(slice: &[u8]) -> Option<BrokenPage> {
    let signature = signature(slice)?;
    let directory = directory(signature)?;
    check(slice, directory)
}

fn signature(slice: &[u8]) -> Option<&[u8]> {
    if little(slice, 0)? != MAGIC_64 {
        return None;
    }
    let count = little(slice, 16)?.min(MAX_ENTRIES);
    let mut at = HEADER_64;
    for _ in 0..count {
        let command = little(slice, at)?;
        let size = usize::try_from(little(slice, at.checked_add(4)?)?).ok()?;
        if command == LC_CODE_SIGNATURE {
            let start = usize::try_from(little(slice, at.checked_add(8)?)?).ok()?;
            let length = usize::try_from(little(slice, at.checked_add(12)?)?).ok()?;
            return slice.get(start..start.checked_add(length)?);
        }
        if size < 8 {
            return None;
        }
        at = at.checked_add(size)?;
    }
    None
}

/// The code directory with SHA-256 hashes.
fn directory(signature: &[u8]) -> Option<&[u8]> {
    if big(signature, 0)? != SUPER_BLOB {
        return None;
    }
    let count = big(signature, 8)?.min(MAX_ENTRIES);
    (0..count)
        .filter_map(|entry| {
            let at = usize::try_from(entry)
                .ok()?
                .checked_mul(8)?
                .checked_add(16)?;
            let start = usize::try_from(big(signature, at)?).ok()?;
            let blob = signature.get(start..)?;
            let length = usize::try_from(big(blob, 4)?).ok()?;
            (big(blob, 0)? == CODE_DIRECTORY).then(|| blob.get(..length))?
        })
        .find(|directory| directory.get(37) == Some(&HASH_SHA256))
}

fn check(slice: &[u8], directory: &[u8]) -> Option<BrokenPage> {
    let hashes = usize::try_from(big(directory, 16)?).ok()?;
    let pages = usize::try_from(big(directory, 28)?).ok()?;
    let limit = usize::try_from(big(directory, 32)?).ok()?;
    // With another size the directory would not bound the number of pages.
    let size = usize::from(*directory.get(36)?);
    if size != SHA256_LENGTH {
        return None;
    }
    let page_size = 1_usize.checked_shl(u32::from(*directory.get(39)?))?;
    let code = slice.get(..limit.min(slice.len()))?;
    let mut broken: Option<BrokenPage> = None;
    for page in 0..pages {
        let at = hashes.checked_add(page.checked_mul(size)?)?;
        let stated = directory.get(at..at.checked_add(size)?)?;
        let start = page.checked_mul(page_size)?;
        let end = start.saturating_add(page_size).min(code.len());
        let bytes = code.get(start..end).unwrap_or_default();
        if Sha256::digest(bytes).get(..size) == Some(stated) {
            continue;
        }
        let first = broken.get_or_insert(BrokenPage {
            page,
            offset: start as u64,
            count: 0,
            of: pages,
        });
        first.count = first.count.saturating_add(1);
    }
    broken
}

fn little(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

fn big(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        reason = "offsets of what is made here"
    )]

    use super::*;

    /// One page of code behind header and load command, then its signature.
    fn signed() -> Vec<u8> {
        let mut file = vec![0_u8; 4096];
        file[..4].copy_from_slice(&MAGIC_64.to_le_bytes());
        file[16] = 1;
        for (at, word) in [(32, LC_CODE_SIGNATURE), (36, 16), (40, 4096), (44, 20 + 80)] {
            file[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        let mut directory = vec![0_u8; 48];
        let words = [(0, CODE_DIRECTORY), (4, 80), (16, 48), (28, 1), (32, 4096)];
        for (at, word) in words {
            directory[at..at + 4].copy_from_slice(&u32::to_be_bytes(word));
        }
        directory[36..40].copy_from_slice(&[32, HASH_SHA256, 0, 12]);
        directory.extend(Sha256::digest(&file));
        for word in [SUPER_BLOB, 100, 1, 0, 20] {
            file.extend(u32::to_be_bytes(word));
        }
        file.extend(directory);
        file
    }

    #[test]
    fn one_changed_byte_breaks_its_page() {
        let mut file = signed();
        assert_eq!(broken_page(&file), None);
        file[1000] ^= 1;
        let broken = broken_page(&file).expect("the page changed");
        assert_eq!((broken.page, broken.count, broken.of), (0, 1, 1));
    }

    #[test]
    fn damaged_signatures_end_soon() {
        let whole = signed();
        for end in (0..whole.len()).step_by(7) {
            let _ = broken_page(&whole[..end]);
        }
        // Every field of the directory as large and as small as it can be.
        for at in 4116..whole.len() {
            for byte in [0, 0xff] {
                let mut file = whole.clone();
                file[at] = byte;
                let _ = broken_page(&file);
            }
        }
    }
}
