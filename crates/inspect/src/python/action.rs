//! What a statement does with names: it binds them, calls functions, gives back a value.

use super::is_of_name;
use super::text::{first_word, parts, string, without_strings};
use super::value::{Value, is_plain};

/// Calls of one statement that are followed.
const MOST_CALLS: usize = 64;
/// Words with which a part of a statement may not run.
const CHOICES: [&str; 9] = [
    "and", "await", "else", "for", "if", "lambda", "or", "yield", "async",
];
/// Words that stand before brackets and are no functions.
const WORDS: [&str; 6] = ["in", "is", "not", "return", "print", "super"];
/// Words before an expression.
const HEADS: [&str; 8] = [
    "assert", "class", "del", "if", "match", "raise", "while", "with",
];

/// Words of statements that do nothing with names themselves, or may not run.
const OTHERS: [&str; 10] = [
    "async", "case", "elif", "else", "except", "finally", "global", "nonlocal", "pass", "try",
];

/// One thing that a statement does with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// An import gives a name a module, or what one calls `name`, `*` for all.
    Bind {
        /// The name.
        local: String,
        /// Dots before the module's name.
        level: usize,
        /// The module.
        module: String,
        /// What is taken from it.
        name: Option<String>,
    },
    /// A statement of this number defines a function or class.
    Define(String, usize),
    /// A function is called.
    Call(Called),
    /// A name is given the value of an expression.
    Assign(String, String),
    /// A name is given a value.
    Let(String, Value),
    /// A name has another value, which is not known.
    Forget(String),
    /// A module is asked for a name that it may make up.
    Ask(String, String),
    /// This is done for each item of a list, which has a name then.
    Each(String, String, Vec<Action>),
    /// A function gives back the value of an expression.
    Return(String),
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// What is called, `a.b`.
    pub function: String,
    /// Its arguments, some by name.
    pub arguments: Vec<(Option<String>, String)>,
    /// The name that its value is given.
    pub into: String,
    /// Whether it gives a manager of contexts.
    pub is_with: bool,
}

/// What a statement that runs does.
pub(super) fn actions(text: &str) -> Vec<Action> {
    let mut found = Vec::new();
    let (word, rest) = first(text);
    if matches!(word, "import" | "from") {
        return bindings(text);
    }
    if let Some(wrapper) = text.strip_prefix('@') {
        let function = calls(wrapper, false, &mut found);
        found.push(Action::Call(Called {
            function,
            arguments: vec![(None, String::new())],
            into: String::new(),
            is_with: false,
        }));
        return found;
    }
    match word {
        "return" => {
            let value = calls(rest, false, &mut found);
            found.push(Action::Return(value));
        }
        "def" => {
            let parameters = rest.split_once('(').map_or("", |(_, rest)| rest);
            calls(&format!("({parameters}"), false, &mut found);
        }
        "for" => {
            let (names, list) = rest.split_once(" in ").unwrap_or((rest, ""));
            calls(list, false, &mut found);
            found.extend(forgotten(names));
        }
        _ if OTHERS.contains(&word) => {}
        _ if HEADS.contains(&word) => {
            calls(rest, word == "with", &mut found);
            if let Some((_, names)) = rest.rsplit_once(" as ").filter(|_| word == "with") {
                found.extend(forgotten(names));
            }
        }
        _ => assignment(text, &mut found),
    }
    found
}

/// The names that a statement may bind which may not run.
pub(super) fn may_bind(text: &str) -> Vec<Action> {
    let (word, rest) = first(text);
    match word {
        "import" | "from" => {
            let bound = bindings(text).into_iter().filter_map(|bound| match bound {
                Action::Bind { local, .. } => Some(Action::Forget(local)),
                _ => None,
            });
            bound.collect()
        }
        "def" | "class" => forgotten(first(rest).0).collect(),
        "for" => forgotten(rest.split_once(" in ").map_or("", |(names, _)| names)).collect(),
        "with" | "except" => {
            forgotten(rest.rsplit_once(" as ").map_or("", |(_, name)| name)).collect()
        }
        _ => target(text).map_or_else(Vec::new, |(names, _)| forgotten(names).collect()),
    }
}

fn first(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (word, rest.trim())
}

fn forgotten(names: &str) -> impl Iterator<Item = Action> {
    let names = names.split(|c| !is_of_name(c));
    let names = names.filter(|name| !name.is_empty());
    names.map(|name| Action::Forget(name.to_owned()))
}

