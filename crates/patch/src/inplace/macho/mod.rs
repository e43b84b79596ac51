//! Mach-O files: the images in one, and the load commands of an image
//! ([`commands`]). Layouts: `loader.h` and `fat.h` of Apple's published sources.

pub(super) mod commands;

use std::ops::Range;

use object::macho::{CPU_TYPE_ARM64, FAT_MAGIC, FAT_MAGIC_64, MH_EXECUTE, MH_OBJECT};

use super::PlanError;

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

/// An image of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    /// Its bytes.
    pub(super) at: Range<usize>,
    /// Where its size stands, if the file has a table of slices.
    pub(super) size_field: Option<Range<usize>>,
}

/// The images of a file: one, or one per slice of a fat file.
pub(super) fn slices(file: &[u8]) -> Result<Vec<Slice>, PlanError> {
    let magic = word(file, 0).map(u32::from_be_bytes).unwrap_or(0);
    if magic != FAT_MAGIC && magic != FAT_MAGIC_64 {
        let whole = Slice {
            at: 0..file.len(),
            size_field: None,
        };
        return Ok(vec![whole]);
    }
    let wide = magic == FAT_MAGIC_64;
    let cut = || {
        PlanError::container(
            "expected a slice table inside the Mach-O universal file, found its end",
        )
    };
    let count = big(file, 4).filter(|count| *count <= 64).ok_or_else(cut)?;
    (0..count)
        .map(|index| slice(file, index, wide))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(cut)
}

fn slice(file: &[u8], index: usize, wide: bool) -> Option<Slice> {
    // fat_arch: cpu, subtype, offset, size, align; in the 64-bit form offset and
    // size take eight bytes.
    let (entry, size, width) = if wide { (32, 16, 8) } else { (20, 12, 4) };
    let at = index.checked_mul(entry)?.checked_add(8)?;
    let number = |at: usize| -> Option<(usize, Range<usize>)> {
        let field = at..at.checked_add(width)?;
        let bytes = file.get(field.clone())?;
        let value = bytes.iter().try_fold(0_u64, |value, byte| {
            value.checked_mul(256)?.checked_add(u64::from(*byte))
        })?;
        Some((usize::try_from(value).ok()?, field))
    };
    let (start, _) = number(at.checked_add(8)?)?;
    let (length, size_field) = number(at.checked_add(size)?)?;
    let end = start.checked_add(length)?;
    file.get(start..end)?;
    Some(Slice {
        at: start..end,
        size_field: Some(size_field),
    })
}

/// Whether the processor is one of Apple's.
pub(super) fn is_arm64(image: &[u8]) -> bool {
    little(image, 4) == Some(CPU_TYPE_ARM64.0)
}

/// Whether macOS refuses to load this image without a signature.
pub(super) fn needs_signature(image: &[u8]) -> bool {
    is_arm64(image) && !is_object(image)
}

/// Whether it is an object, which the link that uses it signs.
pub(super) fn is_object(image: &[u8]) -> bool {
    little(image, 12) == Some(MH_OBJECT.0)
}

/// Whether it is a program.
pub(super) fn is_executable(image: &[u8]) -> bool {
    little(image, 12) == Some(MH_EXECUTE.0)
}
