//! LEB128 numbers of WebAssembly, in as many bytes as there is room for:
//! unused high bits may be written out, so a field can keep its width.

/// An unsigned number of at most five bytes.
pub(super) fn read_leb(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at = at.checked_add(1)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A 32-bit address: the sign only says that its highest bit is set.
pub(super) fn read_signed_leb(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let start = *at;
    let value = read_leb(bytes, at)?;
    let width = u32::try_from(at.checked_sub(start)?).ok()?.checked_mul(7)?;
    let negative = value >> width.checked_sub(1)? & 1 == 1;
    let extended = if negative {
        value | u64::MAX << width
    } else {
        value
    };
    Some(extended & u64::from(u32::MAX))
}

/// `value` in exactly `width` bytes.
pub(super) fn leb(value: u64, width: usize) -> Option<Vec<u8>> {
    let (out, rest) = groups(i64::try_from(value).ok()?, width)?;
    (rest == 0).then_some(out)
}

/// A 32-bit address in exactly `width` bytes of a signed number.
pub(super) fn signed_leb(address: u64, width: usize) -> Option<Vec<u8>> {
    let value = u32::try_from(address).ok()?.cast_signed();
    let (out, rest) = groups(value.into(), width)?;
    // What is left must be the sign that the last byte carries.
    let sign = out.last().is_some_and(|last| last & 0x40 != 0);
    (rest == if sign { -1 } else { 0 }).then_some(out)
}

/// Groups of seven bits, the lowest first, and what is left of the number.
fn groups(mut rest: i64, width: usize) -> Option<(Vec<u8>, i64)> {
    let mut out = Vec::with_capacity(width);
    for step in 1..=width {
        let more = if step < width { 0x80 } else { 0 };
        out.push(u8::try_from(rest & 0x7f).ok()? | more);
        rest >>= 7;
    }
    Some((out, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_width() {
        for (value, width) in [
            (0, 1),
            (63, 1),
            (64, 2),
            (8191, 2),
            (1 << 20, 5),
            (0xffff_fff0, 5),
        ] {
            let bytes = signed_leb(value, width).expect("fits");
            assert_eq!(bytes.len(), width);
            let mut at = 0;
            assert_eq!(read_signed_leb(&bytes, &mut at), Some(value));
        }
        assert_eq!(signed_leb(64, 1), None);
        assert_eq!(leb(128, 1), None);
        assert_eq!(leb(3, 3), Some(vec![0x83, 0x80, 0]));
    }
}
