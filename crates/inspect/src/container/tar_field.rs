//! The fields of a tar header: numbers and names in blocks of 512 bytes.

pub(super) const BLOCK: usize = 512;

/// Octal digits, or base 256 when the first bit is set.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 == 0 {
        let digits = std::str::from_utf8(text(field)).ok()?.trim();
        return if digits.is_empty() {
            Some(0)
        } else {
            u64::from_str_radix(digits, 8).ok()
        };
    }
    let mut value = u64::from(first & 0x7f);
    for byte in rest {
        value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
    }
    Some(value)
}

/// What a field holds before its first zero byte.
pub(super) fn text(field: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    field.get(..end).unwrap_or_default()
}
