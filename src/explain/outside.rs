//! Lines about something else than a library, a runtime or what is beside them: no rule
//! explains them, and an answer that says what they are about is better than a guess.

use std::sync::LazyLock;

use super::folded::Window;
use super::index::{CLASSES, LINES, Text};
use super::kinds::{Classes, Kind, groups};

/// What lines of Python are about, as the index has it.
pub const PYTHON: &str = "the Python code";

/// What a line is about that no rule explains.
pub struct Outside {
    /// In words that follow "this is about".
    pub what: &'static str,
    /// Even messages that decide are not taken for a rule's beside it.
    pub is_all: bool,
    /// What such a line has.
    pub text: Text,
}

impl Outside {
    /// Whether only a source file tells of it: what the line says goes before.
    pub fn is_of_sources(&self) -> bool {
        self.text.sources().is_some()
    }
}

/// The lines of the index that lead to no rule.
pub static LINES_OF_OTHERS: LazyLock<Vec<Outside>> = LazyLock::new(|| {
    LINES
        .lines()
        .filter_map(|line| entry(line, &CLASSES))
        .collect()
});

/// `- WHAT: A | B & C`, `-! WHAT: ...`, or `-@ WHAT: SOURCE | SOURCE`.
pub fn entry(line: &'static str, classes: &Classes<'static>) -> Option<Outside> {
    let rest = line.strip_prefix('-')?;
    let (what, words) = rest
        .trim_start_matches(['!', '@'])
        .trim_start()
        .split_once(": ")?;
    let text = if rest.starts_with('@') {
        Text::Sources(words.split(" | ").map(str::to_owned).collect())
    } else {
        Text::Kind(Kind::of(&groups(words, classes), |_| 1.0))
    };
    Some(Outside {
        what,
        is_all: rest.starts_with('!'),
        text,
    })
}

/// What a line is about, if it is none of ours; what is certain goes first.
pub fn about(window: &Window) -> Option<&'static Outside> {
    let others = LINES_OF_OTHERS.iter();
    let is_in = |other: &&Outside| other.text.worth_in(window).is_some();
    others.filter(is_in).max_by_key(|other| other.is_all)
}
