//! The entry as TOML: what changed with its evidence, and what to fill in.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use artcheck_inspect::runtime::RuntimeProfile;
use serde_json::Value;

use super::derive::{Change, Derived};
use super::wheels::Wheels;

/// The `[[profile]]` entry.
pub fn text(wheels: &Wheels, base: &RuntimeProfile, derived: &Derived) -> String {
    let number = &wheels.number;
    let mut evidence = format!("wheel {}", wheels.tvm);
    if let Some(ffi) = &wheels.ffi {
        let _ = write!(evidence, " with tvm-ffi {ffi}");
    }
    let mut head = format!(
        "[[profile]]\nname = \"tvm-{number}\"\nrelease = \"{number}\"\n# date = \"\" # of the tag\n\
         wheel = \"{}\"\nevidence = \"{evidence}\"\nbase = \"{}\"\n# note = \"\" # what sets it apart\n",
        wheels.tvm, base.name
    );
    let mut tables = String::new();
    for change in &derived.changes {
        match change {
            Change::Value {
                key,
                value,
                evidence,
            } if !value.is_object() => {
                let _ = write!(head, "# {evidence}\n{key} = {}\n", toml_of(value));
            }
            Change::Value {
                key,
                value,
                evidence,
            } => entries(&mut tables, key, value.as_object(), evidence),
            Change::Entries {
                key,
                entries: changed,
                evidence,
            } => entries(&mut tables, key, Some(changed), evidence),
            Change::Names {
                key,
                add,
                remove,
                evidence,
            } => {
                let _ = write!(tables, "\n# {evidence}\n[profile.{key}]\n");
                list(&mut tables, "add", add);
                list(&mut tables, "remove", remove);
            }
            Change::Asked { key, inherited } => {
                let inherited = match inherited {
                    Value::Null => "[]".to_owned(),
                    value => toml_of(value),
                };
                let _ = writeln!(head, "# {key} = {inherited} # no library shows it");
            }
        }
    }
    if !derived.parts.is_empty() || !derived.undecided.is_empty() {
        tables.push_str("\n[profile.part]\n");
    }
    for (name, part) in &derived.parts {
        let _ = writeln!(tables, "\"{name}\" = \"{part}\"");
    }
    for (name, part) in &derived.undecided {
        let _ = writeln!(
            tables,
            "# \"{name}\" = \"{part}\" # a string; is it registered?"
        );
    }
    head + &tables
}

fn entries(
    out: &mut String,
    key: &str,
    values: Option<&serde_json::Map<String, Value>>,
    evidence: &str,
) {
    let _ = write!(out, "\n# {evidence}\n[profile.{key}]\n");
    for (name, value) in values.into_iter().flatten() {
        let _ = writeln!(out, "\"{name}\" = {}", toml_of(value));
    }
}

fn toml_of(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}

fn list(out: &mut String, key: &str, names: &BTreeSet<String>) {
    /// Where the lines of the table break.
    const WIDTH: usize = 98;
    if names.is_empty() {
        return;
    }
    let _ = write!(out, "{key} = [\n ");
    let mut column = 1;
    for name in names {
        let word = format!(" \"{name}\",");
        if column > 1 && column + word.len() > WIDTH {
            out.push_str("\n ");
            column = 1;
        }
        column += word.len();
        out.push_str(&word);
    }
    out.push_str("\n]\n");
}
