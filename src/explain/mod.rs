//! From an error that somebody pasted to the rules that explain it: the index of
//! messages (`messages.txt`) against each line, and the two that follow it. A text
//! that no message is in may still be of a kind that the index describes.

pub mod page;

use std::sync::LazyLock;

use artcheck_inspect::{Rule, rules};

/// Lines that one message may take.
const LINES: usize = 3;
/// Characters that `*` may stand for.
const GAP: usize = 400;
/// Characters of a line that are looked at.
const LONGEST: usize = 2_000;

/// A rule that explains a text.
pub struct Hit<'a> {
    /// The rule.
    pub rule: &'static Rule,
    /// The line that says so.
    pub line: &'a str,
    /// Its number, from 1.
    pub number: usize,
    rank: Rank,
}

/// What makes one hit better than another, most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    weight: Weight,
    /// The line speaks of a failure.
    is_failure: bool,
    /// Letters of the message.
    length: usize,
    /// Of two, the later is nearer to the end.
    number: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Hints,
    Resembles,
    Speaks,
    Decides,
}

struct Message {
    rule: &'static Rule,
    weight: Weight,
    text: Text,
}

enum Text {
    /// What is between the stars, in this order.
    Pieces(Vec<String>),
    /// One of each, in any order.
    Kind(Vec<Vec<String>>),
}

impl Hit<'_> {
    /// Whether the text is only of the kind that the rule explains, or says what many
    /// causes have in common.
    pub fn is_guess(&self) -> bool {
        self.rank.weight < Weight::Speaks
    }
}

static MESSAGES: LazyLock<Vec<Message>> = LazyLock::new(|| {
    let lines = include_str!("messages.txt").lines();
    lines.filter_map(message).collect()
});

/// A line of the index; a test reads every one.
fn message(line: &str) -> Option<Message> {
    let (code, text) = line.split_once(' ').filter(|(code, _)| *code != "#")?;
    let (name, sign) = match code.strip_suffix(['!', '?', '~']) {
        Some(name) => (name, code.chars().next_back()),
        None => (code, None),
    };
    let groups = || {
        let groups = text.split(" & ");
        Text::Kind(
            groups
                .map(|any| any.split(" | ").map(folded).collect())
                .collect(),
        )
    };
    let (weight, kind) = match sign {
        Some('!') => (Weight::Decides, None),
        Some('?') => (Weight::Hints, None),
        Some(_) => (Weight::Resembles, Some(groups())),
        None => (Weight::Speaks, None),
    };
    let pieces = || Text::Pieces(text.split('*').map(folded).collect());
    Some(Message {
        rule: rules::find(name)?,
        weight,
        text: kind.unwrap_or_else(pieces),
    })
}

/// Small letters, plain quotes, single blanks, no colours.
fn folded(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars().take(LONGEST);
    while let Some(character) = characters.next() {
        match character {
            // A control sequence ends with a letter.
            '\u{1b}' => {
                characters.find(char::is_ascii_alphabetic);
            }
            '\u{2018}' | '\u{2019}' | '`' => out.push('\''),
            '\u{201c}' | '\u{201d}' => out.push('"'),
            blank if blank.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            other => out.extend(other.to_lowercase()),
        }
    }
    out
}