/// `a = f(b)`, `a: T = f(b)`, or an expression alone.
fn assignment(text: &str, found: &mut Vec<Action>) {
    let Some((names, expression)) = target(text) else {
        calls(text, false, found);
        return;
    };
    let value = calls(expression, false, found);
    let name = names.split(':').next().unwrap_or(names).trim();
    if !name.is_empty() && name.chars().all(is_of_name) {
        found.push(Action::Assign(name.to_owned(), value));
    } else if !names.contains('.') {
        // What is put into a list changes it.
        let names = names.split('[').next().unwrap_or(names);
        found.extend(forgotten(names));
    }
}

/// What a statement gives a value, and that value: its sides of the last `=`.
pub(super) fn target(text: &str) -> Option<(&str, &str)> {
    let sides = parts(text, '=');
    let mut at = 0usize;
    let mut last = None;
    for (side, next) in sides.iter().zip(sides.iter().skip(1)) {
        at = at.saturating_add(side.len());
        if !side.is_empty() && !side.ends_with(['<', '>', '!']) && !next.is_empty() {
            last = Some(at);
        }
        at = at.saturating_add(1);
    }
    let (names, value) = text.split_at_checked(last?)?;
    Some((names, value.strip_prefix('=')?))
}

/// The names that an import binds.
fn bindings(text: &str) -> Vec<Action> {
    let (word, rest) = first(text);
    let renamed = |part: &str| {
        part.split_once(" as ")
            .map(|(_, name)| name.trim().to_owned())
    };
    let bound = |part: &str, from: Option<&str>| {
        let own = first_word(part)?;
        let top = own.split('.').next().unwrap_or(own);
        let module = match (from, renamed(part)) {
            (Some(from), _) => from,
            (None, Some(_)) => own,
            (None, None) => top,
        };
        let name = module.trim_start_matches('.');
        Some(Action::Bind {
            local: renamed(part).unwrap_or_else(|| top.to_owned()),
            level: module.len().saturating_sub(name.len()),
            module: name.to_owned(),
            name: from.map(|_| own.to_owned()),
        })
    };
    if word == "import" {
        return rest
            .split(',')
            .filter_map(|part| bound(part, None))
            .collect();
    }
    let parts = rest
        .split_once(" import ")
        .or_else(|| rest.split_once(" import("));
    let Some((module, names)) = parts else {
        return Vec::new();
    };
    let names = names.trim().trim_matches(['(', ')']).split(',');
    names
        .filter_map(|part| bound(part, Some(module.trim())))
        .collect()
}

/// The calls of an expression, the inner ones first, and the expression with names of
/// theirs in their places.
fn calls(expression: &str, is_with: bool, found: &mut Vec<Action>) -> String {
    let mut text = expression.trim().trim_end_matches(':').to_owned();
    let plain = without_strings(&text);
    let words = plain.split(|c| !is_of_name(c));
    let mut choices = words.filter(|word| CHOICES.contains(word));
    match (choices.next(), choices.next()) {
        _ if plain.contains(":=") => return text,
        (None, _) => {}
        (Some("for"), None) => {
            found.extend(each(&text));
            return text;
        }
        _ => return text,
    }
    let mut from = 0;
    for number in 0..MOST_CALLS {
        let Some((start, open, close)) = inner_call(&text, from) else {
            break;
        };
        let function = text.get(start..open).unwrap_or("").trim().to_owned();
        let inner = text.get(open.saturating_add(1)..close).unwrap_or("");
        from = close.saturating_add(1);
        if is_plain(&function)
            || WORDS.contains(&function.as_str())
            || function.ends_with(".format")
        {
            continue;
        }
        // No name of Python's begins so.
        let into = format!("0{number}");
        found.push(Action::Call(Called {
            arguments: parts(inner, ',').into_iter().map(argument).collect(),
            function,
            into: into.clone(),
            is_with,
        }));
        from = start.saturating_add(into.len());
        text.replace_range(start..=close, &into);
    }
    text
}

/// `[f(a) for a in b]`
fn each(text: &str) -> Option<Action> {
    let (before, rest) = text.split_once(" for ")?;
    let (name, list) = rest.split_once(" in ")?;
    let list = parts(list, ')').first().copied()?;
    let list = parts(list, ']').first().copied()?;
    let list = parts(list, '}').first().copied()?;
    let mut open = 0usize;
    let start = before.char_indices().rev().find(|(_, letter)| {
        match letter {
            ')' | ']' | '}' => open = open.saturating_add(1),
            '(' | '[' | '{' if open == 0 => return true,
            '(' | '[' | '{' => open = open.saturating_sub(1),
            _ => {}
        }
        false
    });
    let mut done = Vec::new();
    calls(before.get(start?.0.saturating_add(1)..)?, false, &mut done);
    let is_name = name.chars().all(is_of_name) && !done.is_empty();
    is_name.then(|| Action::Each(name.to_owned(), list.to_owned(), done))
}

