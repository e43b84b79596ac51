//! The built-in table of releases and development snapshots.
//!
//! The facts live in `data/releases.toml`, which a person can read and extend;
//! this file only applies its inheritance. Nothing here looks at a binary:
//! `tests/release_table.rs` compares the table with real ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Confidence, Fact, RuntimeProfile, SiteTags, TagSite};

const TABLE: &str = include_str!("../../data/releases.toml");

/// Every profile of the table, oldest first.
pub fn profiles() -> &'static [RuntimeProfile] {
    static PROFILES: LazyLock<Vec<RuntimeProfile>> = LazyLock::new(|| {
        // The table is part of the program and a test reads it, so an error
        // cannot reach a user; an empty table would only say "unknown".
        parse(TABLE).unwrap_or_default()
    });
    &PROFILES
}

/// The releases among them, oldest first.
pub fn releases() -> &'static [RuntimeProfile] {
    static RELEASES: LazyLock<Vec<RuntimeProfile>> = LazyLock::new(|| {
        profiles()
            .iter()
            .filter(|profile| profile.release.is_some())
            .cloned()
            .collect()
    });
    &RELEASES
}

/// The development snapshots, oldest first.
pub fn snapshots() -> impl Iterator<Item = &'static RuntimeProfile> {
    profiles()
        .iter()
        .filter(|profile| profile.release.is_none())
}

/// A profile by name: `tvm-0.26`, `0.26`, `0.26.0`, `v0.26.0.post1`, or
/// `snapshot-2026-03-19`.
pub fn by_name(name: &str) -> Option<&'static RuntimeProfile> {
    let wanted = name.strip_prefix("apache-").unwrap_or(name);
    if let Some(profile) = profiles().iter().find(|profile| profile.name == wanted) {
        return Some(profile);
    }
    let version = wanted
        .strip_prefix("tvm-")
        .or_else(|| wanted.strip_prefix('v'))
        .unwrap_or(wanted);
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut parts = version.split('.');
    let minor = format!("{}.{}", parts.next()?, parts.next()?);
    releases()
        .iter()
        .find(|profile| profile.release.as_deref() == Some(minor.as_str()))
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not the TOML that is expected.
    #[error("release table: {0}")]
    Syntax(#[from] toml::de::Error),
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

/// Reads a table of this form; the built-in one, or an edited copy of it.
pub fn parse(text: &str) -> Result<Vec<RuntimeProfile>, TableError> {
    let table: Table = toml::from_str(text)?;
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
    fn the_table_parses_and_counts_the_builtins_of_every_release() {
        let table = parse(TABLE).expect("the built-in table parses");
        assert_eq!(table.len(), profiles().len());
        // Counts of the format notes, part f: without CUDA-graph, Hexagon and
        // Python-registered functions.
        let counts: Vec<(String, usize)> = releases()
            .iter()
            .map(|profile| {
                let builtins = profile
                    .functions
                    .value
                    .iter()
                    .flatten()
                    .filter(|name| name.starts_with("vm.builtin."))
                    .filter(|name| !profile.provided_by.contains_key(*name))
                    .count();
                (profile.release.clone().unwrap_or_default(), builtins)
            })
            .collect();
        let expected = [
            ("0.16", 70),
            ("0.17", 72),
            ("0.18", 73),
            ("0.19", 75),
            ("0.20", 79),
            ("0.21", 79),
            ("0.22", 83),
            ("0.23", 83),
            ("0.24", 83),
            ("0.25", 83),
            ("0.26", 83),
            ("0.27", 92),
        ];
        let expected: Vec<(String, usize)> = expected
            .iter()
            .map(|(release, count)| ((*release).to_owned(), *count))
            .collect();
        assert_eq!(counts, expected);
    }

    #[test]
    fn releases_answer_to_every_spelling() {
        for spelling in [
            "tvm-0.26",
            "0.26",
            "0.26.0",
            "v0.26.0",
            "tvm-0.26.0",
            "apache-tvm-0.26",
        ] {
            assert_eq!(
                by_name(spelling).map(|profile| profile.name.as_str()),
                Some("tvm-0.26"),
                "{spelling}"
            );
        }
        assert!(by_name("snapshot-2026-03-19").is_some());
        assert!(by_name("0.28").is_none());
        assert!(by_name("main").is_none());
    }

    #[test]
    fn inheritance_refuses_what_it_cannot_apply() {
        let text = "[[profile]]\nname='a'\nevidence='e'\nfunctions.remove=['x']\n";
        assert!(matches!(parse(text), Err(TableError::RemovesAbsent { .. })));
        let text = "[[profile]]\nname='a'\nevidence='e'\nbase='b'\n";
        assert!(matches!(parse(text), Err(TableError::UnknownBase { .. })));
        let text = "[[profile]]\nname='a'\nevidence='e'\ntypo=1\n";
        assert!(matches!(parse(text), Err(TableError::Syntax(_))));
    }

    #[test]
    fn breaks_fall_between_the_releases_that_made_them() {
        let get = |name| by_name(name).expect("in the table");
        let slots = |name| get(name).context_slots.value.clone().unwrap_or_default();
        assert!(slots("0.25").contains("__TVMBackendGetFuncFromEnv"));
        assert!(!slots("0.26").contains("__TVMBackendGetFuncFromEnv"));
        assert!(slots("0.26").contains("__TVMFFIHandleInitOnce"));
        let lengths = |name| {
            let sites = get(name).attention_tags.value.clone().unwrap_or_default();
            sites
                .get(&TagSite::RaggedPrefill)
                .and_then(|tags| tags.get("flashinfer"))
                .cloned()
                .unwrap_or_default()
        };
        assert_eq!(lengths("0.24"), BTreeSet::from([3, 5]));
        assert_eq!(lengths("0.25"), BTreeSet::from([3]));
        assert_eq!(lengths("0.26"), BTreeSet::from([3, 5]));
        assert_eq!(
            get("0.26").cache_config_lengths.value,
            Some(BTreeSet::from([5]))
        );
        assert_eq!(
            get("0.27").cache_config_lengths.value,
            Some(BTreeSet::from([5, 6]))
        );
        assert_eq!(
            get("0.19").offers_function("vm.builtin.nothing"),
            Some(false)
        );
        assert_eq!(get("0.19").offers_function("flashinfer.x"), None);
        assert_eq!(get("0.27").offers_function("flashinfer.x"), Some(false));
    }
}
