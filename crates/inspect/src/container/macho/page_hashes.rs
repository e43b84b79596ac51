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

/// The first page whose hash differs from the signature's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenPage {
    /// Number of the page.
    pub page: u32,
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

/// The first page of a Mach-O slice that its signature does not vouch for;
/// `None` when all match or there is nothing to check.
pub(crate) fn broken_page(slice: &[u8]) -> Option<BrokenPage> {
    let signature = if is_64(slice) {
        signature::<macho::MachHeader64<Endianness>>(slice)
    } else {
        signature::<macho::MachHeader32<Endianness>>(slice)
    };
    let directory = CodeDirectory::each(signature?)
        .ok()?
        .filter_map(Result::ok)
        .find(|directory| directory.hash_type() == macho::CS_HASHTYPE_SHA256)?;
    let mut broken: Option<BrokenPage> = None;
    let mut offset = 0_u64;
    let pages = directory.pages(slice)?;
    let of = pages.len();
    for (number, page) in (0..directory.slots()).zip(pages) {
        if Sha256::digest(page).as_slice() != directory.hash(number)? {
            let first = broken.get_or_insert(BrokenPage {
                page: number,
                offset,
                count: 0,
                of,
            });
            first.count = first.count.saturating_add(1);
        }
        offset = offset.saturating_add(page.len() as u64);
    }
    broken
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
