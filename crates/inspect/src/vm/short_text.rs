//! Ready texts for the small numbers of a listing, each appended with one copy
//! of fixed size.
//!
//! Most of a listing is arguments like `%12, ` and `c[5], `; to format each
//! costs several times as much.

/// Numbers below this have a ready text.
const READY: usize = 1000;

/// A text of up to `N` bytes.
#[derive(Clone, Copy)]
pub(super) struct Short<const N: usize> {
    /// The bytes; what lies behind `length` means nothing.
    pub(super) bytes: [u8; N],
    /// Bytes that count.
    pub(super) length: usize,
}

/// Texts of one form, such as `%<number>, `.
pub(super) struct Ready<const N: usize>([Short<N>; READY]);

/// Arguments by the kind in their word, with the separator behind: `%<number>`,
/// `i<number>`, `c[<number>]`. By a table, since nobody could guess the next kind.
pub(super) static ARGUMENTS: [Ready<8>; 3] = [
    Ready::new(b"%", b", "),
    Ready::new(b"i", b", "),
    Ready::new(b"c[", b"], "),
];
/// The VM as an argument.
pub(super) static VM: Short<8> = Short::new(b"%vm, ");
/// `<number>`.
pub(super) static NUMBER: Ready<8> = Ready::new(b"", b"");
/// `%<number>` at the end of a call.
pub(super) static RESULT: Ready<16> = Ready::new(b" dst: %", b"\n");
/// No result, at the end of a call.
pub(super) static NO_RESULT: Short<16> = Short::new(b" dst: %void\n");

impl<const N: usize> Short<N> {
    /// No text.
    pub(super) const EMPTY: Self = Self {
        bytes: [b' '; N],
        length: 0,
    };

    /// A text that is known to fit: the compiler evaluates this.
    const fn new(text: &[u8]) -> Self {
        let mut new = Self::EMPTY;
        assert!(new.append(text), "a text longer than its room");
        new
    }

    /// Appends `text`, if there is room.
    pub(super) const fn append(&mut self, text: &[u8]) -> bool {
        let end = self.length.saturating_add(text.len());
        let Some((_, room)) = self.bytes.split_at_mut_checked(self.length) else {
            return false;
        };
        let Some((room, _)) = room.split_at_mut_checked(text.len()) else {
            return false;
        };
        room.copy_from_slice(text);
        self.length = end;
        true
    }
}

impl<const N: usize> Ready<N> {
    // Evaluated by the compiler, which refuses what overflows.
    #[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
    const fn new(before: &[u8], after: &[u8]) -> Self {
        let mut texts = [Short::new(before); READY];
        let mut number = 0;
        while number < READY {
            let text = &mut texts[number];
            let fits = (number < 100 || text.append(&[last_digit(number / 100)]))
                && (number < 10 || text.append(&[last_digit(number / 10)]))
                && text.append(&[last_digit(number)])
                && text.append(after);
            assert!(fits, "a text longer than its room");
            number += 1;
        }
        Self(texts)
    }

    /// The text of `number`; `None` if it is not ready.
    #[inline]
    pub(super) fn get(&self, number: i64) -> Option<&Short<N>> {
        self.0.get(usize::try_from(number).ok()?)
    }
}

#[allow(clippy::cast_possible_truncation)] // below ten
const fn last_digit(number: usize) -> u8 {
    b'0'.wrapping_add((number % 10) as u8)
}
