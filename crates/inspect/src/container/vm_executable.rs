//! A Relax VM executable outside any container, as `Executable.save` writes it:
//! one region, no symbols.

use super::{Architecture, Binary, BinaryKind, Format, Parsed, Platform, Region};

/// Wraps the bytes; the `vm` decoders read them.
pub fn parse(data: &[u8]) -> Parsed<'_> {
    let binary = Binary::new(
        Format::VmExecutable,
        BinaryKind::Object,
        Architecture::Other(0),
        Platform::Unknown,
    );
    let whole = Region::of_file("file".to_owned(), 0, 0, data);
    Parsed::new(binary, vec![whole], data)
}
