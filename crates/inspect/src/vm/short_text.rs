//! Ready texts for the small numbers of a listing: eight bytes each, appended
//! with one fixed-size copy and then cut to their length.
//!
//! Most of a listing is arguments like `%12, ` and `c[5], `; to format each
//! costs several times as much.

/// Numbers below this have a ready text.
const READY: usize = 1000;

/// Texts of one form, such as `%<number>, `.
pub(super) struct Ready {
    texts: [[u8; 8]; READY],
    /// Bytes besides the digits.
    around: usize,
}

/// `<number>`.
pub(super) static NUMBER: Ready = Ready::new(b"", b"");
/// `%<number>`, then the separator of arguments.
pub(super) static REGISTER: Ready = Ready::new(b"%", b", ");
/// `%<number>` at the end of a line.
pub(super) static LAST_REGISTER: Ready = Ready::new(b"%", b"\n");
/// `i<number>`, then the separator.
pub(super) static IMMEDIATE: Ready = Ready::new(b"i", b", ");
/// `c[<number>]`, then the separator.
pub(super) static CONSTANT: Ready = Ready::new(b"c[", b"], ");

impl Ready {
    // Evaluated by the compiler, which refuses what overflows.
    #[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
    const fn new(before: &[u8], after: &[u8]) -> Self {
        let mut texts = [[0; 8]; READY];
        let mut number = 0;
        while number < READY {
            let digits = 1 + (number >= 10) as usize + (number >= 100) as usize;
            let mut at = 0;
            while at < before.len() {
                texts[number][at] = before[at];
                at += 1;
            }
            let mut left = number;
            let mut digit = digits;
            while digit > 0 {
                digit -= 1;
                texts[number][before.len() + digit] = last_digit(left);
                left /= 10;
            }
            at = 0;
            while at < after.len() {
                texts[number][before.len() + digits + at] = after[at];
                at += 1;
            }
            number += 1;
        }
        Self {
            texts,
            around: before.len() + after.len(),
        }
    }

    /// Appends the text of `number`; false if there is none ready.
    #[inline]
    pub(super) fn push(&self, number: i64, out: &mut Vec<u8>) -> bool {
        let Ok(number) = usize::try_from(number) else {
            return false;
        };
        let Some(text) = self.texts.get(number) else {
            return false;
        };
        let digits = usize::from(number >= 10).saturating_add(usize::from(number >= 100));
        let length = out
            .len()
            .saturating_add(self.around)
            .saturating_add(digits)
            .saturating_add(1);
        out.extend_from_slice(text);
        out.truncate(length);
        true
    }
}

#[allow(clippy::cast_possible_truncation)] // below ten
const fn last_digit(number: usize) -> u8 {
    b'0'.wrapping_add((number % 10) as u8)
}
