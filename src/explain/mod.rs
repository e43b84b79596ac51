//! From an error that somebody pasted to the rules that explain it: the index of
//! messages (`messages.txt`) against each line, and the two that follow it. A text
//! that no message is in may still be of a kind that the index describes.

mod folded;
mod index;
pub mod page;

use std::cmp::Ordering;

use artcheck_inspect::Rule;

use index::{Folded, MESSAGES, Message, Weight, Window};

/// Lines that one message may take.
const LINES: usize = 3;

/// A rule that explains a text.
pub struct Hit<'a> {
    /// The rule.
    pub rule: &'static Rule,
    /// The line that says so.
    pub line: &'a str,
    /// Its number, from 1.
    pub number: usize,
    is_kind: bool,
    rank: Rank,
}

/// What makes one hit better than another, most important first.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Rank {
    weight: Weight,
    /// The line speaks of a failure.
    is_failure: bool,
    /// What the words that match are worth.
    worth: f64,
    /// Of two, the later is nearer to the end.
    number: usize,
}

impl Hit<'_> {
    /// Whether the text is only of the kind that the rule explains, or says what many
    /// causes have in common.
    pub fn is_guess(&self) -> bool {
        self.is_kind || self.rank.weight == Weight::Hints
    }
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
    let folded: Vec<Folded> = lines.iter().map(|line| Folded::of(line)).collect();
    let mut hits: Vec<Hit<'_>> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let end = at.saturating_add(LINES).min(folded.len());
        let window = Window::of(folded.get(at..end).unwrap_or_default());
        let first = window.text.get(..window.first).unwrap_or_default();
        let is_failure = FAILURES.iter().any(|word| first.contains(word));
        for message in MESSAGES.iter() {
            let Some(worth) = message.worth_in(&window) else {
                continue;
            };
            let rank = Rank {
                weight: message.weight,
                is_failure,
                worth,
                number: at.saturating_add(1),
            };
            keep(&mut hits, hit(message, line.trim(), rank));
        }
    }
    hits.sort_by(|one, other| other.rank.partial_cmp(&one.rank).unwrap_or(Ordering::Equal));
    // A guess says nothing beside a message that speaks.
    if hits.first().is_some_and(|hit| !hit.is_guess()) {
        hits.retain(|hit| !hit.is_guess());
    }
    hits
}

fn hit<'a>(message: &Message, line: &'a str, rank: Rank) -> Hit<'a> {
    Hit {
        rule: message.rule,
        line,
        number: rank.number,
        is_kind: message.is_kind(),
        rank,
    }
}

/// Each rule is kept once, with its best line.
fn keep<'a>(hits: &mut Vec<Hit<'a>>, hit: Hit<'a>) {
    match hits.iter_mut().find(|known| known.rule == hit.rule) {
        Some(known) if known.rank < hit.rank => *known = hit,
        Some(_) => {}
        None => hits.push(hit),
    }
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
    fn known_messages_lead_to_their_rule() {
        let (good, all, wrong) = first_hits(include_str!("known.txt"));
        assert!(all >= 60, "{all}");
        assert_eq!(good, all, "{wrong:#?}");
    }

    /// Texts of public reports; `held_out.txt` says which of them the index was mended after.
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
            r#"File "packed_func.pxi", line 332, in core.PackedFuncBase.__call__"#,
        ] {
            assert!(explain(text).is_empty(), "{text}");
        }
    }
}
