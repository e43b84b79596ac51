//! What every container becomes: the facts of its [`Binary`], and the [`Region`]s of its
//! bytes, which stay borrowed.

use super::{Binary, Contents};

/// A contiguous piece of initialised memory that may hold a blob or strings.
#[derive(Debug, Clone)]
pub struct Region<'data> {
    /// Section name, with its segment for Mach-O (`__TEXT,__const`).
    pub name: String,
    /// Address of the first byte (virtual address, RVA, linear memory).
    pub address: u64,
    /// The bytes: borrowed from the file, or laid out (wasm).
    pub data: Contents<'data>,
    /// Where the bytes lie in the file: pairs of (region offset, file offset,
    /// length), ascending. One entry except for wasm; gaps are implicit zeros.
    pub file_ranges: Vec<FileRange>,
    /// Holds machine code.
    pub executable: bool,
    /// Mapped writable.
    pub writable: bool,
}

impl<'data> Region<'data> {
    /// Data that nothing may write, as it lies in the file at `file_offset`.
    pub(super) fn of_file(
        name: String,
        address: u64,
        file_offset: u64,
        bytes: &'data [u8],
    ) -> Self {
        Self {
            name,
            address,
            data: Contents::of_file(bytes),
            file_ranges: vec![FileRange {
                region_offset: 0,
                file_offset,
                length: bytes.len() as u64,
            }],
            executable: false,
            writable: false,
        }
    }
}

/// One run of region bytes that exist in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRange {
    /// Offset inside the region.
    pub region_offset: u64,
    /// Offset inside the file (or archive member).
    pub file_offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// What a container parser returns: owned facts and borrowed regions.
#[derive(Debug, Clone)]
pub struct Parsed<'data> {
    /// Owned facts.
    pub binary: Binary,
    /// Initialised, file-backed regions; borrowed, nothing is touched.
    pub regions: Vec<Region<'data>>,
    /// The binary's own bytes (one slice of a fat Mach-O).
    pub data: &'data [u8],
    /// Offset of this binary inside the bytes given (slices of a fat Mach-O).
    pub slice_offset: u64,
}

impl<'data> Parsed<'data> {
    pub(super) fn new(binary: Binary, regions: Vec<Region<'data>>, data: &'data [u8]) -> Self {
        Self {
            binary,
            regions,
            data,
            slice_offset: 0,
        }
    }
}
