//! The statements of a Python source: one line each, without comments, brackets closed.

use std::borrow::Cow;

use super::is_of_name;

/// A statement on one line, comments and the texts between three quotes left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The column that it begins in; a tab leads to the next multiple of eight.
    pub indent: usize,
    /// The same where a tab is one column: Python asks that both tell the same blocks.
    pub narrow: usize,
    /// What it says.
    pub text: String,
}

/// Where a source ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Outside brackets and texts.
    Whole,
    /// In a text between three quotes.
    InLongText,
    /// In another text.
    InText,
    /// In this bracket.
    In(char),
    /// At a bracket that closes none, or closes another one than this.
    Unmatched(char, Option<char>),
    /// A format string has strings in its braces, with quotes that are perhaps its own
    /// (PEP 701): where it ends is not known, nor what follows.
    Unknown,
}

/// The statements of a source, and where it ends.
pub fn statements(source: &str) -> (Vec<Statement>, Ending) {
    let source = with_plain_line_ends(source);
    let mut rest = source.strip_prefix('\u{feff}').unwrap_or(&source);
    let mut found = Vec::new();
    let mut ending = Ending::Whole;
    while !rest.is_empty() && ending != Ending::Unknown {
        let body = rest.trim_start_matches([' ', '\t', '\u{c}']);
        let space = rest.get(..rest.len().saturating_sub(body.len()));
        let (indent, narrow) = columns(space.unwrap_or(""));
        let text;
        (text, rest, ending) = statement(body);
        if !text.trim().is_empty() && ending != Ending::Unknown {
            found.extend(of_line(&text, indent, narrow));
        }
    }
    (found, ending)
}

/// The statements of one line: what `:` is followed by is in the block that it opens, and `;`
/// is between two.
fn of_line(line: &str, indent: usize, narrow: usize) -> Vec<Statement> {
    let (head, rest) = match block_head(line) {
        Some(end) => line.split_at_checked(end).unwrap_or((line, "")),
        None => ("", line),
    };
    let deeper = usize::from(!head.is_empty());
    let of = |text: &str, deeper: usize| Statement {
        indent: indent.saturating_add(deeper),
        narrow: narrow.saturating_add(deeper),
        text: text.to_owned(),
    };
    let mut found: Vec<Statement> = Vec::new();
    if !head.is_empty() {
        found.push(of(head, 0));
    }
    let inner = parts(rest, ';').into_iter();
    let inner = inner.filter(|text| !text.trim().is_empty());
    found.extend(inner.map(|text| of(text.trim_start(), deeper)));
    found
}

/// Where the head of a block ends that goes on in its line, `if a: b`.
fn block_head(line: &str) -> Option<usize> {
    /// Words that begin one.
    const HEADS: [&str; 12] = [
        "async", "class", "def", "elif", "else", "except", "finally", "for", "if", "try", "while",
        "with",
    ];
    let word = line.split(|c| !is_of_name(c)).next()?;
    if !HEADS.contains(&word) {
        return None;
    }
    let mut colons = parts(line, ':').into_iter();
    let mut end = 0usize;
    loop {
        let part = colons.next()?;
        end = end.saturating_add(part.len()).saturating_add(1);
        let rest = line.get(end..)?;
        let is_lambda = part.split(|c| !is_of_name(c)).any(|word| word == "lambda");
        if !is_lambda && !rest.starts_with('=') {
            return (!rest.trim().is_empty()).then_some(end);
        }
    }
}

/// The column behind some white space, with wide tabs and with narrow ones.
fn columns(space: &str) -> (usize, usize) {
    /// Columns from one place of a tab to the next.
    const TAB: usize = 8;
    space.chars().fold((0, 0), |(wide, narrow), c| match c {
        '\t' => (
            wide.saturating_add(1).next_multiple_of(TAB),
            narrow.saturating_add(1),
        ),
        '\u{c}' => (0, 0),
        _ => (wide.saturating_add(1), narrow.saturating_add(1)),
    })
}

