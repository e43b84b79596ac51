//! Calls by keyword in a Python source, and what the functions that it defines take: enough
//! to tell that a call is refused. What is not plain is left out.

use std::collections::BTreeSet;

use super::is_of_name;
use super::text::{statements, string};

/// A call with arguments by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What is called, `tvm_ffi.libinfo.load_lib_module`.
    pub callee: String,
    /// The names of its arguments.
    pub keywords: Vec<String>,
}

/// Words with which a part of a statement may not run.
const CHOICES: [&str; 6] = ["and", "else", "for", "if", "lambda", "or"];

/// The calls by keyword of a statement that runs.
pub(super) fn calls(text: &str) -> Vec<Call> {
    let mut found = Vec::new();
    // What is called, and the keywords so far, of each open bracket.
    let mut open: Vec<(String, Vec<String>)> = Vec::new();
    let mut word = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if matches!(letter, '"' | '\'') {
            (_, rest, _) = string(rest, letter);
            // The prefix of a text is no name.
            word.clear();
            continue;
        }
        let after = rest.get(letter.len_utf8()..).unwrap_or("");
        let is_of_word = is_of_name(letter) || letter == '.';
        if !is_of_word && CHOICES.contains(&word.as_str()) {
            return Vec::new();
        }
        match letter {
            '(' | '[' | '{' => {
                let callee = std::mem::take(&mut word);
                let callee = if letter == '(' { callee } else { String::new() };
                open.push((callee, Vec::new()));
            }
            ')' | ']' | '}' => {
                let (callee, keywords) = open.pop().unwrap_or_default();
                if !callee.is_empty() && !keywords.is_empty() {
                    found.push(Call { callee, keywords });
                }
                // What is called of a result is not known.
                word.clear();
                word.push(')');
            }
            '=' if !after.starts_with('=') && word.chars().all(is_of_name) => {
                let keyword = std::mem::take(&mut word);
                if let Some((_, keywords)) = open.last_mut().filter(|_| !keyword.is_empty()) {
                    keywords.push(keyword);
                }
            }
            _ if is_of_word => word.push(letter),
            ' ' => {
                let next = after.trim_start().chars().next();
                if !matches!(next, Some('(' | '=')) {
                    word.clear();
                }
            }
            _ => word.clear(),
        }
        rest = after;
    }
    found.retain(|call| !call.callee.starts_with([')', '.']));
    found
}

/// What a function takes by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// These.
    Names(BTreeSet<String>),
    /// More than is known.
    Any,
}

/// What the function of this name takes that a source defines, once and plainly; `None`
/// where it does not define one.
pub(crate) fn taken(source: &str, function: &str) -> Option<Taken> {
    let mut found = None;
    let mut is_wrapped = false;
    for statement in statements(source).0 {
        let text = statement.text.trim();
        let defined = text.strip_prefix("def ").and_then(|rest| {
            let rest = rest.trim_start().strip_prefix(function)?;
            rest.trim_start().strip_prefix('(')
        });
        if let Some(parameters) = defined {
            let is_plain = statement.indent == 0 && !is_wrapped && found.is_none();
            found = Some(match is_plain {
                true => parameters_of(parameters),
                false => Taken::Any,
            });
        }
        is_wrapped = text.starts_with('@');
    }
    found
}

/// The names between the brackets of a definition.
fn parameters_of(text: &str) -> Taken {
    let mut names = BTreeSet::new();
    let mut depth = 0usize;
    let mut parameter = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if matches!(letter, '"' | '\'') {
            (_, rest, _) = string(rest, letter);
            continue;
        }
        rest = rest.get(letter.len_utf8()..).unwrap_or("");
        match letter {
            ',' | ')' if depth == 0 => {
                let name = parameter.trim();
                if name.starts_with("**") {
                    return Taken::Any;
                }
                let end = name.find(|c| !is_of_name(c)).unwrap_or(name.len());
                names.extend(name.get(..end).map(str::to_owned));
                parameter.clear();
                if letter == ')' {
                    return Taken::Names(names);
                }
            }
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if letter != ',' || depth > 0 {
            parameter.push(letter);
        }
    }
    // It does not end: damaged source.
    Taken::Any
}

/// Whether a name that a source imports is the imported thing wherever it is called: nothing
/// else is called so.
pub(crate) fn is_bound_once(code: &str, name: &str) -> bool {
    code.match_indices(name).all(|(at, _)| {
        let (before, from) = code.split_at_checked(at).unwrap_or((code, ""));
        let after = from.get(name.len()..).unwrap_or("");
        if before.ends_with(is_of_name) || after.starts_with(is_of_name) {
            return true;
        }
        let (before, after) = (before.trim_end(), after.trim_start());
        let named = ["def", "class", "as", "for"];
        let is_assigned = after.starts_with([':', '=']) && !after.starts_with("==");
        let is_renamed = after.starts_with("as ");
        !(is_assigned || is_renamed || named.iter().any(|word| before.ends_with(word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let calls = calls(text).into_iter();
        calls
            .map(|call| format!("{}:{}", call.callee, call.keywords.join(",")))
            .collect()
    }

    #[test]
    fn keywords_of_calls_are_read() {
        let text = "X[\"a\"] = load(\"tvm\", f\"b(c=1\", paths=lib.paths(deep=[1, (2)]), b = 3)";
        assert_eq!(read(text), ["lib.paths:deep", "load:paths,b"]);
        assert_eq!(read("@py_class(\"a.B\", init=False)"), ["py_class:init"]);
        assert_eq!(read("x = a.b (c=d == e, **f)"), ["a.b:c"]);
        for none in [
            "x = f(a) if g else h(b=1)",
            "x = g and h(b=1)",
            "f(lambda x: g(y=x))",
            "f(lambda: g(y=x))",
            "f(a)(b=1)",
            "f(a).c(b=1)",
            "x = {a: 1}[b](c=1)",
            "f(a <= b, c != d)",
            "f(",
        ] {
            assert_eq!(read(none), [""; 0], "{none}");
        }
    }

    #[test]
    fn parameters_are_read() {
        let names = |source: &str| match taken(source, "f") {
            Some(Taken::Names(names)) => Some(names.into_iter().collect::<Vec<_>>().join(",")),
            Some(Taken::Any) => Some(String::from("any")),
            None => None,
        };
        let of = |source: &str| names(source).unwrap_or_default();
        let long = "def f(  # one\n    a: str,\n    b: dict[str, int] = {'x,': (1, 2)},\n    *, c=\")\", d\n) -> Path:\n    pass\n";
        assert_eq!(of(long), ",a,b,c,d");
        assert_eq!(of("def f():\n    pass"), "");
        assert_eq!(of("def f(a, **rest): ..."), "any");
        assert_eq!(of("@wrapped\ndef f(a): ..."), "any");
        assert_eq!(of("class A:\n    def f(self): ..."), "any");
        assert_eq!(of("def f(a): ...\ndef f(b): ..."), "any");
        assert_eq!(of("def f(a"), "any");
        assert_eq!(names("def other(f): ...\nf = 1"), None);
    }

    #[test]
    fn a_name_that_is_given_away_is_not_the_imported_one() {
        let is = |code: &str| is_bound_once(code, "load");
        assert!(is(
            "from a import load\nx = load(b=1)\nif load == y: reload = 2"
        ));
        for other in [
            "from a import load as b",
            "from a import b as load",
            "from a import load\ndef load(x): ...",
            "from a import load\nload = 1",
            "from a import load\nfor load in x: ...",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
