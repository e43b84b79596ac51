//! Fills the explain pages with what the release table says, so that no page
//! lists releases by hand.
//!
//! A page holds markers:
//!
//! * `{{when PATH VALUE}}`: the releases whose fact is, or contains, the value;
//! * `{{table HEAD = PATH | HEAD = PATH}}`: a row per run of equal releases;
//! * `{{names HEAD | HEAD = PATH: NAME NAME}}`: a row per name, with the
//!   releases whose fact contains it; names joined by `+` share a row.
//!
//! A path is the key of a fact in `data/releases.toml`, and where the fact has
//! entries, `/` and the entry's name.

use std::fmt::Write as _;

use serde_json::Value;

use super::history::{self, Releases};
use super::{RuntimeProfile, ffi_version, release};

/// The page with its markers replaced. A marker that says nothing stays.
pub fn fill(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some((before, marked)) = rest.split_once("{{") {
        out.push_str(before);
        match marked.split_once("}}") {
            Some((marker, behind)) => {
                match replacement(marker.trim()) {
                    Some(text) => out.push_str(&text),
                    None => {
                        let _ = write!(out, "{{{{{marker}}}}}");
                    }
                }
                rest = behind;
            }
            None => {
                out.push_str("{{");
                rest = marked;
            }
        }
    }
    out.push_str(rest);
    out
}

fn replacement(marker: &str) -> Option<String> {
    let (word, rest) = marker.split_once(' ')?;
    match word {
        "when" => {
            let (path, value) = rest.split_once(' ')?;
            Some(having(path, value)?.brief())
        }
        "table" => by_release(rest),
        "names" => by_name(rest),
        _ => None,
    }
}

/// The releases whose fact at `path` is or contains `value`.
fn having(path: &str, value: &str) -> Option<Releases> {
    // A path that no profile has is a slip of the page.
    release::profiles()
        .iter()
        .find(|known| !at(known, path).is_null())?;
    Some(history::when(|known| contains(&at(known, path), value)))
}

fn contains(fact: &Value, value: &str) -> bool {
    match fact {
        Value::String(word) => word == value,
        Value::Number(number) => number.to_string() == value,
        Value::Array(values) => values.iter().any(|one| contains(one, value)),
        Value::Object(entries) => entries.contains_key(value),
        Value::Null | Value::Bool(_) => false,
    }
}

/// What a profile says at a path.
fn at(profile: &RuntimeProfile, path: &str) -> Value {
    let (key, entries) = path.split_once('/').unwrap_or((path, ""));
    let text = |value: Option<String>| value.map_or(Value::Null, Value::String);
    match key {
        "wheel" => return text(profile.wheel.clone()),
        "date" => return text(profile.date.clone()),
        "bad_ffi" => return text(bad_ffi(profile)),
        _ => {}
    }
    let facts = profile.facts();
    let value = facts.into_iter().find(|fact| fact.key == key);
    let mut value = value.map(|fact| fact.value).unwrap_or_default();
    for entry in entries.split('/').filter(|entry| !entry.is_empty()) {
        value = value.get_mut(entry).map(Value::take).unwrap_or_default();
    }
    value
}

/// The tvm-ffi versions that are known not to fit a release's libraries.
fn bad_ffi(profile: &RuntimeProfile) -> Option<String> {
    let built_with = profile.ffi_version.value.as_deref()?;
    let built_with = ffi_version::Version::parse(built_with)?;
    Some(ffi_version::bad_for(built_with).join("; "))
}

fn by_release(columns: &str) -> Option<String> {
    let columns: Vec<(&str, &str)> = columns
        .split('|')
        .map(|column| column.trim().rsplit_once(" = "))
        .collect::<Option<_>>()?;
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let mut rows: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for known in release::releases() {
        let cells = columns.iter().map(|(_, path)| cell(&at(known, path)));
        let cells: Vec<String> = cells.collect();
        match rows.last_mut() {
            Some((names, last)) if *last == cells => names.push(&known.name),
            _ => rows.push((vec![&known.name], cells)),
        }
    }
    let said_of_any = |cells: &[String]| cells.iter().any(|cell| cell != NOTHING);
    if !rows.iter().any(|(_, cells)| said_of_any(cells)) {
        return None;
    }
    rows.retain(|(_, cells)| said_of_any(cells));
    let rows = rows.into_iter().map(|(names, mut cells)| {
        let releases = history::when(|known| names.contains(&known.name.as_str()));
        cells.insert(0, releases.brief());
        cells
    });
    Some(format!(
        "{}\n\n{}",
        table("release", &heads, rows),
        sources()
    ))
}

