//! Whether a condition in a Python file holds when it is imported: those on the version of
//! Python and its system, and what never holds in an ordinary import.

use crate::container::Platform;

/// What is known of the Python that imports.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interpreter {
    /// 11 of Python 3.11.
    pub minor: Option<u32>,
    /// Its system.
    pub platform: Option<Platform>,
}

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

/// Conditions in conditions.
const MOST_NESTED: usize = 16;

/// Whether a condition holds; `None` where that is not known.
pub(super) fn holds(condition: &str, python: Interpreter) -> Option<bool> {
    holds_in(condition, python, 0)
}

fn holds_in(condition: &str, python: Interpreter, nested: usize) -> Option<bool> {
    let condition = condition.trim();
    if nested > MOST_NESTED {
        return None;
    }
    let of = |part: &str| holds_in(part, python, nested.saturating_add(1));
    if !condition.contains(['(', '[']) || condition.matches('(').count() == 1 {
        if let Some((left, right)) = condition.split_once(" or ") {
            return match (of(left), of(right)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        if let Some((left, right)) = condition.split_once(" and ") {
            return match (of(left), of(right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
    }
    if let Some(rest) = condition.strip_prefix("not ") {
        return of(rest).map(|holds| !holds);
    }
    if let Some(rest) = condition.strip_prefix("sys.version_info") {
        return version(rest.trim(), python.minor?);
    }
    let name = condition.rsplit('.').next().unwrap_or(condition);
    match condition {
        "True" => Some(true),
        "False" => Some(false),
        _ if NEVER.contains(&name) => Some(false),
        _ => platform(condition, python.platform?),
    }
}

/// `>= (3, 11)`, against 3.`minor`.
fn version(comparison: &str, minor: u32) -> Option<bool> {
    let (operator, rest) = comparison.split_once('(')?;
    let numbers = rest.strip_suffix(')')?;
    let mut numbers = numbers
        .split(',')
        .map(|number| number.trim().parse::<u32>().ok());
    let (major, other) = (numbers.next()??, numbers.next()??);
    let own = (3, minor);
    match operator.trim() {
        ">=" => Some(own >= (major, other)),
        "<" => Some(own < (major, other)),
        _ => None,
    }
}

/// `sys.platform == "win32"`, `os.name == "nt"`, and the like.
fn platform(condition: &str, platform: Platform) -> Option<bool> {
    let text = condition.replace('\'', "\"");
    let (words, named) = match platform {
        Platform::Linux => (["linux", "posix"], "linux"),
        Platform::MacOs => (["darwin", "posix"], "darwin"),
        Platform::Windows => (["win32", "nt"], "win32"),
        _ => return None,
    };
    let value = text.split('"').nth(1)?;
    if let Some(rest) = text.strip_prefix("sys.platform.startswith(") {
        return rest.ends_with("\")").then(|| named.starts_with(value));
    }
    let is_plain = text.starts_with("sys.platform ") || text.starts_with("os.name ");
    match (is_plain && text.ends_with('"'), text.split(' ').nth(1)?) {
        (true, "==") => Some(words.contains(&value)),
        (true, "!=") => Some(!words.contains(&value)),
        _ => None,
    }
}
