//! Lines about something else than a library, a runtime or what is beside them: no rule
//! explains them, and an answer that says what they are about is better than a guess.

use std::sync::LazyLock;

use super::folded::{Folded, Window};
use super::index::{CLASSES, LINES};
use super::kinds::{Classes, Kind, groups};

/// What a line is about that no rule explains.
pub struct Outside {
    /// In words that follow "this is about".
    pub what: &'static str,
    /// Even messages that decide are not taken for a rule's beside it.
    pub is_all: bool,
    kind: Kind,
}

static LINES_OF_OTHERS: LazyLock<Vec<Outside>> = LazyLock::new(|| {
    LINES
        .lines()
        .filter_map(|line| entry(line, &CLASSES))
        .collect()
});

/// `- WHAT: A | B & C`, or `-! WHAT: ...`.
pub fn entry(line: &'static str, classes: &Classes<'static>) -> Option<Outside> {
    let rest = line.strip_prefix('-')?;
    let text = rest.trim_start_matches('!');
    let (what, words) = text.trim_start().split_once(": ")?;
    Some(Outside {
        what,
        is_all: rest.len() > text.len(),
        kind: Kind::of(&groups(words, classes), |_| 1.0),
    })
}

/// What the line is about, if it is none of ours; what is certain goes first.
pub fn about(line: &Folded) -> Option<&'static Outside> {
    let window = Window::of(std::slice::from_ref(line));
    let others = LINES_OF_OTHERS.iter();
    others
        .filter(|other| other.kind.worth_in(&window).is_some())
        .max_by_key(|other| other.is_all)
}
