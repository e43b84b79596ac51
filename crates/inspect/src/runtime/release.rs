//! The release table in use: the built-in one, or the one that a program was
//! started with.
//!
//! The facts are in `data/releases.toml`, which a person can read and extend;
//! `build.rs` turns it into JSON, and [`Table`] reads that. Nothing here looks at a binary:
//! `tests/release_table.rs` compares the table with real ones.

use std::sync::OnceLock;

use super::RuntimeProfile;
use super::table::Table;

const BUILT_IN: &str = include_str!(concat!(env!("OUT_DIR"), "/releases.json"));

static IN_USE: OnceLock<Table> = OnceLock::new();

/// The table that every answer of this process is taken from.
pub fn table() -> &'static Table {
    // The built-in table is part of the program and a test reads it, so an error
    // cannot reach a user; an empty table would only say "unknown".
    IN_USE.get_or_init(|| Table::parse(BUILT_IN).unwrap_or_default())
}

/// Takes another table instead of the built-in one, once, before anything is
/// asked of it. The error is the table, when one is in use already.
pub fn use_table(table: Table) -> Result<(), Table> {
    IN_USE.set(table)
}

/// Every profile of the table, oldest first.
pub fn profiles() -> &'static [RuntimeProfile] {
    table().profiles()
}

/// The releases among them, oldest first.
pub fn releases() -> &'static [RuntimeProfile] {
    table().releases()
}

/// A profile by name, see [`Table::by_name`].
pub fn by_name(name: &str) -> Option<&'static RuntimeProfile> {
    table().by_name(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::runtime::TagSite;

    #[test]
    fn the_table_parses_and_counts_the_builtins_of_every_release() {
        let table = Table::parse(BUILT_IN).expect("the built-in table parses");
        assert_eq!(table.profiles().len(), profiles().len());
        // Without CUDA-graph, Hexagon and Python-registered functions; those of
        // the wheels were counted (docs/formats.md#name-resolution).
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
            "apache-tvm==0.26.0.post1",
            "TVM-0.26",
            "tvm0.26",
        ] {
            assert_eq!(
                by_name(spelling).map(|profile| profile.name.as_str()),
                Some("tvm-0.26"),
                "{spelling}"
            );
        }
        assert!(by_name("snapshot-2026-03-19").is_some());
        for other in ["0.28", "0.26.9", "0.26.1", "0.26.x", "0.26.dev0", "tvm"] {
            assert!(by_name(other).is_none(), "{other}");
        }
        assert!(by_name("main").is_none());
    }

    #[test]
    fn snapshots_answer_to_days_and_months() {
        let name = |asked| by_name(asked).map(|profile| profile.name.as_str());
        assert_eq!(name("snapshot-2023-06-15"), Some("snapshot-2023-06-10"));
        assert_eq!(name("snapshot-2023-06"), Some("snapshot-2023-06-29"));
        assert_eq!(name("snapshot-2024-07-20"), Some("tvm-0.17"));
        assert_eq!(name("snapshot-2026-03-19"), Some("snapshot-2026-03-19"));
        for other in [
            "2022-01",
            "2025-06",
            "2026-03-20",
            "2023-6",
            "2023",
            "2023-06-1a",
            "",
        ] {
            assert!(by_name(&format!("snapshot-{other}")).is_none(), "{other}");
        }
        for spelling in ["tvm-0.15", "0.15", "v0.15.0"] {
            assert_eq!(name(spelling), Some("tvm-0.15"));
        }
        let without = by_name("0.15").map(RuntimeProfile::runs_models);
        assert_eq!(without, Some(false));
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
