//! Values in a Python source that its text tells: texts, lists of them, modules, functions.
//! What is not plain has no value.

use super::is_of_name;
use super::text::{parts, string};

/// Items of a list that are kept.
const MOST_ITEMS: usize = 256;
/// Values in values.
const MOST_NESTED: usize = 16;
/// Bytes of a text, and items of lists in lists, that are kept: a name is no longer.
const MOST_SIZE: usize = 1 << 12;
/// What gives the items of what it is given.
const COLLECTIONS: [&str; 6] = ["dict", "frozenset", "list", "set", "sorted", "tuple"];

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// `None`.
    Nothing,
    /// `True`, `False`.
    Flag(bool),
    /// A text.
    Text(String),
    /// What a loop over it gives.
    List(Vec<Value>),
    /// A module.
    Module(String),
    /// A function or class: its module, and the number of the statement that defines it.
    Code(String, usize),
}

impl Value {
    fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Module(text) => text.len(),
            Self::List(items) => items
                .iter()
                .fold(items.len(), |sum, item| sum.saturating_add(item.size())),
            Self::Nothing | Self::Flag(_) | Self::Code(..) => 1,
        }
    }
}

/// What names mean.
pub(super) trait Scope {
    /// The value of a name.
    fn name(&self, name: &str) -> Option<Value>;
    /// The value of an attribute.
    fn attribute(&self, of: &Value, name: &str) -> Option<Value>;
    /// The modules that lie in the package.
    fn listing(&self) -> Option<Value>;
}

/// The value of an expression.
pub(super) fn value(text: &str, scope: &dyn Scope) -> Option<Value> {
    value_in(text, scope, 0)
}

fn value_in(text: &str, scope: &dyn Scope, nested: usize) -> Option<Value> {
    // What doubles itself line by line ends here.
    any_value(text, scope, nested).filter(|value| value.size() <= MOST_SIZE)
}

fn any_value(text: &str, scope: &dyn Scope, nested: usize) -> Option<Value> {
    let text = text.trim();
    let nested = nested
        .checked_add(1)
        .filter(|nested| *nested < MOST_NESTED)?;
    let of = |text: &str| value_in(text, scope, nested);
    let terms = parts(text, '+');
    if terms.len() > 1 {
        let terms = terms.into_iter().map(|term| match of(term)? {
            Value::Text(text) => Some(text),
            _ => None,
        });
        return terms.collect::<Option<String>>().map(Value::Text);
    }
    match text {
        "None" => return Some(Value::Nothing),
        "True" | "False" => return Some(Value::Flag(text == "True")),
        _ => {}
    }
    if text.chars().all(|c| is_of_name(c) || c == '.') {
        let mut names = text.split('.');
        let root = scope.name(names.next()?)?;
        return names.try_fold(root, |value, name| scope.attribute(&value, name));
    }
    if let Some(inner) = within(text, '[', ']').or_else(|| within(text, '{', '}')) {
        return list(inner, &of);
    }
    if let Some(inner) = within(text, '(', ')') {
        let is_list = inner.trim().is_empty() || parts(inner, ',').len() > 1;
        return if is_list { list(inner, &of) } else { of(inner) };
    }
    literal(text, &of).or_else(|| called(text, scope, &of))
}

