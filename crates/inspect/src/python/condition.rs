//! Whether a condition in a Python file holds when it is imported: those on the version of
//! Python and its system, and what never holds in an ordinary import.

use super::{Interpreter, is_of_name};
use crate::container::Platform;

/// Conditions of the family's packages that hold in no ordinary import: a tool that asks
/// for paths, an installation without compiler, tilelang's import for its own tools; and
/// of numpy's own build.
const NEVER: [&str; 5] = [
    "__NUMPY_SETUP__",
    "TYPE_CHECKING",
    "_is_config_mode()",
    "_RUNTIME_ONLY",
    "is_light_import()",
];

/// Whether a name is of something that never holds in an ordinary import.
pub(super) fn is_never(name: &str) -> bool {
    NEVER.contains(&name)
}

/// How the family's own variables of the environment begin: unset unless a user sets them.
const OWN: [&str; 5] = ["FLASHINFER_", "MLC_", "TILELANG_", "TVM_", "XGRAMMAR_"];

/// Conditions in conditions.
const MOST_NESTED: usize = 16;
/// Words in one that may join two.
const MOST_WORDS: usize = 64;

/// Whether a condition holds; `None` where that is not known. Of names in it `known` tells.
pub(super) fn holds(
    condition: &str,
    python: Interpreter,
    known: &dyn Fn(&str) -> Option<bool>,
) -> Option<bool> {
    holds_in(condition, python, known, 0)
}

fn holds_in(
    condition: &str,
    python: Interpreter,
    known: &dyn Fn(&str) -> Option<bool>,
    nested: usize,
) -> Option<bool> {
    let condition = condition.trim();
    if nested > MOST_NESTED {
        return None;
    }
    let of = |part: &str| holds_in(part, python, known, nested.saturating_add(1));
    if let Some((left, right)) = split(condition, " or ") {
        return match (of(left), of(right)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        };
    }
    if let Some((left, right)) = split(condition, " and ") {
        return match (of(left), of(right)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
    }
    if let Some(rest) = condition.strip_prefix("not ") {
        return of(rest).map(|holds| !holds);
    }
    if let Some(inner) = in_brackets(condition) {
        return of(inner);
    }
    if let Some(rest) = condition.strip_prefix("sys.version_info") {
        return version(rest.trim(), python.minor?);
    }
    let is_name = |c: char| is_of_name(c) || matches!(c, '.' | '(' | ')');
    let name = condition.rsplit('.').next().unwrap_or(condition);
    match condition {
        "True" => Some(true),
        "False" => Some(false),
        _ if condition.chars().all(is_name) && NEVER.contains(&name) => Some(false),
        _ => variable(condition)
            .or_else(|| platform(condition, python.platform?))
            .or_else(|| known(condition)),
    }
}

/// `os.environ.get("TVM_NAME", "0") == "1"`: its value where it is not set.
fn variable(condition: &str) -> Option<bool> {
    let text = condition.replace('\'', "\"");
    let (read, value) = text.split_once(" == ")?;
    let mut asked = ["os.environ.get(", "os.getenv("].iter();
    let inner = asked.find_map(|asked| read.strip_prefix(asked)?.strip_suffix(')'))?;
    let (name, default) = inner.split_once(", ").unwrap_or((inner, "None"));
    let is_own = OWN
        .iter()
        .any(|own| name.trim_start_matches('"').starts_with(own));
    let is_text = |text: &str| {
        let inner = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        inner.is_some_and(|inner| !inner.contains('"'))
    };
    let is_known = is_own && is_text(name) && is_text(value);
    (is_known && (default == "None" || is_text(default))).then_some(default == value)
}

/// A condition at the first `word` that is outside brackets and strings.
fn split<'a>(condition: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let places = condition.match_indices(word).map(|(at, _)| at);
    let at = places
        .take(MOST_WORDS)
        .find(|at| condition.get(..*at).is_some_and(is_closed))?;
    let (left, right) = condition.split_at_checked(at)?;
    Some((left, right.get(word.len()..)?))
}

/// What a pair of brackets around the whole holds.
fn in_brackets(condition: &str) -> Option<&str> {
    let inner = condition.strip_prefix('(')?.strip_suffix(')')?;
    is_closed(inner).then_some(inner)
}

/// Whether each bracket is closed, none that was not opened, and each string ends.
fn is_closed(text: &str) -> bool {
    let mut depth = 0usize;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth = depth.saturating_add(1),
            (None, ')' | ']' | '}') => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            (None, _) => {}
        }
    }
    depth == 0 && quote.is_none()
}

/// `>= (3, 11)`, against 3.`minor`.
fn version(comparison: &str, minor: u32) -> Option<bool> {
    let (operator, rest) = comparison.split_once('(')?;
    let numbers = rest.strip_suffix(')')?;
    let mut numbers = numbers
        .split(',')
        .map(|number| number.trim().parse::<u32>().ok());
    let asked = (numbers.next()??, numbers.next()??);
    let own = (3, minor);
    // Of the numbers behind, ours are not known.
    if own == asked && numbers.next().flatten().is_some() {
        return None;
    }
    match operator.trim() {
        ">=" => Some(own >= asked),
        "<" => Some(own < asked),
        _ => None,
    }
}

/// `sys.platform == "win32"`, `os.name == "nt"`, and the like.
fn platform(condition: &str, platform: Platform) -> Option<bool> {
    let text = condition.replace('\'', "\"");
    let (system, family) = match platform {
        Platform::Linux => ("linux", "posix"),
        Platform::MacOs => ("darwin", "posix"),
        Platform::Windows => ("win32", "nt"),
        _ => return None,
    };
    let value = text.split('"').nth(1)?;
    if let Some(rest) = text.strip_prefix("sys.platform.startswith(") {
        return rest.ends_with("\")").then(|| system.starts_with(value));
    }
    let mut words = text.split(' ');
    let own = match words.next()? {
        "sys.platform" => system,
        "os.name" => family,
        _ => return None,
    };
    match (words.next()?, text.ends_with('"')) {
        ("==", true) => Some(own == value),
        ("!=", true) => Some(own != value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_or_not_known() {
        let python = Interpreter {
            minor: Some(11),
            platform: Some(Platform::Linux),
        };
        for (condition, expected) in [
            ("typing.TYPE_CHECKING", Some(false)),
            ("not (typing.TYPE_CHECKING or X)", None),
            ("not (typing.TYPE_CHECKING or False)", Some(true)),
            ("(True) and (X or True)", Some(true)),
            ("f(a or b) or True", Some(true)),
            ("x == ' or ' or False", None),
            ("sys.version_info >= (3, 11)", Some(true)),
            ("sys.version_info >= (3, 11, 99)", None),
            ("sys.version_info < (3, 12, 1)", Some(true)),
            ("sys.platform == 'posix'", Some(false)),
            ("os.name != \"linux\"", Some(true)),
            ("os.name == 'posix'", Some(true)),
            ("sys.platform.startswith('lin')", Some(true)),
            ("os.environ.get('TVM_X') == '1'", Some(false)),
            ("os.environ.get(\"TVM_X\", \"1\") == '1'", Some(true)),
            ("os.environ.get(\"TVM_X\", f()) == '1'", None),
            ("os.environ.get(\"HOME\") == '1'", None),
            ("(", None),
            ("", None),
        ] {
            assert_eq!(holds(condition, python, &|_| None), expected, "{condition}");
        }
    }
}