/// The code of a source: its statements without comments and texts between three quotes.
pub(crate) fn code(source: &str) -> String {
    let (statements, _) = statements(source);
    let lines: Vec<String> = statements.into_iter().map(|one| one.text).collect();
    lines.join("\n")
}

/// Python takes each of the three ends of a line for one.
fn with_plain_line_ends(source: &str) -> Cow<'_, str> {
    match source.contains('\r') {
        true => Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(source),
    }
}

/// The statement that a source begins with, and what follows it: to the end of the line
/// outside brackets and texts.
fn statement(source: &str) -> (String, &str, Ending) {
    let mut text = String::new();
    let mut open: Vec<char> = Vec::new();
    let mut ending = Ending::Whole;
    let mut rest = source;
    while let Some(at) = rest.find(['#', '"', '\'', '(', '[', '{', ')', ']', '}', '\n', '\\']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        text.push_str(before);
        let mut letters = from.chars();
        let letter = letters.next().unwrap_or('\n');
        rest = letters.as_str();
        match letter {
            '#' => {
                rest = rest
                    .find('\n')
                    .and_then(|end| rest.get(end..))
                    .unwrap_or("")
            }
            '"' | '\'' => {
                let (string, after, end) = string(from, letter);
                if is_format(&text) && !is_balanced(string) {
                    return (text, "", Ending::Unknown);
                }
                text.push_str(string);
                rest = after;
                if rest.is_empty() {
                    ending = end;
                }
            }
            '(' | '[' | '{' => {
                open.push(letter);
                text.push(letter);
            }
            ')' | ']' | '}' => {
                let opened = open.pop();
                if opened.is_none_or(|opened| closing(opened) != letter) {
                    return (text, "", Ending::Unmatched(letter, opened));
                }
                text.push(letter);
            }
            '\\' if rest.starts_with('\n') => {
                text.push(' ');
                rest = rest.get(1..).unwrap_or("");
            }
            '\n' if open.is_empty() => return (text, rest, Ending::Whole),
            '\n' => text.push(' '),
            other => text.push(other),
        }
    }
    text.push_str(rest);
    if let (Ending::Whole, Some(bracket)) = (ending, open.last()) {
        ending = Ending::In(*bracket);
    }
    (text, "", ending)
}

