//! The names that a plain statement asks for, whatever happens: enough to tell that one of
//! them is nowhere.

use super::is_of_name;
use super::text::{string, without_strings};

/// A name that is asked for, and what is asked of it first: `os`, `path` of `os.path.join`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Use {
    /// The name.
    pub name: String,
    /// Its attribute, if one follows.
    pub attribute: Option<String>,
}

/// Words with which a statement asks for nothing, or not for all of its names, or for names
/// of its own.
const OTHERS: [&str; 18] = [
    "and", "assert", "async", "await", "del", "else", "except", "for", "from", "global", "if",
    "import", "lambda", "nonlocal", "or", "raise", "return", "yield",
];
/// Words that are no names.
const WORDS: [&str; 7] = ["False", "None", "True", "in", "is", "not", "pass"];

/// What a statement asks for that is no head of a block; a decorator is one.
pub(super) fn uses(text: &str) -> Vec<Use> {
    let plain = without_strings(text);
    let mut words = plain.split(|c| !is_of_name(c));
    let first = words.clone().find(|word| !word.is_empty());
    // `type A = ...` is read when it is asked for.
    if plain.contains(":=") || first == Some("type") || words.any(|word| OTHERS.contains(&word)) {
        return Vec::new();
    }
    let value = match value(text) {
        Some(value) => value,
        None => return Vec::new(),
    };
    names(value.strip_prefix('@').unwrap_or(value))
}

/// What a statement reads: the text behind its last `=`; `None` where only a type is given.
fn value(text: &str) -> Option<&str> {
    let mut depth = 0usize;
    let mut is_typed = false;
    let mut value = text;
    let mut rest = text;
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        if matches!(letter, '"' | '\'') {
            (_, rest, _) = string(rest, letter);
            before = letter;
            continue;
        }
        rest = rest.get(letter.len_utf8()..).unwrap_or("");
        match letter {
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => is_typed = true,
            '=' if depth == 0 => {
                if let Some(after) = rest.strip_prefix('=') {
                    rest = after;
                } else if !matches!(before, '<' | '>' | '!') {
                    value = rest;
                    is_typed = false;
                }
            }
            _ => {}
        }
        before = letter;
    }
    (!is_typed).then(|| value.trim())
}

/// The names of an expression that are neither attributes nor arguments' names.
fn names(text: &str) -> Vec<Use> {
    let mut found = Vec::new();
    let mut depth = 0usize;
    let mut before = ' ';
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if matches!(letter, '"' | '\'') {
            (_, rest, _) = string(rest, letter);
            before = letter;
            continue;
        }
        if !is_of_name(letter) {
            match letter {
                '(' | '[' | '{' => depth = depth.saturating_add(1),
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            before = if letter == ' ' { before } else { letter };
            rest = rest.get(letter.len_utf8()..).unwrap_or("");
            continue;
        }
        let (word, after) = word(rest);
        let next = after.trim_start();
        let is_argument = depth > 0 && next.starts_with('=') && !next.starts_with("==");
        // The prefix of a text is no name, nor is a number.
        let is_name = !after.starts_with(['"', '\''])
            && !letter.is_numeric()
            && before != '.'
            && !WORDS.contains(&word);
        if is_name && !is_argument {
            let attribute = after.strip_prefix('.').map(|rest| self::word(rest).0);
            let attribute = attribute.filter(|word| !word.is_empty());
            found.push(Use {
                name: word.to_owned(),
                attribute: attribute.map(str::to_owned),
            });
        }
        before = 'a';
        rest = after;
    }
    found
}

/// The word that a text begins with, and what follows.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let found = uses(text).into_iter().map(|one| match one.attribute {
            Some(attribute) => format!("{}.{attribute}", one.name),
            None => one.name,
        });
        found.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_asked_for_whatever_happens_is_read() {
        for (text, expected) in [
            ("print(a, b=c, d=e == f)", "print a c e f"),
            (
                "x = y = os.path.join(a.b.c, f\"{no}\", rb'no')",
                "os.path a.b",
            ),
            ("x.y[z] = w", "w"),
            ("x += y", "y"),
            (
                "@tvm_ffi.register_object(\"a.B\")",
                "tvm_ffi.register_object",
            ),
            ("x: T = v", "v"),
            ("x = {a: 1e5, **b}[0x1f].c[1:d]", "a b d"),
            ("x = f(a) if b else c", ""),
            ("x = [a for a in b]", ""),
            ("x = lambda a: b", ""),
            ("x = a and b", ""),
            ("x: T", ""),
            ("f(y := a)", ""),
            ("type A = b", ""),
            ("import a", ""),
            ("from a import b", ""),
            ("raise E", ""),
            ("'for' + a", "a"),
            ("x = not a <= b != c", "a b c"),
            ("...", ""),
            ("x = \"", ""),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
