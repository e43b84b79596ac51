//! Text and little-endian numbers in device code.

use object::elf;

/// Code that is looked at for its text; kernels are far smaller.
pub(super) const MAX_TEXT: usize = 16 << 20;

/// As much of the code as is looked at for its text.
pub(super) fn beginning(code: &[u8]) -> &[u8] {
    code.get(..MAX_TEXT).unwrap_or(code)
}

/// Code as text, without the zeros at its end; `None` where it is none, or longer than
/// is read.
pub(super) fn text(code: &[u8]) -> Option<&str> {
    if code.len() > MAX_TEXT {
        return None;
    }
    let end = code
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at.saturating_add(1));
    std::str::from_utf8(code.get(..end)?).ok()
}

pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(field.try_into().ok()?))
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

/// `e_flags` of a little-endian 64-bit ELF file for `machine`, with its ABI version.
pub(super) fn elf_flags(code: &[u8], machine: elf::Machine) -> Option<(u8, u32)> {
    let is_elf = code.starts_with(b"\x7fELF\x02\x01") && half(code, 18)? == machine.0;
    is_elf.then_some((*code.get(8)?, word(code, 48)?))
}