/// What stands between brackets that enclose a whole text.
pub(super) fn within(text: &str, open: char, close: char) -> Option<&str> {
    let inner = text.strip_prefix(open)?.strip_suffix(close)?;
    let mut depth = 0usize;
    let mut rest = inner;
    while let Some(letter) = rest.chars().next() {
        if matches!(letter, '"' | '\'') {
            (_, rest, _) = string(rest, letter);
            continue;
        }
        match letter {
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        rest = rest.get(letter.len_utf8()..).unwrap_or("");
    }
    Some(inner)
}

/// The items of a list, or the keys of a dictionary.
fn list(inner: &str, of: &dyn Fn(&str) -> Option<Value>) -> Option<Value> {
    let items = parts(inner, ',');
    let items = items.into_iter().filter(|item| !item.trim().is_empty());
    let items: Vec<&str> = items.take(MOST_ITEMS).collect();
    let key = |item: &&str| parts(item, ':').first().and_then(|key| of(key));
    let known = items.iter().map(key).collect::<Option<Vec<Value>>>();
    known.filter(|_| items.len() < MOST_ITEMS).map(Value::List)
}

/// One text or several behind each other, `"a" f".{b}"`.
fn literal(text: &str, of: &dyn Fn(&str) -> Option<Value>) -> Option<Value> {
    let mut found = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(['"', '\''])?;
        let (prefix, from) = rest.split_at_checked(at)?;
        let (text, after, _) = string(from, from.chars().next()?);
        let mut quoted = text.chars();
        let is_same = quoted.next() == quoted.next_back();
        let inner = Some(quoted.as_str()).filter(|_| is_same)?;
        // The text between three quotes was left out.
        if inner.contains('\\') || text == "''" {
            return None;
        }
        match prefix {
            "" | "r" | "R" | "u" => found.push_str(inner),
            "f" | "F" | "rf" | "fr" => found.push_str(&filled(inner, of)?),
            _ => return None,
        }
        rest = after.trim_start();
    }
    Some(Value::Text(found))
}

/// The text of a format string.
fn filled(format: &str, of: &dyn Fn(&str) -> Option<Value>) -> Option<String> {
    let mut found = String::new();
    let mut rest = format;
    while let Some((before, from)) = rest.split_once('{') {
        let (inner, after) = from.split_once('}')?;
        let Value::Text(text) = of(inner)? else {
            return None;
        };
        found.push_str(before);
        found.push_str(&text);
        rest = after;
    }
    found.push_str(rest);
    (!found.contains(['{', '}'])).then_some(found)
}

/// What plain functions give: `sorted(a)`, `"{}.x".format(a)`, `getattr(a, "b", None)`.
fn called(text: &str, scope: &dyn Scope, of: &dyn Fn(&str) -> Option<Value>) -> Option<Value> {
    if let Some((format, arguments)) = text.split_once(".format(") {
        let Value::Text(mut format) = literal(format, of)? else {
            return None;
        };
        for argument in parts(arguments.strip_suffix(')')?, ',') {
            let Value::Text(text) = of(argument)? else {
                return None;
            };
            format = format.replacen("{}", &text, 1);
        }
        return (!format.contains(['{', '}'])).then_some(Value::Text(format));
    }
    let (name, arguments) = text.split_once('(')?;
    let arguments = arguments.strip_suffix(')')?;
    if name.ends_with("iter_modules") {
        let is_own = arguments.contains("__path__") || arguments.contains("__file__");
        return scope.listing().filter(|_| is_own);
    }
    let arguments = parts(arguments, ',');
    match (name, arguments.as_slice()) {
        ("getattr", [value, attribute, ..]) => match of(attribute)? {
            Value::Text(name) => scope.attribute(&of(value)?, &name),
            _ => None,
        },
        (name, [""]) if COLLECTIONS.contains(&name) => Some(Value::List(Vec::new())),
        (name, [one]) if COLLECTIONS.contains(&name) => {
            of(one).filter(|value| matches!(value, Value::List(_)))
        }
        _ => None,
    }
}

/// Whether a function gives a value that [`value`] knows.
pub(super) fn is_plain(function: &str) -> bool {
    COLLECTIONS.contains(&function) || function == "getattr" || function.ends_with("iter_modules")
}

