//! The form of the release table: rows that name what changed since the row
//! they are based on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Confidence, Fact, RuntimeProfile, SiteTags, TagSite};

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not the JSON that is expected.
    #[error("release table: {0}")]
    Syntax(#[from] serde_json::Error),
    /// `base` names no earlier profile.
    #[error("release table: profile {profile} is based on {base}, which does not stand before it")]
    UnknownBase {
        /// The profile.
        profile: String,
        /// Its base.
        base: String,
    },
    /// `remove` names something that is not inherited.
    #[error("release table: profile {profile} removes {name} from {field}, which its base lacks")]
    RemovesAbsent {
        /// The profile.
        profile: String,
        /// Table with the `remove` key.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// Two profiles of one name.
    #[error("release table: two profiles are called {0}")]
    Duplicate(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    profile: Vec<Row>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Change {
    add: BTreeSet<String>,
    remove: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    evidence: String,
    release: Option<String>,
    commit: Option<String>,
    date: Option<String>,
    base: Option<String>,
    note: Option<String>,
    function_namespaces: Option<BTreeSet<String>>,
    blob_symbols: Option<BTreeSet<String>>,
    blob_layouts: Option<BTreeSet<String>>,
    vm_magics: Option<BTreeSet<String>>,
    vm_version: Option<String>,
    constant_table: Option<String>,
    constructor_style: Option<String>,
    cache_config_lengths: Option<BTreeSet<u64>>,
    payload_order: Option<String>,
    function_info: Option<String>,
    calling_convention: Option<String>,
    ffi_version: Option<String>,
    attention_tags: Option<BTreeMap<TagSite, SiteTags>>,
    #[serde(default)]
    functions: Change,
    #[serde(default)]
    loaders: Change,
    #[serde(default)]
    slots: Change,
    #[serde(default)]
    c_symbols: Change,
    #[serde(default)]
    part: BTreeMap<String, String>,
    #[serde(default)]
    arity: BTreeMap<String, BTreeSet<u64>>,
}

/// Reads a table of this form, as `build.rs` writes it.
pub fn parse(text: &str) -> Result<Vec<RuntimeProfile>, TableError> {
    let table: Table = serde_json::from_str(text)?;
    let mut done: Vec<RuntimeProfile> = Vec::new();
    for row in table.profile {
        if done.iter().any(|profile| profile.name == row.name) {
            return Err(TableError::Duplicate(row.name));
        }
        let base = match &row.base {
            None => RuntimeProfile::default(),
            Some(base) => done
                .iter()
                .find(|profile| &profile.name == base)
                .cloned()
                .ok_or_else(|| TableError::UnknownBase {
                    profile: row.name.clone(),
                    base: base.clone(),
                })?,
        };
        done.push(apply(row, base)?);
    }
    Ok(done)
}

/// The inherited profile with a row's changes.
fn apply(row: Row, mut profile: RuntimeProfile) -> Result<RuntimeProfile, TableError> {
    let source = match &row.commit {
        Some(commit) => format!("{}, {commit}", row.evidence),
        None => row.evidence,
    };
    change(
        &mut profile.functions,
        row.functions,
        &row.name,
        "functions",
    )?;
    change(
        &mut profile.module_loaders,
        row.loaders,
        &row.name,
        "loaders",
    )?;
    change(&mut profile.context_slots, row.slots, &row.name, "slots")?;
    change(
        &mut profile.c_symbols,
        row.c_symbols,
        &row.name,
        "c_symbols",
    )?;
    for (name, part) in row.part {
        match name.strip_prefix("loader:") {
            Some(kind) => include(&mut profile.module_loaders, kind),
            None => include(&mut profile.functions, &name),
        }
        profile.provided_by.insert(name, part);
    }
    let mut arity = profile.builtin_arity.value.take().unwrap_or_default();
    for (builtin, counts) in row.arity {
        // An empty list ends the check: the builtin is gone.
        if counts.is_empty() {
            arity.remove(&builtin);
        } else {
            arity.insert(builtin, counts);
        }
    }
    profile.builtin_arity.value = Some(arity);
    replace(&mut profile.attention_tags, row.attention_tags);
    replace(&mut profile.blob_symbols, row.blob_symbols);
    replace(&mut profile.blob_layouts, row.blob_layouts);
    replace(&mut profile.vm_magics, row.vm_magics);
    replace(&mut profile.vm_version, row.vm_version);
    replace(&mut profile.constant_table, row.constant_table);
    replace(&mut profile.constructor_style, row.constructor_style);
    replace(&mut profile.cache_config_lengths, row.cache_config_lengths);
    replace(&mut profile.payload_order, row.payload_order);
    replace(&mut profile.function_info, row.function_info);
    replace(&mut profile.calling_convention, row.calling_convention);
    replace(&mut profile.ffi_version, row.ffi_version);
    if let Some(spaces) = row.function_namespaces {
        profile.function_namespaces = spaces;
    }
    profile.name = row.name;
    profile.release = row.release;
    profile.date = row.date;
    profile.note = row.note;
    mark(&mut profile, &source);
    Ok(profile)
}

fn replace<T>(fact: &mut Fact<T>, value: Option<T>) {
    if value.is_some() {
        fact.value = value;
    }
}

fn include(fact: &mut Fact<BTreeSet<String>>, name: &str) {
    fact.value
        .get_or_insert_with(BTreeSet::new)
        .insert(name.to_owned());
}

fn change(
    fact: &mut Fact<BTreeSet<String>>,
    change: Change,
    profile: &str,
    field: &'static str,
) -> Result<(), TableError> {
    let names = fact.value.get_or_insert_with(BTreeSet::new);
    for name in change.remove {
        if !names.remove(&name) {
            return Err(TableError::RemovesAbsent {
                profile: profile.to_owned(),
                field,
                name,
            });
        }
    }
    names.extend(change.add);
    Ok(())
}

/// Marks every known fact as taken from the table.
fn mark(profile: &mut RuntimeProfile, source: &str) {
    fn one<T>(fact: &mut Fact<T>, source: &str) {
        if fact.value.is_some() {
            fact.source = Some(Confidence::Release);
            fact.note = Some(source.to_owned());
        }
    }
    one(&mut profile.functions, source);
    one(&mut profile.attention_tags, source);
    one(&mut profile.context_slots, source);
    one(&mut profile.module_loaders, source);
    one(&mut profile.blob_symbols, source);
    one(&mut profile.blob_layouts, source);
    one(&mut profile.vm_magics, source);
    one(&mut profile.vm_version, source);
    one(&mut profile.constant_table, source);
    one(&mut profile.builtin_arity, source);
    one(&mut profile.constructor_style, source);
    one(&mut profile.cache_config_lengths, source);
    one(&mut profile.payload_order, source);
    one(&mut profile.function_info, source);
    one(&mut profile.c_symbols, source);
    one(&mut profile.calling_convention, source);
    one(&mut profile.ffi_version, source);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inheritance_refuses_what_it_cannot_apply() {
        let row = |more| format!(r#"{{"profile": [{{"name": "a", "evidence": "e", {more}}}]}}"#);
        let text = row(r#""functions": {"remove": ["x"]}"#);
        assert!(matches!(
            parse(&text),
            Err(TableError::RemovesAbsent { .. })
        ));
        let text = row(r#""base": "b""#);
        assert!(matches!(parse(&text), Err(TableError::UnknownBase { .. })));
        let text = row(r#""typo": 1"#);
        assert!(matches!(parse(&text), Err(TableError::Syntax(_))));
    }
}
