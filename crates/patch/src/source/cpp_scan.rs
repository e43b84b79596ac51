//! Just enough C++ reading to find a function and the comparisons in its body.
//!
//! Splits a source file into identifiers, string literals and punctuation with
//! their byte ranges; comments, whitespace and character literals are dropped.
//! It is no parser: templates, macros and preprocessor branches are plain tokens.

use std::ops::Range;

/// One token; `range` is where it stands in the text, quotes included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// Byte range in the text.
    pub range: Range<usize>,
}

/// The kinds of token that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Identifier, keyword or number.
    Word(&'a str),
    /// String literal without its quotes, escapes as written.
    Text(&'a str),
    /// One character of punctuation.
    Mark(char),
}

/// All tokens of `text`.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(first) = rest.chars().next() else {
            break;
        };
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/")
                .map_or(rest.len(), |end| end.saturating_add(2))
        } else if rest.starts_with("R\"") {
            raw_string_length(rest)
        } else if first == '"' || first == '\'' {
            let length = quoted_length(rest, first);
            if first == '"' {
                let inner = rest.get(1..length.saturating_sub(1)).unwrap_or("");
                push(&mut out, Kind::Text(inner), at, length);
            }
            length
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            push(
                &mut out,
                Kind::Word(rest.get(..length).unwrap_or("")),
                at,
                length,
            );
            length
        } else {
            push(&mut out, Kind::Mark(first), at, first.len_utf8());
            first.len_utf8()
        };
        // Every branch consumes at least one byte, so this ends.
        at = at.saturating_add(length.max(1));
    }
    out
}

fn push<'a>(out: &mut Vec<Token<'a>>, kind: Kind<'a>, at: usize, length: usize) {
    out.push(Token {
        kind,
        range: at..at.saturating_add(length),
    });
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            // A quote never spans lines; an apostrophe in a number does not close.
            '\n' => return at,
            _ if c == quote => return at.saturating_add(1),
            _ => {}
        }
    }
    rest.len()
}

fn raw_string_length(rest: &str) -> usize {
    let Some(open) = rest.find('(') else {
        return rest.len();
    };
    let delimiter = rest.get(2..open).unwrap_or("");
    let close = format!("){delimiter}\"");
    rest.find(&close)
        .map_or(rest.len(), |at| at.saturating_add(close.len()))
}

/// Index of the token that closes the bracket at `open`.
pub fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let (opens, closes) = match tokens.get(open)?.kind {
        Kind::Mark('(') => ('(', ')'),
        Kind::Mark('{') => ('{', '}'),
        _ => return None,
    };
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        if token.kind == Kind::Mark(opens) {
            depth = depth.saturating_add(1);
        } else if token.kind == Kind::Mark(closes) {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Some(index);
            }
        }
    }
    None
}

/// The tokens of the body of the definition of `name`, and where `name` stands.
///
/// Declarations and calls are passed over: a definition is the name, its
/// parameters in brackets, and a body in braces right after.
pub fn body_of<'t, 'a>(tokens: &'t [Token<'a>], name: &str) -> Option<(&'t [Token<'a>], usize)> {
    for (index, token) in tokens.iter().enumerate() {
        if token.kind != Kind::Word(name) {
            continue;
        }
        let open = index.checked_add(1)?;
        let Some(close) = closing(tokens, open) else {
            continue;
        };
        let brace = close.saturating_add(1);
        if tokens.get(brace).is_none_or(|t| t.kind != Kind::Mark('{')) {
            continue;
        }
        let Some(end) = closing(tokens, brace) else {
            continue;
        };
        return Some((tokens.get(brace..=end)?, token.range.start));
    }
    None
}

/// The line, counted from 1, of a byte offset.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        .saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::{Kind, body_of, line_of, tokens};

    #[test]
    fn comments_and_literals_do_not_confuse_it() {
        let text = "// f() { }\n/* f() { \" */ int f(int a = '(') { return g(\"}\\\"\"); }";
        let tokens = tokens(text);
        let (body, at) = body_of(&tokens, "f").expect("the definition");
        assert_eq!(line_of(text, at), 2);
        assert_eq!(body.first().map(|t| t.kind), Some(Kind::Mark('{')));
        assert!(body.iter().any(|t| t.kind == Kind::Text("}\\\"")));
    }

    #[test]
    fn declarations_and_calls_are_passed_over() {
        let text = "int f(int); int main() { return f(1); } int f(int x) { return 42; }";
        let tokens = tokens(text);
        let (body, _) = body_of(&tokens, "f").expect("the definition");
        assert!(body.iter().any(|t| t.kind == Kind::Word("42")));
    }

    #[test]
    fn torn_text_ends() {
        for text in ["\"", "'", "/*", "R\"(", "R\"", "f(", "f() {", "é\"é", "\\"] {
            let tokens = tokens(text);
            assert!(body_of(&tokens, "f").is_none(), "{text}");
        }
    }
}
