//! The index of messages (`messages.txt`): what each line asks of a text, and what a
//! match is worth. A word counts the more, the fewer rules have it in their lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use artcheck_inspect::{Rule, rules};

use super::folded::{folded, within};

/// Characters that `*` may stand for.
const GAP: usize = 400;
/// What the words of a kind are worth, against those of a message.
const KIND: f64 = 0.8;

/// How much a line of the index says, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Many causes share it.
    Hints,
    /// It tells one rule from others by its rarest words.
    Speaks,
    /// It is one rule's own.
    Decides,
}

/// A line of the index.
pub struct Message {
    /// The rule that explains it.
    pub rule: &'static Rule,
    /// How much it says.
    pub weight: Weight,
    text: Text,
}

enum Text {
    /// What is between the stars, in this order, and what it is worth.
    Pieces(Vec<String>, f64),
    /// One of each, in any order, with what each is worth.
    Kind(Vec<Vec<(String, f64)>>),
}

/// Some lines of a text as the index compares them.
pub struct Window {
    /// The lines, folded.
    pub text: String,
    /// The same with the words inside names apart.
    pub within: String,
    /// Bytes of the first line; a match begins there.
    pub first: usize,
}

/// The lines of the index.
pub static MESSAGES: LazyLock<Vec<Message>> = LazyLock::new(|| {
    let lines = || include_str!("messages.txt").lines();
    let classes: Classes<'_> = lines().filter_map(class).collect();
    let entries: Vec<Entry<'_>> = lines().filter_map(|line| entry(line, &classes)).collect();
    let worth = Worth::of(&entries);
    entries
        .into_iter()
        .map(|entry| worth.message(entry))
        .collect()
});

/// Words that mean the same, by the name that lines call them.
type Classes<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// `{name} word | word`.
fn class(line: &str) -> Option<(&str, Vec<&str>)> {
    let (name, words) = line.split_once(' ').filter(|_| line.starts_with('{'))?;
    Some((name, words.split(" | ").collect()))
}

struct Entry<'a> {
    rule: &'static Rule,
    weight: Weight,
    /// A kind has its groups, a message its pieces as one group.
    groups: Vec<Vec<&'a str>>,
    is_kind: bool,
}

/// A line of the index; a test reads every one.
fn entry<'a>(line: &'a str, classes: &Classes<'a>) -> Option<Entry<'a>> {
    let (code, text) = line.split_once(' ')?;
    let name = code.trim_end_matches(['!', '?', '~']);
    let sign = code.strip_prefix(name)?;
    let weight = match sign {
        "!" => Weight::Decides,
        "?" | "~?" => Weight::Hints,
        _ => Weight::Speaks,
    };
    let is_kind = sign.starts_with('~');
    let words = |any: &'a str| -> Vec<&'a str> {
        let words = any.split(" | ");
        words
            .flat_map(|word| classes.get(word).cloned().unwrap_or_else(|| vec![word]))
            .collect()
    };
    let groups = if is_kind {
        text.split(" & ").map(words).collect()
    } else {
        vec![text.split('*').collect()]
    };
    Some(Entry {
        rule: rules::find(name)?,
        weight,
        groups,
        is_kind,
    })
}

/// How many rules have each word.
struct Worth {
    rules: BTreeMap<String, usize>,
    all: usize,
}

impl Worth {
    fn of(entries: &[Entry<'_>]) -> Self {
        let mut having: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        let mut all = BTreeSet::new();
        for entry in entries {
            all.insert(entry.rule.code);
            for text in entry.groups.iter().flatten() {
                for word in words(&folded(text)) {
                    having
                        .entry(word.to_owned())
                        .or_default()
                        .insert(entry.rule.code);
                }
            }
        }
        let rules = having.into_iter().map(|(word, rules)| (word, rules.len()));
        Self {
            rules: rules.collect(),
            all: all.len(),
        }
    }

    /// A long word that few rules have is worth most.
    #[expect(clippy::cast_precision_loss, reason = "a few dozen rules, short words")]
    fn of_text(&self, text: &str) -> f64 {
        let worth = words(text).map(|word| {
            let rules = self.rules.get(word).copied().unwrap_or(1).max(1);
            (1.0 + self.all as f64 / rules as f64).ln() * word.len() as f64
        });
        worth.sum()
    }

    fn message(&self, entry: Entry<'_>) -> Message {
        let valued = |text: &str| {
            let text = folded(text);
            let worth = self.of_text(&text);
            (text, worth)
        };
        let text = if entry.is_kind {
            let groups = entry.groups.iter();
            Text::Kind(
                groups
                    .map(|any| any.iter().map(|word| valued(word)).collect())
                    .collect(),
            )
        } else {
            let pieces = entry.groups.iter().flatten().map(|piece| valued(piece));
            let (pieces, worth): (Vec<String>, Vec<f64>) = pieces.unzip();
            Text::Pieces(pieces, worth.into_iter().sum())
        };
        Message {
            rule: entry.rule,
            weight: entry.weight,
            text,
        }
    }
}

/// Letters and digits that follow each other.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty())
}

