//! PE images: DLLs, Python extension modules and programs.
//!
//! Section headers, the export directory and the import directories are
//! touched, and of the names only those the tables point at.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod exports;
mod image;
mod imports;

use super::{Architecture, Binary, BinaryKind, Format, Parsed, Platform, Signature};
use crate::error::DecodeError;
use exports::Exports;
use image::Image;

/// `IMAGE_FILE_DLL`.
const IS_DLL: u16 = 0x2000;

/// Reads one PE image.
pub fn parse(data: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    let image = Image::parse(data)?;
    let regions = image.regions();
    let imports = imports::read(&image)?;
    let exports = Exports::read(&image)?;
    let (identity, defined) = match &exports {
        Some(exports) => (exports.dll_name()?, exports.keep(&regions)?),
        None => (None, Vec::new()),
    };
    let kind = if image.characteristics & IS_DLL != 0 {
        BinaryKind::SharedLibrary
    } else {
        BinaryKind::Program
    };
    let binary = Binary {
        format: Format::Pe,
        kind,
        architecture: architecture(image.machine),
        platform: Platform::Windows,
        min_os: None,
        identity,
        needed: imports.needed,
        search_paths: Vec::new(),
        version_needs: Vec::new(),
        defined,
        undefined: imports.undefined,
        wasm_imports: Vec::new(),
        wasm_exports: Vec::new(),
        signature: Signature::NotApplicable,
        // The C runtime runs constructors from a DLL's entry point.
        has_constructors: kind == BinaryKind::SharedLibrary && image.entry_point != 0,
        visible_llvm: None,
    };
    Ok(Parsed {
        binary,
        regions,
        slice_offset: 0,
    })
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

/// Calls `visit` with every exported name until it returns `false`.
pub fn each_export(data: &[u8], visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), DecodeError> {
    let image = Image::parse(data)?;
    match Exports::read(&image)? {
        Some(exports) => exports.each(visit),
        None => Ok(()),
    }
}

/// Instruction set by COFF machine number; shared with objects.
pub(super) fn architecture(machine: u16) -> Architecture {
    match machine {
        0x8664 => Architecture::X86_64,
        0x014c => Architecture::X86,
        0xaa64 => Architecture::Aarch64,
        0x01c4 => Architecture::Arm,
        other => Architecture::Other(other.into()),
    }
}
