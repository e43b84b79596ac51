//! Python files that no Python takes, as far as that is certain from where a text ends: what
//! a copy that was stopped, a full disk or a crash leaves; and from how its lines are
//! indented.
//!
//! No parser of Python: what else is wrong in the middle of a text, or only when it runs, is
//! not seen.

use super::is_of_name;
use super::text::{Ending, Statement, code, statements, without_strings};

/// What Python says of a source that it does not take.
pub fn refusal(source: &[u8]) -> Option<String> {
    if source.contains(&0) {
        return Some("SyntaxError: source code string cannot contain null bytes".to_owned());
    }
    let Ok(text) = std::str::from_utf8(source) else {
        let mut first = source.split(|byte| *byte == b'\n').take(2);
        let is_told = first.any(|line| memchr::memmem::find(line, b"coding").is_some());
        // Comments may hold anything.
        let code = code(&String::from_utf8_lossy(source));
        let is_refused = !is_told && code.contains(char::REPLACEMENT_CHARACTER);
        return is_refused
            .then(|| "SyntaxError: (unicode error) 'utf-8' codec can't decode".into());
    };
    let (lines, ending) = statements(text);
    let says = match ending {
        Ending::InLongText => Some("unterminated triple-quoted string literal".to_owned()),
        Ending::InText => Some("unterminated string literal".to_owned()),
        Ending::In(bracket) => Some(format!("'{bracket}' was never closed")),
        Ending::Unmatched(bracket, None) => Some(format!("unmatched '{bracket}'")),
        Ending::Unmatched(bracket, Some(opened)) => Some(format!(
            "closing parenthesis '{bracket}' does not match opening parenthesis '{opened}'"
        )),
        Ending::Unknown => return None,
        Ending::Whole => lines.last().and_then(|last| unfinished(&last.text)),
    };
    let says = says.or_else(|| {
        let is_merged = lines.iter().any(is_marker);
        is_merged.then(|| "invalid syntax".to_owned())
    });
    let says = says.or_else(|| {
        let heads = lines.iter().map(|one| (one.indent, one.text.as_str()));
        is_tried_in_vain(heads).then(|| "expected 'except' or 'finally' block".to_owned())
    });
    says.map(|says| format!("SyntaxError: {says}"))
        .or_else(|| misplaced(&lines).map(str::to_owned))
}

/// What Python says of lines that are not indented as it asks for.
fn misplaced(lines: &[Statement]) -> Option<&'static str> {
    const EXPECTED: &str = "IndentationError: expected an indented block";
    const MIXED: &str = "TabError: inconsistent use of tabs and spaces in indentation";
    let mut around: Vec<(usize, usize)> = Vec::new();
    let mut opens = false;
    for line in lines {
        let is_deeper = line.indent > around.last().map_or(0, |last| last.0);
        while around.last().is_some_and(|last| last.0 > line.indent) {
            around.pop();
        }
        let (wide, narrow) = around.last().copied().unwrap_or_default();
        match is_deeper {
            true if line.narrow <= narrow => return Some(MIXED),
            true if !opens => return Some("IndentationError: unexpected indent"),
            true => around.push((line.indent, line.narrow)),
            false if line.indent != wide => {
                return Some(
                    "IndentationError: unindent does not match any outer indentation level",
                );
            }
            false if line.narrow != narrow => return Some(MIXED),
            false if opens => return Some(EXPECTED),
            false => {}
        }
        opens = line.text.trim_end().ends_with(':');
    }
    opens.then_some(EXPECTED)
}

/// Whether a statement holds what `git merge` leaves around lines that two changed.
fn is_marker(statement: &Statement) -> bool {
    let text = without_strings(&statement.text);
    text.contains("<<<<<<<") || text.contains(">>>>>>>")
}

