//! Recomputes the page hashes of a Mach-O code signature. Reads every page of
//! the file, so callers ask only where the answer matters.
//!
//! SHA-256 directories alone are checked; SHA-1 ones stand beside them for
//! systems before 10.11.4.

use std::fmt;

use object::Endianness;
use object::macho;
use object::read::macho::MachHeader;
use sha2::{Digest, Sha256};

use super::code_directory::CodeDirectory;
use super::image::is_64;

/// Why a signature does not vouch for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// Pages have other hashes.
    Pages {
        /// Number of the first.
        page: u32,
        /// Its first byte, from the start of the Mach-O slice.
        offset: u64,
        /// Pages that differ altogether.
        count: usize,
        /// Pages the signature covers.
        of: usize,
    },
    /// It has not one hash for each page of what it covers, or covers more than there is.
    Cover {
        /// Hashes.
        hashes: u32,
        /// Bytes that it covers.
        covers: u64,
        /// Bytes of the slice.
        of: usize,
    },
}

impl Broken {
    /// The first byte that is not vouched for, from the start of the Mach-O slice.
    pub fn offset(&self) -> u64 {
        match self {
            Self::Pages { offset, .. } => *offset,
            Self::Cover { .. } => 0,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pages {
                page,
                offset,
                count,
                of,
            } => write!(
                f,
                "{count} of {of} pages do not match their SHA-256 in the code signature, first page {page} at byte {offset:#x}"
            ),
            Self::Cover { hashes, covers, of } => write!(
                f,
                "the code signature has {hashes} hashes for {covers} bytes, the file has {of}"
            ),
        }
    }
}

/// What of a Mach-O slice its signature does not vouch for; `None` when it vouches for all
/// or there is nothing to check.
pub(crate) fn broken(slice: &[u8]) -> Option<Broken> {
    let signature = if is_64(slice) {
        signature::<macho::MachHeader64<Endianness>>(slice)
    } else {
        signature::<macho::MachHeader32<Endianness>>(slice)
    };
    let directory = CodeDirectory::each(signature?)
        .ok()?
        .filter_map(Result::ok)
        .find(|directory| directory.hash_type() == macho::CS_HASHTYPE_SHA256)?;
    let cover = || Broken::Cover {
        hashes: directory.slots(),
        covers: directory.covers(),
        of: slice.len(),
    };
    let Some(pages) = directory.pages(slice) else {
        return Some(cover());
    };
    let of = pages.len();
    if of != usize::try_from(directory.slots()).ok()? {
        return Some(cover());
    }
    let (mut first, mut count) = (None, 0usize);
    let mut offset = 0_u64;
    for (page, bytes) in (0..directory.slots()).zip(pages) {
        let Some(hash) = directory.hash(page) else {
            return Some(cover());
        };
        if Sha256::digest(bytes).as_slice() != hash {
            first.get_or_insert((page, offset));
            count = count.saturating_add(1);
        }
        offset = offset.saturating_add(bytes.len() as u64);
    }
    first.map(|(page, offset)| Broken::Pages {
        page,
        offset,
        count,
        of,
    })
}

fn signature<Mach: MachHeader<Endian = Endianness>>(slice: &[u8]) -> Option<&[u8]> {
    let header = Mach::parse(slice, 0).ok()?;
    let endian = header.endian().ok()?;
    let mut commands = header.load_commands(endian, slice, 0).ok()?;
    while let Ok(Some(command)) = commands.next() {
        if command.cmd() == macho::LC_CODE_SIGNATURE {
            let place: &macho::LinkeditDataCommand<Endianness> = command.data().ok()?;
            return place.data(endian, slice).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One page of code behind header and load command, then its signature.
    fn signed() -> Vec<u8> {
        let mut file = vec![0_u8; 4096];
        file[..4].copy_from_slice(&macho::MH_MAGIC_64.to_le_bytes());
        // One command of 16 bytes.
        (file[16], file[20]) = (1, 16);
        for (at, word) in [
            (32, macho::LC_CODE_SIGNATURE.0),
            (36, 16),
            (40, 4096),
            (44, 20 + 80),
        ] {
            file[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        let mut directory = vec![0_u8; 48];
        let words = [
            (0, macho::CSMAGIC_CODEDIRECTORY),
            (4, 80),
            (16, 48),
            (28, 1),
            (32, 4096),
        ];
        for (at, word) in words {
            directory[at..at + 4].copy_from_slice(&u32::to_be_bytes(word));
        }
        directory[36..40].copy_from_slice(&[32, macho::CS_HASHTYPE_SHA256.0, 0, 12]);
        directory.extend(Sha256::digest(&file));
        for word in [macho::CSMAGIC_EMBEDDED_SIGNATURE, 100, 1, 0, 20] {
            file.extend(u32::to_be_bytes(word));
        }
        file.extend(directory);
        file
    }

    #[test]
    fn one_changed_byte_breaks_its_page() {
        let mut file = signed();
        assert_eq!(broken(&file), None);
        file[1000] ^= 1;
        let pages = Broken::Pages {
            page: 0,
            offset: 0,
            count: 1,
            of: 1,
        };
        assert_eq!(broken(&file), Some(pages));
    }

    #[test]
    fn what_a_signature_does_not_cover_is_broken() {
        let is_cover = |at: usize, word: u32| {
            let mut file = signed();
            // The directory begins behind the file and the table of its signature.
            let at = 4096 + 20 + at;
            file[at..at + 4].copy_from_slice(&word.to_be_bytes());
            file[1000] ^= 1;
            matches!(broken(&file), Some(Broken::Cover { .. }))
        };
        assert!(is_cover(32, 8192), "a limit outside of the file");
        assert!(is_cover(28, 0), "no hash");
        assert!(is_cover(28, 2), "more hashes than pages");
    }

    #[test]
    fn damaged_signatures_end_soon() {
        let whole = signed();
        for end in (0..whole.len()).step_by(7) {
            let _ = broken(&whole[..end]);
        }
        // Every field of the directory as large and as small as it can be.
        for at in 4116..whole.len() {
            for byte in [0, 0xff] {
                let mut file = whole.clone();
                file[at] = byte;
                let _ = broken(&file);
            }
        }
    }
}
