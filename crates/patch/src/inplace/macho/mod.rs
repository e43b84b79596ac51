//! Mach-O files: the images in one, and the load commands of an image
//! ([`commands`]). Layouts: `loader.h` and `fat.h` of Apple's published sources.

pub(super) mod commands;

use std::ops::Range;

use object::macho::{CPU_TYPE_ARM64, FAT_MAGIC, FAT_MAGIC_64, MH_EXECUTE, MH_OBJECT};
use object::read::macho::{FatArch, MachOFatFile32, MachOFatFile64};

use super::PlanError;

fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok()
}

fn little(bytes: &[u8], at: usize) -> Option<u32> {
    word(bytes, at).map(u32::from_le_bytes)
}

/// An image of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    /// Its bytes.
    pub(super) at: Range<usize>,
    /// Where its size stands, if the file has a table of slices.
    pub(super) size_field: Option<Range<usize>>,
}

/// Images of one file that are looked at; `lipo` knows a dozen processors.
const MOST_IMAGES: usize = 64;

/// The images of a file: one, or one per slice of a fat file.
pub(super) fn slices(file: &[u8]) -> Result<Vec<Slice>, PlanError> {
    let cut = || {
        PlanError::container(
            "expected a table of at most 64 images inside the Mach-O universal file",
        )
    };
    // The size stands behind processor, kind and offset.
    let slices = match word(file, 0).map(u32::from_be_bytes) {
        Some(FAT_MAGIC) => {
            let table = MachOFatFile32::parse(file).map_err(|_| cut())?;
            listed(table.arches(), file, 12..16)
        }
        Some(FAT_MAGIC_64) => {
            let table = MachOFatFile64::parse(file).map_err(|_| cut())?;
            listed(table.arches(), file, 16..24)
        }
        _ => Some(vec![Slice {
            at: 0..file.len(),
            size_field: None,
        }]),
    };
    slices.ok_or_else(cut)
}

fn listed<Arch: FatArch>(arches: &[Arch], file: &[u8], size: Range<usize>) -> Option<Vec<Slice>> {
    let slice = |(number, arch): (usize, &Arch)| {
        let start = usize::try_from(arch.file_range().0).ok()?;
        let end = start.checked_add(arch.data(file).ok()?.len())?;
        let entry = number.checked_mul(size_of::<Arch>())?.checked_add(8)?;
        Some(Slice {
            at: start..end,
            size_field: Some(entry.checked_add(size.start)?..entry.checked_add(size.end)?),
        })
    };
    let arches = Some(arches).filter(|arches| arches.len() <= MOST_IMAGES)?;
    arches.iter().enumerate().map(slice).collect()
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
