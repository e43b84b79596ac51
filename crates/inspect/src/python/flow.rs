//! Where statements lead: loops over what is known, attempts that give every error on, ways
//! out of a function.

use super::is_of_name;
use super::text::Statement;
use super::value::{Scope, Value, value};

/// The statements of a file, one of which is read, and what names mean in it, where that is
/// followed.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) statements: &'a [Statement],
    pub(super) at: usize,
    pub(super) scope: Option<&'a dyn Scope>,
}

/// What a loop has still to go through.
pub(super) struct Again {
    pub(super) name: String,
    /// The last comes first.
    pub(super) left: Vec<Value>,
    /// Its first statement.
    pub(super) start: usize,
}

/// `for a in (b, c)`, where all that it goes through is known, and there is something.
pub(super) fn again(head: &str, line: Line<'_>) -> Option<Again> {
    let (names, list) = head.split_once(" in ")?;
    let Value::List(mut left) = value(list, line.scope?)? else {
        return None;
    };
    let mut names = names.split(',').map(str::trim);
    let name = match (names.next(), names.next()) {
        (Some(name), None) => name,
        // Finder, name and kind of a module.
        (_, Some(name)) if list.contains("iter_modules") => name,
        _ => return None,
    };
    left.reverse();
    (!left.is_empty()).then(|| Again {
        name: name.to_owned(),
        left,
        start: line.at.saturating_add(1),
    })
}

/// Whether every error in a `try` comes out of it: each handler ends in `raise`.
pub(super) fn gives_on(line: Line<'_>) -> bool {
    let statements = line.statements.get(line.at..).unwrap_or_default();
    let Some((first, rest)) = statements.split_first() else {
        return false;
    };
    let mut is_handler = false;
    let mut body = 0;
    let mut raises = true;
    for statement in rest.iter().take_while(|one| one.indent >= first.indent) {
        let text = statement.text.trim();
        if statement.indent == first.indent {
            let is_next = ["except", "else", "finally"]
                .iter()
                .any(|word| text.starts_with(word));
            if !is_next || (is_handler && !raises) {
                break;
            }
            is_handler = text.starts_with("except");
            (raises, body) = (!is_handler, 0);
        } else if is_handler {
            if has_word(text, &["return", "break", "continue"]) {
                return false;
            }
            body = if body == 0 { statement.indent } else { body };
            if statement.indent == body {
                raises = has_word(text.split_whitespace().next().unwrap_or(""), &["raise"]);
            }
        }
    }
    raises
}

/// Whether a statement may leave the function that it is in.
pub(super) fn leaves(text: &str) -> bool {
    has_word(text, &["return", "raise"])
}

pub(super) fn has_word(text: &str, asked: &[&str]) -> bool {
    let mut words = text.split(|c: char| !is_of_name(c));
    words.any(|word| asked.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::super::text::statements;
    use super::*;

    #[test]
    fn an_error_comes_out_where_every_handler_raises() {
        let gives = |source: &str| {
            gives_on(Line {
                statements: &statements(source).0,
                at: 0,
                scope: None,
            })
        };
        for source in [
            "try:\n    a\nexcept E as e:\n    if b:\n        raise F from e\n    raise\n",
            "try:\n    a\nexcept E:\n    raise\nexcept F:\n    b\n    raise\nfinally:\n    c\nd\n",
            "try:\n    a\nfinally:\n    b\n",
            "try:\n    a\nexcept E: raise\n",
        ] {
            assert!(gives(source), "{source}");
        }
        for source in [
            "try:\n    a\nexcept E:\n    pass\n",
            "try:\n    a\nexcept E:\n    if b:\n        raise\n",
            "try:\n    a\nexcept E:\n    if b:\n        return\n    raise\n",
            "try:\n    a\nexcept E:\n    raise\nexcept F:\n    pass\n",
            "try:\n    a\nexcept E:\n    pass\nexcept F:\n    raise\n",
            "try:\n    a\nexcept E: pass\n",
        ] {
            assert!(!gives(source), "{source}");
        }
    }
}