/// Whether a condition without `and`, `or` and `not` holds.
pub(super) fn truth(condition: &str, scope: &dyn Scope) -> Option<bool> {
    let of = |text: &str| value(text, scope);
    let both = |word: &str| {
        let (left, right) = condition.split_once(word)?;
        Some((left, of(right)?))
    };
    if let Some((left, right)) = both(" not in ") {
        return is_in(of(left), &right).map(|is_in| !is_in);
    }
    if let Some((left, right)) = both(" in ") {
        return is_in(of(left), &right);
    }
    for (word, is_same) in [
        (" is not ", false),
        (" is ", true),
        (" == ", true),
        (" != ", false),
    ] {
        if let Some((left, right)) = both(word) {
            return Some((of(left)? == right) == is_same);
        }
    }
    Some(match of(condition)? {
        Value::Nothing => false,
        Value::Flag(flag) => flag,
        Value::Text(text) => !text.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Module(_) | Value::Code(..) => true,
    })
}

fn is_in(item: Option<Value>, of: &Value) -> Option<bool> {
    match of {
        Value::List(items) if items.is_empty() => Some(false),
        Value::List(items) => Some(items.contains(&item?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;

    impl Scope for Plain {
        fn name(&self, name: &str) -> Option<Value> {
            match name {
                "__name__" => Some(Value::Text("a.b".to_owned())),
                "LIST" => Some(Value::List(vec![Value::Flag(true)])),
                "m" => Some(Value::Module("m".to_owned())),
                _ => None,
            }
        }

        fn attribute(&self, of: &Value, name: &str) -> Option<Value> {
            (*of == Value::Module("m".to_owned())).then(|| Value::Text(name.to_owned()))
        }

        fn listing(&self) -> Option<Value> {
            Some(Value::List(Vec::new()))
        }
    }

    #[test]
    fn plain_expressions_have_values() {
        for (text, expected) in [
            ("'x'", Some("x")),
            ("\"x\" 'y'", Some("xy")),
            ("f\"{__name__}.c\"", Some("a.b.c")),
            ("(__name__ + '.' + r'c')", Some("a.b.c")),
            ("'{}.{}'.format(__name__, 'c')", Some("a.b.c")),
            ("m.x", Some("x")),
            ("getattr(m, 'x', None)", Some("x")),
            ("f\"{__name__!r}\"", None),
            ("f\"{x}\"", None),
            ("'{x}'.format(x=1)", None),
            ("b'x'", None),
            ("'x\\n'", None),
            ("''", None),
            ("'x' + 1", None),
            ("f('x')", None),
            ("x.y", None),
            ("'x' % y", None),
            ("(", None),
            ("", None),
        ] {
            let expected = expected.map(|text| Value::Text(text.to_owned()));
            assert_eq!(value(text, &Plain), expected, "{text}");
        }
        let two = ["x", "y"].map(|text| Value::Text(text.to_owned()));
        for text in [
            "('x', 'y')",
            "['x', 'y',]",
            "{'x': f(), 'y': g()}",
            "sorted(('x', 'y'))",
        ] {
            assert_eq!(
                value(text, &Plain),
                Some(Value::List(two.to_vec())),
                "{text}"
            );
        }
        for text in ["()", "[]", "set()", "pkgutil.iter_modules(__path__)"] {
            assert_eq!(value(text, &Plain), Some(Value::List(Vec::new())), "{text}");
        }
        let long = format!("'{}'", "x".repeat(MOST_SIZE + 1));
        assert_eq!(value(&long, &Plain), None);
        let deep = format!("{}'x'{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(value(&deep, &Plain), None);
    }

    #[test]
    fn conditions_on_values_hold_or_not() {
        for (text, expected) in [
            ("LIST", Some(true)),
            ("[]", Some(false)),
            ("None", Some(false)),
            ("m", Some(true)),
            ("x in []", Some(false)),
            ("x not in []", Some(true)),
            ("'x' in ('x', 'y')", Some(true)),
            ("x in LIST", None),
            ("m is None", Some(false)),
            ("m is not None", Some(true)),
            ("x is None", None),
            ("__name__ == '__main__'", Some(false)),
            ("__name__ != '__main__'", Some(true)),
            ("x", None),
        ] {
            assert_eq!(truth(text, &Plain), expected, "{text}");
        }
    }
}
