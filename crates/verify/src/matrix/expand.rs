//! From a row as it is written to the rows that it stands for.
//!
//! A key that has one value may be given a list: the row stands for one row per
//! value. `[given.KEY.VALUE]` holds what goes without saying where a row has that
//! value; the row's own keys come first, those of `[defaults]` last. `{KEY}` in a
//! text is the text or number of that key, which may be a word of one's own; a text
//! that is nothing but `{KEY}` becomes the value itself. In a matrix with `literal = true`
//! a row stands for itself and a text means what it says.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

/// Keys, their values, and what goes without saying then.
pub(super) type Given = BTreeMap<String, BTreeMap<String, Table>>;

/// Keys whose value is a list.
const LISTS: [&str; 5] = ["call", "prompt", "shims", "similarity", "stop"];

/// More rows than anybody means to write.
const MANY: usize = 10_000;

/// The rows that one stands for. Keys in placeholders are added to `words`.
pub(super) fn expand(
    defaults: &Table,
    given: &Given,
    written: &Table,
    words: &mut BTreeSet<String>,
) -> Result<Vec<Table>, String> {
    let mut rows = vec![written.clone()];
    for (key, value) in written {
        let Value::Array(values) = value else {
            continue;
        };
        if LISTS.contains(&key.as_str()) {
            continue;
        }
        if rows.len().saturating_mul(values.len()) > MANY {
            return Err(format!("makes more than {MANY} rows"));
        }
        let with = |row: &Table, value: &Value| {
            let mut row = row.clone();
            row.insert(key.clone(), value.clone());
            row
        };
        rows = rows
            .iter()
            .flat_map(|row| values.iter().map(|value| with(row, value)))
            .collect();
    }
    rows.into_iter()
        .map(|row| {
            let row = complete(defaults, given, row);
            row.iter()
                .map(|(key, value)| Ok((key.clone(), fill(value, &row, words)?)))
                .collect()
        })
        .collect()
}

/// The row with what goes without saying.
pub(super) fn complete(defaults: &Table, given: &Given, row: Table) -> Table {
    let mut full = defaults.clone();
    let value_of = |key: &String| row.get(key).or(defaults.get(key)).and_then(Value::as_str);
    for (key, values) in given {
        if let Some(implied) = value_of(key).and_then(|value| values.get(value)) {
            full.extend(implied.clone());
        }
    }
    full.extend(row);
    full
}

/// A value with its placeholders filled in.
fn fill(value: &Value, row: &Table, words: &mut BTreeSet<String>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => match alone(text).and_then(|key| row.get_key_value(key)) {
            Some((key, value)) => {
                words.insert(key.clone());
                value.clone()
            }
            None => Value::String(fill_text(text, row, words)?),
        },
        Value::Array(values) => {
            let filled = values.iter().map(|value| fill(value, row, words));
            Value::Array(filled.collect::<Result<_, String>>()?)
        }
        Value::Table(table) => {
            let filled = table
                .iter()
                .map(|(key, value)| Ok((key.clone(), fill(value, row, words)?)));
            Value::Table(filled.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// The key of a text that is nothing but a placeholder.
fn alone(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}')
}

/// `{key}` is filled in where the row has such a key; `${NAME}` and other braces
/// stay as they are.
fn fill_text(text: &str, row: &Table, words: &mut BTreeSet<String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let named = after.split_once('}').filter(|_| !before.ends_with('$'));
        let Some((key, value)) = named.and_then(|(key, _)| Some((key, row.get(key)?))) else {
            filled.push('{');
            rest = after;
            continue;
        };
        match value {
            Value::String(word) => filled.push_str(word),
            Value::Integer(number) => filled.push_str(&number.to_string()),
            _ => return Err(format!("`{{{key}}}` is neither a text nor a number")),
        }
        words.insert(key.to_owned());
        rest = after.get(key.len().saturating_add(1)..).unwrap_or("");
    }
    filled.push_str(rest);
    Ok(filled)
}
