//! A Relax VM executable outside any container, as `Executable.save` writes it:
//! one region, no symbols.

use std::borrow::Cow;

use super::{
    Architecture, Binary, BinaryKind, FileRange, Format, Parsed, Platform, Region, Signature,
};

/// Wraps the bytes; the `vm` decoders read them.
pub fn parse(data: &[u8]) -> Parsed<'_> {
    let binary = Binary {
        format: Format::VmExecutable,
        kind: BinaryKind::Object,
        architecture: Architecture::Other(0),
        platform: Platform::Unknown,
        min_os: None,
        identity: None,
        needed: Vec::new(),
        search_paths: Vec::new(),
        version_needs: Vec::new(),
        defined: Vec::new(),
        undefined: Vec::new(),
        wasm_imports: Vec::new(),
        wasm_exports: Vec::new(),
        signature: Signature::NotApplicable,
        has_constructors: false,
        visible_llvm: None,
    };
    let length = data.len() as u64;
    Parsed {
        binary,
        regions: vec![Region {
            name: "file".to_owned(),
            address: 0,
            data: Cow::Borrowed(data),
            file_ranges: vec![FileRange {
                region_offset: 0,
                file_offset: 0,
                length,
            }],
            executable: false,
            writable: false,
        }],
        slice_offset: 0,
    }
}
