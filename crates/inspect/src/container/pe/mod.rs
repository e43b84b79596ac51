//! PE images: DLLs, Python extension modules and programs.
//!
//! Section headers, the export directory and the import directories are
//! touched, and of the names only those the tables point at.

mod exports;
mod image;
mod imports;
mod linkage;
mod tables;

use object::pe;

use super::linkage::Linkage;
use super::{
    Architecture, Binary, BinaryKind, Exported, ForeignSymbol, Format, Parsed, Platform, frozen,
};
use crate::error::DecodeError;
use exports::Exports;
use image::Image;

/// Reads one PE image.
pub fn parse(data: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    let image = Image::parse(data)?;
    let regions = image.regions();
    let imports = imports::read(&image)?;
    let mut faults = imports.faults;
    tables::check(&image, &mut faults);
    let exports = Exports::read(&image)?;
    let (identity, defined) = match &exports {
        Some(exports) => (exports.dll_name()?, exports.keep(&regions, &mut faults)?),
        None => (None, Vec::new()),
    };
    let kind = if image.characteristics.contains(pe::IMAGE_FILE_DLL) {
        BinaryKind::SharedLibrary
    } else {
        BinaryKind::Program
    };
    let binary = Binary {
        identity,
        frozen: frozen::cells(&defined, &image.segments, None),
        damage: faults.found,
        segments: image.segments,
        needed: imports.needed,
        defined,
        undefined: imports.undefined,
        foreign: imports.unlisted.into_iter().collect(),
        by_number: imports.by_number,
        // The C runtime runs constructors from a DLL's entry point.
        has_constructors: kind == BinaryKind::SharedLibrary && image.entry_point != 0,
        ..Binary::new(
            Format::Pe,
            kind,
            architecture(image.machine),
            Platform::Windows,
        )
    };
    Ok(Parsed::new(binary, regions, data))
}

/// What the loader looks for in the libraries that `is_meant` says.
pub(super) fn asked(
    data: &[u8],
    is_meant: fn(&str) -> bool,
) -> Result<Vec<ForeignSymbol>, DecodeError> {
    imports::asked(&Image::parse(data)?, is_meant)
}

/// The processor that a file is for, as its first bytes say.
pub(super) fn machine(header: &[u8]) -> Option<Architecture> {
    let at = header.get(0x3c..)?.first_chunk::<4>()?;
    let at = usize::try_from(u32::from_le_bytes(*at)).ok()?;
    let [_, _, _, _, low, high, ..] = header.get(at..)? else {
        return None;
    };
    let machine = u16::from_le_bytes([*low, *high]);
    Some(architecture(pe::Machine(machine)))
}

/// Calls by name, and functions.
pub(super) fn linkage(data: &[u8], wanted: fn(&[u8]) -> bool) -> Option<Linkage> {
    linkage::read(data, wanted)
}

/// Which of `wanted` the image exports, by search in its sorted name table.
pub fn defines(data: &[u8], wanted: &[&str]) -> Result<Vec<bool>, DecodeError> {
    let image = Image::parse(data)?;
    match Exports::read(&image)? {
        Some(exports) => wanted
            .iter()
            .map(|name| exports.contains(name.as_bytes()))
            .collect(),
        None => Ok(vec![false; wanted.len()]),
    }
}

/// What the image has for each of some names and numbers.
pub(super) fn exported(data: &[u8], wanted: &[&str]) -> Result<Vec<Exported>, DecodeError> {
    let image = Image::parse(data)?;
    match Exports::read(&image)? {
        Some(exports) => wanted.iter().map(|name| exports.get(name)).collect(),
        None => Ok(wanted.iter().map(|_| Exported::Nothing).collect()),
    }
}

/// Whether the image hands names on to other libraries.
pub(super) fn is_forwarder(data: &[u8]) -> bool {
    let image = Image::parse(data);
    let exports = image.as_ref().map(Exports::read);
    matches!(exports, Ok(Ok(Some(exports))) if exports.are_forwarded())
}

/// Calls `visit` with every exported name until it returns `false`.
pub fn each_export(data: &[u8], visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), DecodeError> {
    let image = Image::parse(data)?;
    match Exports::read(&image)? {
        Some(exports) => exports.each(visit),
        None => Ok(()),
    }
}

/// Instruction set by COFF machine number; shared with objects.
pub(super) fn architecture(machine: pe::Machine) -> Architecture {
    match machine {
        pe::IMAGE_FILE_MACHINE_AMD64 => Architecture::X86_64,
        pe::IMAGE_FILE_MACHINE_I386 => Architecture::X86,
        pe::IMAGE_FILE_MACHINE_ARM64 => Architecture::Aarch64,
        pe::IMAGE_FILE_MACHINE_ARMNT => Architecture::Arm,
        other => Architecture::Other(other.0.into()),
    }
}