impl Message {
    /// Whether it is words of a kind, not a message that some program prints.
    pub fn is_kind(&self) -> bool {
        matches!(self.text, Text::Kind(_))
    }

    /// What a match is worth, if it is in the window and begins in its first line.
    pub fn worth_in(&self, window: &Window) -> Option<f64> {
        match &self.text {
            Text::Pieces(pieces, worth) => {
                is_in(pieces, &window.text, window.first).then_some(*worth)
            }
            Text::Kind(groups) => kind_in(groups, window),
        }
    }
}

/// What a word may end with and still be meant.
const ENDINGS: [&str; 20] = [
    "", "s", "es", "ed", "d", "ing", "er", "ers", "ion", "ions", "ation", "ations", "ition",
    "ible", "able", "ly", "e", "al", "ment", "ments",
];

/// The best word of each group; none where a group has none.
fn kind_in(groups: &[Vec<(String, f64)>], window: &Window) -> Option<f64> {
    let mut sum = 0.0;
    let mut begins = usize::MAX;
    for any in groups {
        let mut best: Option<f64> = None;
        for (word, worth) in any {
            let at = word_in(word, &window.text);
            let Some(at) = at.or_else(|| word_in(word, &window.within)) else {
                continue;
            };
            begins = begins.min(at);
            best = Some(best.map_or(*worth, |best| best.max(*worth)));
        }
        sum += best?;
    }
    (begins < window.first).then_some(sum * KIND)
}

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

/// Whether all pieces are in `text` in this order, the first of them early.
fn is_in(pieces: &[String], text: &str, first: usize) -> bool {
    let Some((head, rest)) = pieces.split_first() else {
        return false;
    };
    let mut begins = text.match_indices(head.as_str()).map(|(at, _)| at);
    begins.by_ref().take_while(|at| *at < first).any(|at| {
        let mut end = at.saturating_add(head.len());
        rest.iter().all(|piece| {
            let left = text.get(end..).unwrap_or_default();
            let next = left.find(piece.as_str()).filter(|gap| *gap <= GAP);
            end = end
                .saturating_add(next.unwrap_or(0))
                .saturating_add(piece.len());
            next.is_some()
        })
    })
}

/// A line of a text in both forms.
pub struct Folded {
    text: String,
    within: String,
}

impl Folded {
    /// The line as the index compares it.
    pub fn of(line: &str) -> Self {
        Self {
            text: folded(line),
            within: within(line),
        }
    }
}

impl Window {
    /// Lines that one message may take; the first is where it begins.
    pub fn of(lines: &[Folded]) -> Self {
        let text: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let within: Vec<&str> = lines.iter().map(|line| line.within.as_str()).collect();
        Self {
            first: text.first().map_or(0, |line| line.len()),
            text: text.join(" "),
            within: within.join(" "),
        }
    }
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

    #[test]
    fn every_line_of_the_index_is_read() {
        let lines = || include_str!("messages.txt").lines();
        let classes: Classes<'_> = lines().filter_map(class).collect();
        let meant = lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in meant {
            let is_read = class(line).is_some() || entry(line, &classes).is_some();
            assert!(is_read, "{line}");
            // A class that is not there would be compared as a word.
            for name in line.split(" & ").flat_map(|any| any.split(" | ")) {
                let name = name.split_once(' ').map_or(name, |(_, name)| name);
                assert!(
                    !name.starts_with('{') || classes.contains_key(name),
                    "{line}"
                );
            }
        }
        let named: BTreeSet<&str> = MESSAGES.iter().map(|message| message.rule.code).collect();
        for rule in rules::ALL {
            assert!(named.contains(rule.code), "{} has no message", rule.code);
        }
    }
}
