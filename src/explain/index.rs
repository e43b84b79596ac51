//! The index of messages (`messages.txt`): what each line asks of a text, and what a
//! match is worth. A word counts the more, the fewer rules have it in their lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use artcheck_inspect::{Rule, rules};

use super::folded::{Window, folded};
use super::kinds::{Classes, Kind, class, groups};

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
    /// Words in any order.
    Kind(Kind),
}

/// The index as it is written.
pub const LINES: &str = include_str!("messages.txt");

/// Its words that mean the same.
pub static CLASSES: LazyLock<Classes<'static>> =
    LazyLock::new(|| LINES.lines().filter_map(class).collect());

/// The lines of the index that lead to a rule.
pub static MESSAGES: LazyLock<Vec<Message>> = LazyLock::new(|| {
    let entries: Vec<Entry<'_>> = LINES
        .lines()
        .filter_map(|line| entry(line, &CLASSES))
        .collect();
    let worth = Worth::of(&entries);
    entries
        .into_iter()
        .map(|entry| worth.message(entry))
        .collect()
});

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
        "!" | "~!" => Weight::Decides,
        "?" | "~?" => Weight::Hints,
        _ => Weight::Speaks,
    };
    let is_kind = sign.starts_with('~');
    let groups = if is_kind {
        groups(text, classes)
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
        let text = if entry.is_kind {
            Text::Kind(Kind::of(&entry.groups, |text| self.of_text(text)))
        } else {
            let pieces = entry.groups.iter().flatten();
            let pieces: Vec<String> = pieces.map(|piece| folded(piece)).collect();
            let worth = pieces.iter().map(|piece| self.of_text(piece)).sum();
            Text::Pieces(pieces, worth)
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
            Text::Kind(kind) => kind.worth_in(window).map(|worth| worth * KIND),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::super::outside;
    use super::*;

    #[test]
    fn every_line_of_the_index_is_read() {
        let classes = &*CLASSES;
        let meant = LINES
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in meant {
            let is_read = class(line).is_some()
                || entry(line, classes).is_some()
                || outside::entry(line, classes).is_some();
            assert!(is_read, "{line}");
            // A class that is not there would be compared as a word.
            for name in line.split([' ', '|', '&']).skip(1) {
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
