//! References from AArch64 code to an address: `adrp` and an `add` on the same
//! register a few instructions later (format notes, part j).

use super::strings::Piece;

/// Instructions after `adrp` in which its `add` is looked for. Compilers put
/// it next to the `adrp` or a few instructions on.
const WINDOW: usize = 16;

/// How often `code` refers to each of `targets`, in their order.
pub fn count(code: Piece<'_>, targets: &[u64]) -> Vec<u64> {
    let mut counts = vec![0u64; targets.len()];
    let (words, _) = code.data.as_chunks::<4>();
    // An `add` is counted once even if two `adrp` precede it.
    let mut counted = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let Some((register, page)) = adrp(u32::from_le_bytes(*word), code.address, index) else {
            continue;
        };
        if !targets.iter().any(|target| target & !0xfff == page) {
            continue;
        }
        let near = words.iter().enumerate().skip(index).take(WINDOW).skip(1);
        for (later, word) in near {
            let Some(offset) = add(u32::from_le_bytes(*word), register) else {
                continue;
            };
            let address = page.wrapping_add(offset);
            for (wanted, count) in targets.iter().zip(&mut counts) {
                if *wanted == address && !counted.contains(&later) {
                    *count = count.saturating_add(1);
                    counted.push(later);
                }
            }
        }
    }
    counts
}

/// Destination register and page of an `adrp`.
fn adrp(word: u32, base: u64, index: usize) -> Option<(u32, u64)> {
    if word & 0x9f00_0000 != 0x9000_0000 {
        return None;
    }
    let low = (word >> 29) & 3;
    let high = (word >> 5) & 0x7_ffff;
    // 21 bits, signed, in pages of 4 KiB.
    let pages = i64::from((((high << 2) | low) << 11).cast_signed() >> 11);
    let pc = base.wrapping_add((index as u64).wrapping_mul(4));
    let page = (pc & !0xfff).wrapping_add_signed(pages.wrapping_mul(4096));
    Some((word & 0x1f, page))
}

/// Immediate of `add <any>, <register>, #imm`.
fn add(word: u32, register: u32) -> Option<u64> {
    (word & 0xffc0_0000 == 0x9100_0000 && (word >> 5) & 0x1f == register)
        .then_some(u64::from((word >> 10) & 0xfff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_of_the_0_27_runtime_is_counted() {
        // b0000ce1 .. 9137a021: x1 = page 0x24c000 + 0xde8, from page 0xaf000.
        let words = [0xb000_0ce1u32, 0xd503_201f, 0x9137_a021, 0x9137_a042];
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let piece = Piece {
            data: &code,
            address: 0xaf010,
        };
        assert_eq!(count(piece, &[0x24cde8, 0x24cf18]), [1, 0]);
    }

    #[test]
    fn pages_behind_the_code_are_reached() {
        // adrp x0, #-0x1000 then add x0, x0, #8.
        let words = [0xf0ff_ffe0u32, 0x9100_2000];
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let piece = Piece {
            data: &code,
            address: 0x4000,
        };
        assert_eq!(count(piece, &[0x3008]), [1]);
    }
}