/// Where the rows of a table come from.
fn sources() -> String {
    let of_wheels = |known: &RuntimeProfile| known.wheel.is_some();
    let wheels = history::when(of_wheels);
    let tags = history::when(|known| !of_wheels(known));
    let mut said = Vec::new();
    if !wheels.is_empty() {
        said.push(format!("{} is read from the wheels", wheels.spoken()));
    }
    if !tags.is_empty() {
        said.push(format!("{} from the sources of each tag", tags.spoken()));
    }
    format!("{}.", said.join(", "))
}

fn by_name(marker: &str) -> Option<String> {
    let (columns, names) = marker.split_once(": ")?;
    let (head, columns) = columns.split_once(" | ")?;
    let columns: Vec<(&str, &str)> = columns
        .split('|')
        .map(|column| column.trim().rsplit_once(" = "))
        .collect::<Option<_>>()?;
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let mut rows = Vec::new();
    for together in names.split_whitespace() {
        let names: Vec<&str> = together.split('+').collect();
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let mut cells = vec![quoted.join(", ")];
        for (_, path) in &columns {
            let all: Option<Vec<Releases>> = names.iter().map(|name| having(path, name)).collect();
            let mut all = all?;
            all.dedup();
            let all: Vec<String> = all.iter().map(Releases::brief).collect();
            cells.push(all.join("; "));
        }
        rows.push(cells);
    }
    Some(table(head, &heads, rows.into_iter()))
}

fn table(first: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {first} | {} |\n|---", heads.join(" | "));
    text.push_str(&"|---".repeat(heads.len()));
    text.push('|');
    for row in rows {
        let _ = write!(text, "\n| {} |", row.join(" | "));
    }
    text
}

/// The cell of a release of which nothing is known.
const NOTHING: &str = "-";

fn cell(value: &Value) -> String {
    match value {
        Value::String(word) => match word.strip_suffix("..") {
            Some(least) => format!("{least} or more"),
            None => format!("`{word}`"),
        },
        Value::Array(values) if values.is_empty() => NOTHING.to_owned(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(" or "),
        Value::Object(entries) if entries.is_empty() => NOTHING.to_owned(),
        Value::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| format!("`{name}` of {}", cell(value)));
            entries.collect::<Vec<_>>().join(", ")
        }
        Value::Null => NOTHING.to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_replaced_and_slips_stay() {
        let page = fill("a {{when vm_magics V2}} b {{when nothing V2}} c {{table x}} {{");
        let v2 = history::when(|known| {
            let magics = known.vm_magics.value.as_ref();
            magics.is_some_and(|magics| magics.contains(&crate::vm::Magic::V2))
        });
        assert_eq!(
            page,
            format!(
                "a {} b {{{{when nothing V2}}}} c {{{{table x}}}} {{{{",
                v2.brief()
            )
        );
    }

    #[test]
    fn every_release_is_in_a_row_of_a_table() {
        let text = fill("{{table builtins = arity/vm.builtin.alloc_tensor | reads = vm_magics}}");
        assert!(text.starts_with("| release | builtins | reads |\n|---|---|---|\n| up to "));
        let (text, sources) = text.split_once("\n\n").expect("where it comes from");
        assert!(sources.contains("is read from the wheels"), "{sources}");
        assert!(
            sources.ends_with("from the sources of each tag."),
            "{sources}"
        );
        let known = release::releases();
        let newest = known.last().and_then(|known| known.release.as_deref());
        assert!(!text.contains(newest.unwrap_or_default()), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("| 4 or more | `V1` or `V2` |"), "{text}");
    }
}