/// The bracket that closes another.
fn closing(opened: char) -> char {
    match opened {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// Whether a string that follows is a format string: `f`, `rf`, `t`.
fn is_format(before: &str) -> bool {
    let prefix = before.trim_end_matches(is_of_name);
    let prefix = before.get(prefix.len()..).unwrap_or("");
    prefix.len() <= 2 && prefix.contains(['f', 'F', 't', 'T'])
}

fn is_balanced(string: &str) -> bool {
    string.matches('{').count() == string.matches('}').count()
}

/// The string that a source begins with, without its text where it has three quotes, what
/// follows, and how it ends.
pub(super) fn string(from: &str, quote: char) -> (&str, &str, Ending) {
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    let is_long = from.starts_with(&triple);
    let (start, end) = match is_long {
        true => (3, triple.as_str()),
        false => (1, triple.get(..1).unwrap_or_default()),
    };
    let body = from.get(start..).unwrap_or_default();
    let mut at = 0usize;
    while let Some(left) = body.get(at..).filter(|left| !left.is_empty()) {
        if left.starts_with(end) {
            let close = at.saturating_add(start.saturating_add(end.len()));
            let after = from.get(close..).unwrap_or_default();
            return match is_long {
                true => ("''", after, Ending::Whole),
                false => (from.get(..close).unwrap_or_default(), after, Ending::Whole),
            };
        }
        let mut letters = left.chars();
        match letters.next() {
            Some('\n') if !is_long => break,
            Some('\\') => {
                let escaped = letters.next().map_or(0, char::len_utf8);
                at = at.saturating_add(escaped.saturating_add(1));
            }
            Some(letter) => at = at.saturating_add(letter.len_utf8()),
            None => break,
        }
    }
    // Not closed: damaged source.
    match is_long {
        true => ("", "", Ending::InLongText),
        false => ("", body.get(at..).unwrap_or_default(), Ending::InText),
    }
}

/// The parts of a text between letters outside brackets and strings.
pub(super) fn parts(text: &str, between: char) -> Vec<&str> {
    let mut found = Vec::new();
    let mut depth = 0usize;
    let mut start = 0usize;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let at = text.len().saturating_sub(rest.len());
        if matches!(letter, '"' | '\'') {
            (_, rest, _) = string(rest, letter);
            continue;
        }
        rest = rest.get(letter.len_utf8()..).unwrap_or("");
        match letter {
            _ if letter == between && depth == 0 => {
                found.extend(text.get(start..at));
                start = at.saturating_add(letter.len_utf8());
            }
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found.extend(text.get(start..));
    found
}

/// The name that a part of an import begins with, `a.b` or `*`.
pub(super) fn first_word(text: &str) -> Option<&str> {
    let word = text.split_whitespace().next()?;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '*');
    word.chars().all(is_name).then_some(word)
}

/// A statement, a space for each of its strings.
pub(super) fn without_strings(text: &str) -> String {
    let mut found = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        found.push_str(before);
        found.push(' ');
        (_, rest, _) = string(from, from.chars().next().unwrap_or('"'));
    }
    found.push_str(rest);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        let (statements, _) = statements(source);
        statements.into_iter().map(|one| one.text).collect()
    }

    #[test]
    fn each_end_of_a_line_is_one() {
        let source = "x = (1,\n  2)  # and\ny = a \\\n  + b\nif z:\n    w\n";
        let expected = texts(source);
        assert_eq!(expected.len(), 4);
        assert_eq!(texts(&source.replace('\n', "\r\n")), expected);
        assert_eq!(texts(&source.replace('\n', "\r")), expected);
    }

    #[test]
    fn a_line_has_the_statements_that_it_has() {
        for (line, expected) in [
            ("if a: b; c", vec![(0, "if a:"), (1, "b"), (1, "c")]),
            ("a; b;", vec![(0, "a"), (0, "b")]),
            ("x: int = ';'; y", vec![(0, "x: int = ';'"), (0, "y")]),
            (
                "def f(a: int = {1: 2}) -> x: pass",
                vec![(0, "def f(a: int = {1: 2}) -> x:"), (1, "pass")],
            ),
            ("if (a := b): c", vec![(0, "if (a := b):"), (1, "c")]),
            (
                "while lambda: a: b",
                vec![(0, "while lambda: a:"), (1, "b")],
            ),
            ("else: import a", vec![(0, "else:"), (1, "import a")]),
            ("if a:", vec![(0, "if a:")]),
            ("iffy: int = 1", vec![(0, "iffy: int = 1")]),
        ] {
            let found = statements(line).0;
            let found: Vec<_> = found
                .iter()
                .map(|one| (one.indent, one.text.trim()))
                .collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn brackets_close_what_they_open() {
        for (source, expected) in [
            ("x = 1)\ny = (\n", Ending::Unmatched(')', None)),
            ("x = (1]\n", Ending::Unmatched(']', Some('('))),
            ("x = {1: [2)}\n", Ending::Unmatched(')', Some('['))),
            ("x = {1: [(2)]}  # )\n", Ending::Whole),
            ("x = ')'\n", Ending::Whole),
        ] {
            assert_eq!(statements(source).1, expected, "{source}");
        }
    }

    #[test]
    fn strings_in_format_strings_end_what_is_known() {
        let (found, ending) = statements("a = 1\nb = f\"{\"(\"}{len(x)}\"\nc = (\n");
        assert_eq!((found.len(), ending), (1, Ending::Unknown));
        let (found, ending) = statements("b = f\"{x['(']}\"\nc = rf'{{'\nd = (\n");
        assert_eq!((found.len(), ending), (1, Ending::Unknown));
        let (found, ending) = statements("b = f\"{x['(']}\"\nd = \"{\"\n");
        assert_eq!((found.len(), ending), (2, Ending::Whole));
    }
}
