//! What runtimes print when something fails: `printed.txt`, which a maintainer's command
//! makes from the wheels, has each text below the source file that prints it; lines of
//! the index with `@` say what a source file is about. So a text that no line of the index
//! has still leads to what its file is about.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::folded::{Window, folded};
use super::index::{MESSAGES, Message};
use super::outside::{LINES_OF_OTHERS, Outside};
use super::sources::is_source;

const TABLE: &str = include_str!("printed.txt");

/// Bytes that a text is looked up by.
const KEY: usize = 8;

/// What a text of a runtime is about.
pub enum Printed {
    /// What this rule explains.
    Rule(Message),
    /// Something that no rule explains.
    Other(&'static Outside),
}

struct Table {
    texts: Vec<(String, Printed)>,
    by_beginning: HashMap<[u8; KEY], Vec<usize>>,
}

static PRINTED: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table {
        texts: Vec::new(),
        by_beginning: HashMap::new(),
    };
    let mut source = "";
    for line in TABLE.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("@ ") {
            source = name;
        } else if let Some(about) = about(source, line) {
            table.add(folded(line), about);
        }
    }
    table
});

/// What a text of a source file is about.
fn about(source: &str, text: &str) -> Option<Printed> {
    let is_of = |patterns: &[String]| is_source(source, patterns);
    let rule = MESSAGES
        .iter()
        .find(|message| message.sources().is_some_and(is_of));
    let other = LINES_OF_OTHERS
        .iter()
        .find(|other| other.text.sources().is_some_and(is_of));
    match (rule, other) {
        (Some(message), _) => Some(Printed::Rule(message.of_text(text))),
        (None, Some(other)) => Some(Printed::Other(other)),
        (None, None) => None,
    }
}

impl Table {
    fn add(&mut self, text: String, about: Printed) {
        let Some(key) = text.as_bytes().first_chunk() else {
            return;
        };
        let same = self.by_beginning.entry(*key).or_default();
        same.push(self.texts.len());
        self.texts.push((text, about));
    }
}

/// What runtimes print that is in the first line of a window.
pub fn in_window(window: &Window) -> impl Iterator<Item = &'static Printed> {
    let text = window.text.get(..window.first).unwrap_or_default();
    let table = &*PRINTED;
    let places = text.as_bytes().windows(KEY).enumerate();
    places.flat_map(move |(at, beginning)| {
        let key = beginning.first_chunk();
        let here = key.and_then(|key| table.by_beginning.get(key));
        let here = here.into_iter().flatten();
        here.filter_map(move |index| {
            let (message, about) = table.texts.get(*index)?;
            text.get(at..)?.starts_with(message).then_some(about)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source file that no line of the index is about would make its texts silent.
    #[test]
    fn every_source_file_of_the_table_is_about_something() {
        let sources = TABLE.lines().filter_map(|line| line.strip_prefix("@ "));
        let silent: Vec<_> = sources
            .filter(|source| about(source, "").is_none())
            .collect();
        assert!(silent.is_empty(), "{silent:#?}");
        assert!(PRINTED.texts.len() > 500, "{}", PRINTED.texts.len());
    }
}
