//! The JavaScript around a wasm model library: the functions that it offers for the
//! library's imports, the exports that it looks for, and the global functions that it
//! asks of the TVM runtime inside the library.
//!
//! Packages that were published are in the built-in table (`data/web_packages.toml`),
//! which `cargo xtask web PACKAGE...` writes; `glue_source` reads others.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

const TABLE: &str = include_str!(concat!(env!("OUT_DIR"), "/web_packages.json"));

static PACKAGES: LazyLock<Rows> = LazyLock::new(|| {
    // The build script wrote it; a test reads every row.
    serde_json::from_str(TABLE).unwrap_or_default()
});

/// What one version of the JavaScript offers and asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glue {
    /// Names that it has for imports from `env` and `wasi_snapshot_preview1`.
    pub offers: BTreeSet<String>,
    /// Exports without which it refuses an instance.
    pub exports: Vec<String>,
    /// What it calls of every instance, in order: `this.exports.TVMFuncCall` for an export,
    /// as engines print it, and names without a dot that Emscripten's part of it uses.
    #[serde(default)]
    pub calls: Vec<String>,
    /// Global functions that it asks for while it makes an instance, in order.
    pub instance: Vec<String>,
    /// Those that the engine asks for before it runs a chat model.
    #[serde(default)]
    pub chat: Vec<String>,
    /// Those that the engine asks for before it runs an embedding model.
    #[serde(default)]
    pub embedding: Vec<String>,
}

/// What every object of JavaScript has: so has that which is filled with functions for imports.
const INHERITED: [&str; 11] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

impl Glue {
    /// Whether there is a function for an import of this name.
    pub fn has(&self, name: &str) -> bool {
        self.offers.contains(name) || INHERITED.contains(&name)
    }
}

/// Packages whose JavaScript is alike in all that is read of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// `web-llm-0.2.79`, oldest first.
    pub packages: Vec<String>,
    /// What they offer and ask for.
    #[serde(flatten)]
    pub glue: Glue,
}

/// The table, as TOML and JSON have it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Oldest first.
    pub row: Vec<Row>,
}

/// How the names of the engine's versions begin; wasm libraries are made for it.
pub const ENGINE: &str = "web-llm-";

/// Every published package that was read.
pub fn packages() -> &'static [Row] {
    &PACKAGES.row
}

/// The JavaScript of a published package, by name.
pub fn by_name(name: &str) -> Option<&'static Glue> {
    let has = |row: &&Row| row.packages.iter().any(|package| package == name);
    packages().iter().find(has).map(|row| &row.glue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_parses_and_names_each_package_once() {
        let rows: Rows = serde_json::from_str(TABLE).expect("the built-in table parses");
        let names: Vec<&String> = rows.row.iter().flat_map(|row| &row.packages).collect();
        let distinct: BTreeSet<&String> = names.iter().copied().collect();
        assert!(names.len() >= 50);
        assert_eq!(names.len(), distinct.len());
        assert!(by_name("web-llm-0.2.79").is_some_and(|glue| {
            glue.offers.contains("TVMWasmPackedCFunc")
                && glue
                    .instance
                    .iter()
                    .any(|name| name == "tvmjs.runtime.ArrayConcat")
        }));
        assert!(by_name("web-llm-0.2.7").is_none());
    }
}
