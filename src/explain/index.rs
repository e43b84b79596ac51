//! The index of messages (`messages.txt`): what each line asks of a text, and what a
//! match is worth. A word counts the more, the fewer rules have it in their lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use artcheck_inspect::{Rule, rules};

use super::folded::{Window, folded};
use super::grams::Needle;
use super::kinds::{Classes, Kind, class, groups};
use super::sources::{is_source, sources};

/// Characters that `*` may stand for.
const GAP: usize = 400;
/// What the words of a kind are worth, against those of a message.
const KIND: f64 = 0.8;
/// What the name of a source file is worth.
const SOURCE: f64 = 1.0;

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

/// What a line of the index looks for.
pub enum Text {
    /// What is between the stars, in this order, and what it is worth.
    Pieces(Vec<Needle>, f64),
    /// Words in any order.
    Kind(Kind),
    /// Source files that print it.
    Sources(Vec<String>),
    /// All of the text: somebody asks about a word.
    Word(String),
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
    /// A kind has its groups; a message its pieces, or its source files, as one group.
    groups: Vec<Vec<&'a str>>,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Pieces,
    Kind,
    Sources,
    Word,
}

/// A line of the index; a test reads every one.
fn entry<'a>(line: &'a str, classes: &Classes<'a>) -> Option<Entry<'a>> {
    let (code, text) = line.split_once(' ')?;
    let name = code.trim_end_matches(['!', '?', '~', '@', '=']);
    let sign = code.strip_prefix(name)?;
    let weight = match sign {
        "!" | "~!" => Weight::Decides,
        "?" | "~?" | "@" | "=" => Weight::Hints,
        _ => Weight::Speaks,
    };
    let (form, groups) = match sign.get(..1) {
        Some("~") => (Form::Kind, groups(text, classes)),
        Some("@") => (Form::Sources, vec![text.split(" | ").collect()]),
        Some("=") => (Form::Word, vec![vec![text]]),
        _ => (Form::Pieces, vec![text.split('*').collect()]),
    };
    Some(Entry {
        rule: rules::find(name)?,
        weight,
        groups,
        form,
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
        let says = |entry: &&Entry<'_>| matches!(entry.form, Form::Pieces | Form::Kind);
        for entry in entries.iter().filter(says) {
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
        let pieces = entry.groups.iter().flatten().map(|piece| folded(piece));
        let text = match entry.form {
            Form::Kind => Text::Kind(Kind::of(&entry.groups, |text| self.of_text(text))),
            Form::Sources => Text::Sources(pieces.collect()),
            Form::Word => Text::Word(pieces.collect()),
            Form::Pieces => {
                let pieces: Vec<String> = pieces.collect();
                let worth = pieces.iter().map(|piece| self.of_text(piece)).sum();
                Text::Pieces(pieces.into_iter().map(Needle::of).collect(), worth)
            }
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
        !matches!(self.text, Text::Pieces(..))
    }

    /// The source files that it is, if it is such a line.
    pub fn sources(&self) -> Option<&[String]> {
        self.text.sources()
    }

    /// A text that one of its source files prints. Its length is what it is worth.
    #[expect(clippy::cast_precision_loss, reason = "a text is short")]
    pub fn of_text(&self, text: &str) -> Self {
        let text = folded(text);
        let worth = text.len() as f64;
        Self {
            rule: self.rule,
            weight: Weight::Speaks,
            text: Text::Pieces(vec![Needle::of(text)], worth),
        }
    }

    /// What a match is worth, if it is in the window and begins in its first line.
    pub fn worth_in(&self, window: &Window) -> Option<f64> {
        self.text.worth_in(window)
    }
}

impl Text {
    /// The source files that it is.
    pub fn sources(&self) -> Option<&[String]> {
        match self {
            Self::Sources(sources) => Some(sources),
            Self::Pieces(..) | Self::Kind(_) | Self::Word(_) => None,
        }
    }

    /// What a match is worth, if it is in the window and begins in its first line.
    pub fn worth_in(&self, window: &Window) -> Option<f64> {
        match self {
            Self::Pieces(pieces, worth) => {
                let mut all = pieces.iter();
                let may = all.all(|piece| window.grams.may_have(piece));
                (may && is_in(pieces, &window.text, window.first)).then_some(*worth)
            }
            Self::Kind(kind) => kind.worth_in(window).map(|worth| worth * KIND),
            Self::Sources(patterns) => {
                let line = window.text.get(..window.first).unwrap_or_default();
                let mut found = sources(line);
                let is_named = found.any(|source| is_source(source, patterns));
                is_named.then_some(SOURCE)
            }
            Self::Word(word) => window.is_word(word).then_some(SOURCE),
        }
    }
}

/// Whether all pieces are in `text` in this order, the first of them early.
fn is_in(pieces: &[Needle], text: &str, first: usize) -> bool {
    let Some((head, rest)) = pieces.split_first() else {
        return false;
    };
    let mut begins = text.match_indices(head.text.as_str()).map(|(at, _)| at);
    begins.by_ref().take_while(|at| *at < first).any(|at| {
        let mut end = at.saturating_add(head.text.len());
        rest.iter().all(|piece| {
            let left = text.get(end..).unwrap_or_default();
            let next = left.find(piece.text.as_str()).filter(|gap| *gap <= GAP);
            end = end
                .saturating_add(next.unwrap_or(0))
                .saturating_add(piece.text.len());
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
