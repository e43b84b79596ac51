//! Whether a text can have a word at all, by the bytes that follow each other in both:
//! of the thousands of words that the index has, few are looked for in a line.

/// Bits of a text's table.
const BITS: usize = 4096;
const WORD: usize = 64;

/// The threes of bytes of a text; what is not among them is not in the text.
pub struct Grams([u64; BITS / WORD]);

/// A text that is looked for.
pub struct Needle {
    /// The text; a star at its end stands for any letters.
    pub text: String,
    threes: Vec<usize>,
}

impl Grams {
    /// Those of several texts.
    pub fn of(texts: &[&str]) -> Self {
        let mut table = [0; BITS / WORD];
        for three in texts.iter().flat_map(|text| threes(text)) {
            if let Some(word) = table.get_mut(three / WORD) {
                *word |= 1 << (three % WORD);
            }
        }
        Self(table)
    }

    /// Whether the text may be in one of them.
    pub fn may_have(&self, needle: &Needle) -> bool {
        needle.threes.iter().all(|three| {
            let word = self.0.get(three / WORD);
            word.is_some_and(|word| word & (1 << (three % WORD)) != 0)
        })
    }
}

impl Needle {
    /// A text to look for.
    pub fn of(text: String) -> Self {
        let threes = threes(text.trim_end_matches('*')).collect();
        Self { text, threes }
    }
}

/// A number below `BITS` for each three bytes.
fn threes(text: &str) -> impl Iterator<Item = usize> {
    text.as_bytes().windows(3).map(|three| {
        let mixed = three.iter().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(61).wrapping_add(usize::from(*byte))
        });
        mixed % BITS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_text_may_be_in_it() {
        let text = "error: undefined symbol: _tvmfunccall";
        let grams = Grams::of(&[text]);
        for start in 0..text.len() {
            for end in start..text.len() {
                assert!(grams.may_have(&Needle::of(text[start..end].to_owned())));
            }
        }
        assert!(grams.may_have(&Needle::of("undef*".to_owned())));
        assert!(!grams.may_have(&Needle::of("loader".to_owned())));
    }
}
