//! References from x86-64 code to an address: `lea reg, [rip + disp32]`.
//!
//! This is how GCC, Clang and MSVC pass the attention-tag literals to the
//! string comparison (docs/formats.md#tags-in-a-runtime). Immediates are never used there,
//! so nothing else is decoded and instruction boundaries do not matter.

use super::strings::Piece;
use super::wide;

/// Length of REX, opcode, ModRM and displacement.
const LENGTH: u64 = 7;

/// Places tried together.
const BLOCK: usize = 32;
/// Bytes a block of places looks at: one instruction beyond the last.
const WINDOW: usize = BLOCK + 6;

/// How often `code` refers to each of `targets`, in their order.
pub fn count(code: Piece<'_>, targets: &[u64]) -> Vec<u64> {
    wide::run(
        #[inline(always)]
        || count_in_blocks(code, targets),
    )
}

#[inline(always)]
fn count_in_blocks(code: Piece<'_>, targets: &[u64]) -> Vec<u64> {
    let mut counts = vec![0u64; targets.len()];
    let (Some(low), Some(high)) = (targets.iter().min(), targets.iter().max()) else {
        return counts;
    };
    let mut at = 0usize;
    while let Some(window) = code.data.get(at..).and_then(<[u8]>::first_chunk::<WINDOW>) {
        let address = code.address.wrapping_add(at as u64);
        if may_refer(window, second_bytes(address, *low, *high)) {
            for place in 0..BLOCK {
                count_at(code, at.saturating_add(place), targets, &mut counts);
            }
        }
        at = at.saturating_add(BLOCK);
    }
    for place in at..code.data.len() {
        count_at(code, place, targets, &mut counts);
    }
    counts
}

/// The second byte of the displacements that lead from a block of places at
/// `address` to the targets from `low` to `high`: the first value, and how
/// many follow it. The targets are neighbours, so few do, and hardly any other
/// reference of a block has one of them.
fn second_bytes(address: u64, low: u64, high: u64) -> (u8, u8) {
    let first_next = address.wrapping_add(LENGTH);
    let last_next = first_next.wrapping_add(BLOCK as u64);
    let least = low.wrapping_sub(last_next) >> 8;
    let most = high.wrapping_sub(first_next) >> 8;
    let [least_byte, ..] = least.to_le_bytes();
    let span = u8::try_from(most.wrapping_sub(least)).unwrap_or(u8::MAX);
    (least_byte, span)
}

/// Whether any of the places may be a reference. Without a branch and over arrays
/// of one length, so that the compiler tries all at once.
#[inline(always)]
fn may_refer(window: &[u8; WINDOW], (second, span): (u8, u8)) -> bool {
    let from = |at: usize| window.get(at..)?.first_chunk::<BLOCK>();
    let (Some(rex), Some(opcode), Some(modrm), Some(byte)) = (from(0), from(1), from(2), from(4))
    else {
        return true;
    };
    let places = rex.iter().zip(opcode).zip(modrm).zip(byte);
    let any = places.fold(0u8, |any, (((rex, opcode), modrm), byte)| {
        // REX.W with or without REX.R, mod 00 and r/m 101: rip-relative.
        let is = (rex & 0xfb == 0x48)
            & (*opcode == 0x8d)
            & (modrm & 0xc7 == 0x05)
            & (byte.wrapping_sub(second) <= span);
        any | u8::from(is)
    });
    any != 0
}

/// Counts the reference at byte `place` of the code, if one is there.
fn count_at(code: Piece<'_>, place: usize, targets: &[u64], counts: &mut [u64]) {
    let Some(&[rex, opcode, modrm, d0, d1, d2, d3]) =
        code.data.get(place..).and_then(<[u8]>::first_chunk::<7>)
    else {
        return;
    };
    if rex & 0xfb != 0x48 || opcode != 0x8d || modrm & 0xc7 != 0x05 {
        return;
    }
    let displacement = i32::from_le_bytes([d0, d1, d2, d3]);
    let next = code.address.wrapping_add(place as u64).wrapping_add(LENGTH);
    let target = next.wrapping_add_signed(i64::from(displacement));
    for (wanted, count) in targets.iter().zip(counts) {
        if *wanted == target {
            *count = count.saturating_add(1);
        }
    }
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

    /// Every place of a block, forwards and backwards, near and far.
    #[test]
    fn references_are_found_at_every_place_and_distance() {
        for place in 0..100usize {
            for target in [
                0u64,
                0x10_0000,
                0x10_0040,
                0x10_ffff,
                0x7f_0000,
                0x4000_0000,
            ] {
                let mut code = vec![0x90u8; 107];
                let base = 0x10_0000u64;
                let next = base + place as u64 + LENGTH;
                let displacement = i32::try_from(target.wrapping_sub(next).cast_signed());
                code[place..place + 3].copy_from_slice(&[0x4c, 0x8d, 0x1d]);
                code[place + 3..place + 7]
                    .copy_from_slice(&displacement.expect("within reach").to_le_bytes());
                let piece = Piece {
                    data: &code,
                    address: base,
                };
                assert_eq!(count(piece, &[target]), [1], "{place} {target:#x}");
                let counts = count(piece, &[0x20, target, 0x5000_0000]);
                assert_eq!(counts, [0, 1, 0], "{place} {target:#x}");
            }
        }
    }
}