fn argument(text: &str) -> (Option<String>, String) {
    let text = text.trim();
    let named = text
        .split_once('=')
        .filter(|(name, value)| name.trim().chars().all(is_of_name) && !value.starts_with('='));
    match named {
        Some((name, value)) => (Some(name.trim().to_owned()), value.trim().to_owned()),
        None if text.starts_with('*') => (Some("*".to_owned()), String::new()),
        None => (None, text.to_owned()),
    }
}

/// Where the first call that ends behind `from` begins, its brackets open and close.
fn inner_call(text: &str, from: usize) -> Option<(usize, usize, usize)> {
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut word = 0;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let at = text.len().saturating_sub(rest.len());
        if matches!(letter, '"' | '\'') {
            (_, rest, _) = string(rest, letter);
            word = text.len().saturating_sub(rest.len());
            continue;
        }
        rest = rest.get(letter.len_utf8()..).unwrap_or("");
        let next = at.saturating_add(letter.len_utf8());
        match letter {
            '(' | '[' | '{' => {
                open.push((if letter == '(' { word } else { at }, at));
                word = next;
            }
            ')' | ']' | '}' => {
                let (start, bracket) = open.pop()?;
                let name = text.get(start..bracket).unwrap_or("").trim();
                let is_called = !name.is_empty() && !name.starts_with('.');
                if letter == ')' && is_called && at >= from {
                    return Some((start, bracket, at));
                }
                word = next;
            }
            _ if is_of_name(letter) || letter == '.' => {}
            _ => word = next,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let words = actions(text).into_iter().map(|action| match action {
            Action::Bind {
                local,
                level,
                module,
                name,
            } => {
                let name = name.map(|name| format!(":{name}")).unwrap_or_default();
                format!("{local}<{}{module}{name}", ".".repeat(level))
            }
            Action::Call(one) => {
                let arguments = one.arguments.into_iter().map(|(name, text)| match name {
                    Some(name) => format!("{name}={text}"),
                    None => text,
                });
                let arguments: Vec<String> = arguments.collect();
                format!("{}({})>{}", one.function, arguments.join(","), one.into)
            }
            Action::Assign(name, text) => format!("{name}={text}"),
            Action::Forget(name) => format!("-{name}"),
            Action::Return(text) => format!("return {text}"),
            Action::Each(name, list, done) => format!("{name} of {list}: {}", done.len()),
            Action::Define(..) | Action::Let(..) | Action::Ask(..) => String::new(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_statements_do_with_names_is_read() {
        for (text, expected) in [
            ("import a.b, c.d as e", "a<a e<c.d"),
            ("from ..a import (b, c as d)", "b<..a:b d<..a:c"),
            ("from . import *", "*<.:*"),
            ("x = f(g(a), b=c == d)", "g(a)>00 f(00,b=c == d)>01 x=01"),
            ("x: T = y", "x=y"),
            ("x, y = f()", "f()>00 -x -y"),
            ("x[a] = b", "-x"),
            ("x += 1", "-x"),
            ("x.y = f()", "f()>00"),
            ("a == f(b)", "f(b)>00"),
            ("f(a)(b)", "f(a)>00 00(b)>01"),
            ("f(*a, **b)", "f(*=,*=)>00"),
            ("x = sorted(f(')'))", "f(')')>00 x=sorted(00)"),
            ("return f(a)", "f(a)>00 return 00"),
            ("@a.b", "a.b()>"),
            ("@a(b)", "a(b)>00 00()>"),
            ("def f(a=g(), b=1):", "g()>00"),
            ("with f() as g:", "f()>00 -g"),
            ("for a, b in f():", "f()>00 -a -b"),
            ("if f() in (a, b):", "f()>00"),
            ("x = f() if a else b", "x=f() if a else b"),
            ("x = lambda: f()", "x=lambda: f()"),
            (
                "x = {k: f(k) for k in (a, b)}",
                "k of (a, b): 1 x={k: f(k) for k in (a, b)}",
            ),
            ("x = [f(k) for k in a if k]", "x=[f(k) for k in a if k]"),
            ("elif f():", ""),
            ("x[0](f", ""),
            ("f(", ""),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        let wide = format!("x = {}", "f(a), ".repeat(10_000));
        assert!(actions(&wide).len() <= MOST_CALLS + 1);
    }
}
