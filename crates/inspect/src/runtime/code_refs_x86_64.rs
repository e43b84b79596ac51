//! References from x86-64 code to an address: `lea reg, [rip + disp32]`.
//!
//! This is how GCC, Clang and MSVC pass the attention-tag literals to the
//! string comparison (format notes, part j). Immediates are never used there,
//! so nothing else is decoded and instruction boundaries do not matter.

use super::strings::Piece;

/// Length of REX, opcode, ModRM and displacement.
const LENGTH: u64 = 7;

/// How often `code` refers to each of `targets`, in their order.
pub fn count(code: Piece<'_>, targets: &[u64]) -> Vec<u64> {
    let mut counts = vec![0u64; targets.len()];
    for opcode in memchr::memchr_iter(0x8d, code.data) {
        let Some(start) = opcode.checked_sub(1) else {
            continue;
        };
        let Some(&[rex, _, modrm, d0, d1, d2, d3]) = code.data.get(start..start.saturating_add(7))
        else {
            continue;
        };
        // REX.W with or without REX.R, mod 00 and r/m 101: rip-relative.
        if rex & 0xfb != 0x48 || modrm & 0xc7 != 0x05 {
            continue;
        }
        let displacement = i32::from_le_bytes([d0, d1, d2, d3]);
        let next = code.address.wrapping_add(start as u64).wrapping_add(LENGTH);
        let target = next.wrapping_add_signed(i64::from(displacement));
        for (wanted, count) in targets.iter().zip(&mut counts) {
            if *wanted == target {
                *count = count.saturating_add(1);
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_of_the_0_27_runtime_is_counted() {
        // At 0xff055 of the Linux x86-64 library: 48 8d 35 e5 2f 1a 00.
        let code = [0x90, 0x48, 0x8d, 0x35, 0xe5, 0x2f, 0x1a, 0x00, 0xe8];
        let piece = Piece {
            data: &code,
            address: 0xff054,
        };
        assert_eq!(count(piece, &[0x2a2041, 0x2a2057]), [1, 0]);
    }
}
