//! Where the signature of a Mach-O image lies.

use std::ops::Range;

use super::PlanError;

const MAGIC_32: u32 = 0xfeed_face;
const MAGIC_64: u32 = 0xfeed_facf;
const FAT: u32 = 0xcafe_babe;
const FAT_64: u32 = 0xcafe_babf;
const LC_CODE_SIGNATURE: u32 = 0x1d;
const CPU_ARM64: u32 = 0x0100_000c;
const MH_OBJECT: u32 = 1;

fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok()
}

fn little(bytes: &[u8], at: usize) -> Option<u32> {
    word(bytes, at).map(u32::from_le_bytes)
}

fn big(bytes: &[u8], at: usize) -> Option<usize> {
    word(bytes, at)
        .map(u32::from_be_bytes)
        .and_then(|value| usize::try_from(value).ok())
}

fn refused(reason: &str) -> PlanError {
    PlanError::Container {
        member: String::new(),
        reason: reason.to_owned(),
    }
}

/// The images of a file: one, or one per slice of a fat file.
pub(super) fn slices(file: &[u8]) -> Result<Vec<Range<usize>>, PlanError> {
    let magic = word(file, 0).map(u32::from_be_bytes).unwrap_or(0);
    if magic != FAT && magic != FAT_64 {
        return Ok(std::iter::once(0..file.len()).collect());
    }
    let wide = magic == FAT_64;
    let cut = || refused("expected a slice table inside the Mach-O universal file, found its end");
    let count = big(file, 4).filter(|count| *count <= 64).ok_or_else(cut)?;
    (0..count)
        .map(|index| {
            // fat_arch: cpu, subtype, offset, size, align; twice as wide in the 64-bit form.
            let (entry, offset, size) = if wide { (32, 12, 20) } else { (20, 8, 12) };
            let at = index.checked_mul(entry)?.checked_add(8)?;
            let start = big(file, at.checked_add(offset)?)?;
            let length = big(file, at.checked_add(size)?)?;
            let end = start.checked_add(length)?;
            file.get(start..end).map(|_| start..end)
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(cut)
}

/// The bytes `LC_CODE_SIGNATURE` points at.
pub(super) fn signature(image: &[u8]) -> Result<Option<Range<usize>>, PlanError> {
    let header = match little(image, 0) {
        Some(MAGIC_64) => 32,
        Some(MAGIC_32) => 28,
        _ => {
            return Err(refused(
                "expected a little-endian Mach-O image, found another byte order or format",
            ));
        }
    };
    let cut = || refused("expected Mach-O load commands, found the end of the image");
    let count = little(image, 16).ok_or_else(cut)?;
    let mut at = header;
    for _ in 0..count {
        let (command, size) = (
            little(image, at).ok_or_else(cut)?,
            little(image, at.saturating_add(4)).ok_or_else(cut)?,
        );
        if command == LC_CODE_SIGNATURE {
            let number = |offset: usize| {
                little(image, at.checked_add(offset)?).and_then(|value| usize::try_from(value).ok())
            };
            let start = number(8).ok_or_else(cut)?;
            let end = number(12)
                .and_then(|size| start.checked_add(size))
                .ok_or_else(cut)?;
            return match image.get(start..end) {
                Some(_) => Ok(Some(start..end)),
                None => Err(refused(
                    "expected a code signature inside the image, found its end",
                )),
            };
        }
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size >= 8)
            .ok_or_else(cut)?;
        at = at.saturating_add(size);
    }
    Ok(None)
}

/// Whether macOS refuses to load this image without a signature.
pub(super) fn needs_signature(image: &[u8]) -> bool {
    little(image, 4) == Some(CPU_ARM64) && little(image, 12) != Some(MH_OBJECT)
}
