//! A Relax VM executable outside any container, as `Executable.save` writes it:
//! one region, no symbols.

use super::{
    Architecture, Binary, BinaryKind, Contents, FileRange, Format, Parsed, Platform, Region,
};

/// Wraps the bytes; the `vm` decoders read them.
pub fn parse(data: &[u8]) -> Parsed<'_> {
    let binary = Binary::new(
        Format::VmExecutable,
        BinaryKind::Object,
        Architecture::Other(0),
        Platform::Unknown,
    );
    let length = data.len() as u64;
    Parsed {
        binary,
        regions: vec![Region {
            name: "file".to_owned(),
            address: 0,
            data: Contents::of_file(data),
            file_ranges: vec![FileRange {
                region_offset: 0,
                file_offset: 0,
                length,
            }],
            executable: false,
            writable: false,
        }],
        data,
        slice_offset: 0,
    }
}