/// Whether a statement has a colon outside brackets and strings.
fn has_colon(statement: &str) -> bool {
    let mut depth = 0usize;
    without_strings(statement).chars().any(|letter| {
        match letter {
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ':' && depth == 0
    })
}

/// Whether the text of a file ends as if there had been more: no end of its last line.
pub fn is_cut(source: &[u8]) -> bool {
    source.last().is_some_and(|last| *last != b'\n')
}

/// What is wrong with a last statement that is not whole.
fn unfinished(statement: &str) -> Option<String> {
    /// Words that open a block.
    const OPEN: [&str; 11] = [
        "if", "elif", "else", "for", "while", "with", "try", "except", "finally", "def", "class",
    ];
    /// Words that something follows.
    const BEFORE: [&str; 13] = [
        "import", "from", "as", "and", "or", "not", "in", "is", "lambda", "del", "assert", "if",
        "else",
    ];
    let text = statement.trim();
    let invalid = || Some("invalid syntax".to_owned());
    let head = text.strip_prefix("async ").unwrap_or(text).trim_start();
    let first = head.split(|c| !is_of_name(c)).next().unwrap_or("");
    if text.ends_with(':') {
        return None;
    }
    if text.starts_with('@') {
        return invalid();
    }
    if OPEN.contains(&first) && !has_colon(head) {
        let is_alone = first.len() == head.len();
        // Of the others Python asks for something else first.
        let is_whole = match first {
            "try" => is_alone,
            "if" | "while" | "with" | "class" => !is_alone,
            "def" => head.ends_with(')') || head.contains("->"),
            _ => false,
        };
        return is_whole.then(|| "expected ':'".to_owned()).or_else(invalid);
    }
    if first == "from" && !text.contains(" import") {
        return invalid();
    }
    let before = text.trim_end_matches(is_of_name);
    let word = text.get(before.len()..).unwrap_or("");
    if !word.is_empty() {
        let is_alone = before.is_empty() || before.ends_with(char::is_whitespace);
        return (is_alone && BEFORE.contains(&word)).then(invalid).flatten();
    }
    let number = before.trim_end_matches('.');
    match before.chars().last() {
        // `...` and `1.` are values.
        Some('.') if before.ends_with("...") || number.ends_with(|c: char| c.is_ascii_digit()) => {
            None
        }
        Some('*') if first == "from" => None,
        Some(last) if "=+-*/%@&|^~<>!.".contains(last) => invalid(),
        Some(',') if matches!(first, "import" | "from") => invalid(),
        _ => None,
    }
}

/// Whether the last `try` has neither `except` nor `finally`.
fn is_tried_in_vain<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> bool {
    let mut open: Vec<usize> = Vec::new();
    for (indent, text) in lines {
        let text = text.trim();
        while open.last().is_some_and(|tried| *tried >= indent) {
            open.pop();
        }
        if text == "try:" {
            open.push(indent);
        }
    }
    !open.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_takes_is_left_alone() {
        for source in [
            "",
            "x = 1",
            "from a import *",
            "def f(): ...",
            "x = 1.",
            "class A:\n    pass\n# end (",
            "try:\n    import a\nexcept ImportError:\n    a = None",
            "try:\n    x\nfinally:\n    y\nif z: w",
            "s = '''a\n(b'''\n",
            "s = \"it's (\"\n",
            "x = [\n  1,  # (\n]",
            "if a:\n    try:\n        b\n    except C:\n        d\ne = f",
            "x = a if b else c",
            "return_in = in_is",
            "d = {'a': 1}",
            "x = 1,",
            "\u{feff}import a\n",
            "async def f(a: int) -> B: ...",
            "x = '<<<<<<< HEAD'  # >>>>>>> b\n'''\n=======\n'''\n",
            "x = a << b >> c\n",
            "if a:\n\tb\n\tif c:\n\t        d\n\te\n",
            "if a:\n    b\n  # c\n\n    d = (\n1,\n)\n",
            "if a: b\nelse:\n  c\n\u{c}d\n",
            "if a:\n    \\\n  b\n    c\n",
            "class A:\n    '''\nText:\n    '''\n    x: int\n",
            "match a:\n    case [b]:\n        c\n",
        ] {
            assert_eq!(refusal(source.as_bytes()), None, "{source}");
        }
        assert_eq!(refusal(b"# coding: latin-1\nx = '\xe9'"), None);
        assert_eq!(refusal(b"x = 1 # \xe9\n"), None);
    }

    #[test]
    fn what_no_python_takes_is_told() {
        for source in [
            "a = 1\0",
            "x = (1,\n  2",
            "'''a",
            "x = 'a",
            "x =",
            "x = a.",
            "from a",
            "from a import",
            "import",
            "import a,",
            "def f(a, b)",
            "def f(a: int, b={1: ':'}) -> Dict[str, 'a:b']",
            "async def f(a: int)",
            "class A(B[1:2])",
            "x = 1\n<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> b\n",
            "x = (\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> b\n)\n",
            "def f():",
            "class A",
            "@dec",
            "if x",
            "try:\n    a",
            "if x:\n    try:\n        a\n",
            "x = 1)\n",
            "x = (1]\n",
            "x = a and",
            "x = not",
        ] {
            assert!(refusal(source.as_bytes()).is_some(), "{source}");
        }
        assert!(refusal(b"x = '\xe9'").is_some());
    }

    #[test]
    fn lines_are_indented_as_python_asks_for() {
        for (source, says) in [
            ("a\n  b\n", "IndentationError: unexpected indent"),
            (" a\n", "IndentationError: unexpected indent"),
            ("if a:\nb\n", "IndentationError: expected an indented block"),
            ("def f():\n", "IndentationError: expected an indented block"),
            (
                "if a:\n    b\n  c\n",
                "IndentationError: unindent does not match any outer indentation level",
            ),
            (
                "if a:\n        b\n\tc\n",
                "TabError: inconsistent use of tabs and spaces in indentation",
            ),
            (
                "if a:\n\tif b:\n        c\n",
                "TabError: inconsistent use of tabs and spaces in indentation",
            ),
            (
                "if a:\n  if b:\n\tc\n",
                "TabError: inconsistent use of tabs and spaces in indentation",
            ),
        ] {
            assert_eq!(
                refusal(source.as_bytes()).as_deref(),
                Some(says),
                "{source:?}"
            );
        }
    }
}
