//! Words of a kind: one of each group, in any order, as whole words, also inside names.

use std::collections::BTreeMap;

use super::folded::{Window, folded};
use super::grams::Needle;

/// What words are worth that are not in one line.
const APART: f64 = 0.5;

/// Words that mean the same, by the name that lines of the index call them.
pub type Classes<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// `{name} word | word`.
pub fn class(line: &str) -> Option<(&str, Vec<&str>)> {
    let (name, words) = line.split_once(' ').filter(|_| line.starts_with('{'))?;
    Some((name, words.split(" | ").collect()))
}

/// `A | B & {class}`, as the words of each group.
pub fn groups<'a>(text: &'a str, classes: &Classes<'a>) -> Vec<Vec<&'a str>> {
    let words = |any: &'a str| -> Vec<&'a str> {
        let words = any.split(" | ");
        words
            .flat_map(|word| classes.get(word).cloned().unwrap_or_else(|| vec![word]))
            .collect()
    };
    text.split(" & ").map(words).collect()
}

/// The words of a kind, with what each is worth.
pub struct Kind(Vec<Vec<(Needle, f64)>>);

impl Kind {
    /// The kind of these groups.
    pub fn of(groups: &[Vec<&str>], worth: impl Fn(&str) -> f64) -> Self {
        let valued = |word: &&str| {
            let word = folded(word);
            let worth = worth(&word);
            (Needle::of(word), worth)
        };
        let groups = groups.iter();
        Self(groups.map(|any| any.iter().map(valued).collect()).collect())
    }

    /// The best word of each group; none where a group has none, or where they begin
    /// behind the first line.
    pub fn worth_in(&self, window: &Window) -> Option<f64> {
        let (mut sum, mut begins, mut ends) = (0.0, usize::MAX, 0);
        for any in &self.0 {
            let found = any.iter().filter_map(|(word, worth)| {
                let at = place(word, window)?;
                Some((at, *worth))
            });
            let (first, best) =
                found.reduce(|(at, best), (other, worth)| (at.min(other), best.max(worth)))?;
            sum += best;
            begins = begins.min(first);
            ends = ends.max(first);
        }
        let worth = if ends < window.first {
            sum
        } else {
            sum * APART
        };
        (begins < window.first).then_some(worth)
    }
}

/// Where the word is: as it is written, inside a name, or with any number for `#`.
fn place(word: &Needle, window: &Window) -> Option<usize> {
    if !window.grams.may_have(word) {
        return None;
    }
    let word = word.text.as_str();
    if word.contains('#') {
        return word_in(word, &window.numbered);
    }
    word_in(word, &window.text).or_else(|| word_in(word, &window.within))
}

/// What a word may end with and still be meant.
const ENDINGS: [&str; 20] = [
    "", "s", "es", "ed", "d", "ing", "er", "ers", "ion", "ions", "ation", "ations", "ition",
    "ible", "able", "ly", "e", "al", "ment", "ments",
];

/// Where the word is, from its beginning to its end or one of its endings.
fn word_in(word: &str, text: &str) -> Option<usize> {
    let stem = word.strip_suffix('*').unwrap_or(word);
    let is_part = |c: char| c.is_ascii_alphanumeric();
    let mut found = text.match_indices(stem).map(|(at, _)| at);
    found.find(|at| {
        let before = text.get(..*at).and_then(|text| text.chars().next_back());
        let after = text
            .get(at.saturating_add(stem.len())..)
            .unwrap_or_default();
        let begins = !stem.starts_with(is_part) || !before.is_some_and(is_part);
        let ending = after.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let ending = after.get(..after.len().saturating_sub(ending.len()));
        let ends = !stem.ends_with(is_part)
            || stem.len() < word.len()
            || ending.is_some_and(|ending| ENDINGS.contains(&ending));
        begins && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole() {
        for (word, text, is_in) in [
            ("tensor", "libtensorrt.so", false),
            ("tensor", "two tensors differ", true),
            ("exceed", "it exceeded the limit", true),
            ("lib*", "cannot open libopencl", true),
            ("lib", "cannot open libopencl", false),
            (".so", "libm.so.6", true),
            ("not found", "module_not_found", false),
        ] {
            assert_eq!(word_in(word, text).is_some(), is_in, "{word} in {text}");
        }
    }
}
