//! References from AArch64 code to an address: `adrp` and an `add` on the same
//! register a few instructions later (docs/formats.md#tags-in-a-runtime).

use std::collections::HashSet;

use super::strings::Piece;
use super::wide;

/// Instructions after `adrp` in which its `add` is looked for. Compilers put
/// it next to the `adrp` or a few instructions on.
const WINDOW: usize = 16;

/// Instructions on one page of code: the `adrp` to a given page has the same
/// bits on all of it, but for its register.
const ON_PAGE: usize = 1024;
/// Bits of an `adrp` besides its register.
const FIXED: u32 = !0x1f;

/// How often `code` refers to each of `targets`, in their order.
pub fn count(code: Piece<'_>, targets: &[u64]) -> Vec<u64> {
    wide::run(
        #[inline(always)]
        || count_by_page(code, targets),
    )
}

#[inline(always)]
fn count_by_page(code: Piece<'_>, targets: &[u64]) -> Vec<u64> {
    let mut counts = vec![0u64; targets.len()];
    let (words, _) = code.data.as_chunks::<4>();
    let mut pages: Vec<u64> = targets.iter().map(|target| target & !0xfff).collect();
    pages.sort_unstable();
    pages.dedup();
    // An `add` is counted once even if two `adrp` precede it.
    let mut counted = HashSet::new();
    let mut from = 0usize;
    while let Some(rest) = words.get(from..).filter(|rest| !rest.is_empty()) {
        let pc = code.address.wrapping_add((from as u64).wrapping_mul(4));
        // The first piece ends where the first page does.
        let on_page =
            usize::try_from((pc >> 2) & 1023).map_or(0, |gone| ON_PAGE.saturating_sub(gone));
        let here = rest.get(..on_page).unwrap_or(rest);
        for page in &pages {
            let Some(wanted) = adrp_to(pc, *page).filter(|wanted| any_is(here, *wanted)) else {
                continue;
            };
            for (index, word) in here.iter().enumerate() {
                let word = u32::from_le_bytes(*word);
                if word & FIXED == wanted {
                    let at = from.saturating_add(index);
                    count_adds(
                        words,
                        at,
                        word & 0x1f,
                        *page,
                        targets,
                        &mut counts,
                        &mut counted,
                    );
                }
            }
        }
        from = from.saturating_add(here.len().max(1));
    }
    counts
}

/// Whether any of the words is this `adrp`, whatever its register. Without a
/// branch, so that the compiler tries several at once.
#[inline(always)]
fn any_is(words: &[[u8; 4]], wanted: u32) -> bool {
    words.iter().fold(false, |any, word| {
        any | (u32::from_le_bytes(*word) & FIXED == wanted)
    })
}

/// The `adrp` at `pc` that leads to `page`, with register 0; `None` where it
/// cannot reach.
fn adrp_to(pc: u64, page: u64) -> Option<u32> {
    let distance = page.wrapping_sub(pc & !0xfff).cast_signed() >> 12;
    if !(-(1 << 20)..1 << 20).contains(&distance) {
        return None;
    }
    let low = u32::try_from(distance & 3).ok()?;
    let high = u32::try_from((distance >> 2) & 0x7_ffff).ok()?;
    Some(0x9000_0000 | low << 29 | high << 5)
}

/// Counts the `add`s soon after the `adrp` at word `at` that complete it to a
/// target.
fn count_adds(
    words: &[[u8; 4]],
    at: usize,
    register: u32,
    page: u64,
    targets: &[u64],
    counts: &mut [u64],
    counted: &mut HashSet<usize>,
) {
    let near = words.iter().enumerate().skip(at).take(WINDOW).skip(1);
    for (later, word) in near {
        let Some(offset) = add(u32::from_le_bytes(*word), register) else {
            continue;
        };
        let address = page.wrapping_add(offset);
        for (wanted, count) in targets.iter().zip(counts.iter_mut()) {
            if *wanted == address && counted.insert(later) {
                *count = count.saturating_add(1);
            }
        }
    }
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

    /// Megabytes of nothing but references take no longer than other code.
    #[test]
    fn many_references_are_counted_in_one_pass() {
        let times = 500_000u64;
        let add = 0x9100_2000u32;
        let pair = |index: u64| [adrp_to(index * 8, 0).expect("near"), add];
        let words = (0..times).flat_map(pair);
        let code: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        let piece = Piece {
            data: &code,
            address: 0,
        };
        assert_eq!(count(piece, &[8]), [times]);
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