impl Message {
    /// How many letters of it are in `text`, if it begins in the first `first` bytes.
    fn letters_in(&self, text: &str, first: usize) -> Option<usize> {
        match &self.text {
            Text::Pieces(pieces) => {
                is_in(pieces, text, first).then(|| pieces.iter().map(String::len).sum())
            }
            Text::Kind(groups) => {
                let mut letters = 0_usize;
                let mut begins = usize::MAX;
                for any in groups {
                    let found = any
                        .iter()
                        .filter_map(|word| Some((text.find(word)?, word.len())));
                    let (at, length) = found.max_by_key(|(_, length)| *length)?;
                    letters = letters.saturating_add(length);
                    begins = begins.min(at);
                }
                (begins < first).then_some(letters)
            }
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

const FAILURES: [&str; 17] = [
    "error",
    "fail",
    "cannot",
    "could not",
    "can't",
    "undefined",
    "not found",
    "exception",
    "terminat",
    "incompatible",
    "expects",
    "abort",
    "invalid",
    "missing",
    "unable",
    "no such",
    "fatal",
];

/// The rules that explain `text`, best first, each with its best line.
pub fn explain(text: &str) -> Vec<Hit<'_>> {
    let lines: Vec<&str> = text.lines().collect();
    let folded: Vec<String> = lines.iter().map(|line| folded(line)).collect();
    let mut hits: Vec<Hit<'_>> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let window = folded.get(at..).unwrap_or_default();
        let Some(first) = window.first().filter(|first| !first.trim().is_empty()) else {
            continue;
        };
        let window: Vec<&str> = window.iter().take(LINES).map(String::as_str).collect();
        let text = window.join(" ");
        let is_failure = FAILURES.iter().any(|word| first.contains(word));
        let found = MESSAGES.iter();
        let found = found.filter_map(|m| Some((m, m.letters_in(&text, first.len())?)));
        for (message, length) in found {
            let number = at.saturating_add(1);
            let rank = Rank {
                weight: message.weight,
                is_failure,
                length,
                number,
            };
            let hit = Hit {
                rule: message.rule,
                line: line.trim(),
                number,
                rank,
            };
            match hits.iter_mut().find(|known| known.rule == message.rule) {
                Some(known) if known.rank < rank => *known = hit,
                Some(_) => {}
                None => hits.push(hit),
            }
        }
    }
    hits.sort_by_key(|hit| std::cmp::Reverse(hit.rank));
    // A guess says nothing beside a message that speaks.
    if hits.first().is_some_and(|hit| !hit.is_guess()) {
        hits.retain(|hit| !hit.is_guess());
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RULE text`; blank lines and comments between. `\n` ends a line of the text.
    fn table(text: &str) -> Vec<(&str, String)> {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| line.split_once(' ').expect("a rule and a text"))
            .map(|(rule, text)| (rule, text.replace("\\n", "\n")))
            .collect()
    }

    /// How many texts get their rule first, and which do not.
    fn first_hits(text: &str) -> (usize, usize, Vec<String>) {
        let table = table(text);
        let mut wrong = Vec::new();
        for (rule, text) in &table {
            let hits = explain(text);
            let found = hits.first().map_or("none", |hit| hit.rule.code);
            if found != *rule {
                wrong.push(format!("{rule}, found {found}: {text}"));
            }
        }
        (table.len() - wrong.len(), table.len(), wrong)
    }

    #[test]
    fn every_line_of_the_index_is_read() {
        let lines = include_str!("messages.txt").lines();
        let meant = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in meant {
            assert!(message(line).is_some(), "{line}");
        }
        let mut rules: Vec<&str> = MESSAGES.iter().map(|message| message.rule.code).collect();
        rules.dedup();
        for rule in rules::ALL {
            assert!(rules.contains(&rule.code), "{} has no message", rule.code);
        }
    }

    #[test]
    fn known_messages_lead_to_their_rule() {
        let (good, all, wrong) = first_hits(include_str!("known.txt"));
        assert!(all >= 60, "{all}");
        assert_eq!(good, all, "{wrong:#?}");
    }

    /// Texts that were not before the eyes of who wrote the index.
    #[test]
    fn other_wordings_lead_to_their_rule_too() {
        let (good, all, wrong) = first_hits(include_str!("held_out.txt"));
        assert!(all >= 40, "{all}");
        assert!(good * 100 >= all * 95, "{good} of {all}: {wrong:#?}");
    }

    #[test]
    fn what_no_rule_knows_is_not_guessed() {
        for text in [
            "",
            "hello world",
            "SyntaxError: invalid syntax",
            "HTTP 404",
            "ok 12 tests",
        ] {
            assert!(explain(text).is_empty(), "{text}");
        }
    }
}
