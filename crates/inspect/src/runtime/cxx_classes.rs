//! C++ classes of `tvm::runtime` that later releases no longer have
//! (`data/cxx_classes.toml`): whoever asks for one was built for an old release.

use std::sync::LazyLock;

use serde::Deserialize;

const TABLE: &str = include_str!(concat!(env!("OUT_DIR"), "/cxx_classes.json"));

static GONE: LazyLock<Vec<Gone>> = LazyLock::new(|| {
    // The build script wrote it; a test reads every row.
    let table: Table = serde_json::from_str(TABLE).unwrap_or_default();
    table.gone
});

#[derive(Default, Deserialize)]
struct Table {
    gone: Vec<Gone>,
}

#[derive(Deserialize)]
struct Gone {
    last: String,
    classes: Vec<String>,
}

/// The class of `tvm::runtime` that an Itanium name speaks of and that is gone, and
/// the last release that has it.
pub fn gone(symbol: &str) -> Option<(String, &'static str)> {
    GONE.iter().find_map(|gone| {
        let named = |class: &&String| {
            let parts = class.split("::").collect::<Vec<_>>();
            let itanium: String = parts
                .iter()
                .map(|part| format!("{}{part}", part.len()))
                .collect();
            symbol.contains(&format!("3tvm7runtime{itanium}"))
        };
        let class = gone.classes.iter().find(named)?;
        Some((format!("tvm::runtime::{class}"), gone.last.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_is_gone_is_told_by_its_name() {
        let last = |symbol| gone(symbol).map(|(class, last)| format!("{class} {last}"));
        for (symbol, expected) in [
            (
                "_ZTIN3tvm7runtime10ModuleNodeE",
                "tvm::runtime::ModuleNode 0.21",
            ),
            (
                "_ZN3tvm7runtime8Registry3GetERKNS0_6StringE",
                "tvm::runtime::Registry 0.20",
            ),
            (
                "_ZTVN3tvm7runtime2vm20NDArrayCacheMetadataE",
                "tvm::runtime::vm::NDArrayCacheMetadata 0.21",
            ),
        ] {
            assert_eq!(last(symbol).as_deref(), Some(expected), "{symbol}");
        }
        for symbol in [
            "_ZN3tvm3ffi5ErrorE",
            "_ZN3tvm7runtime9DeviceAPI3GetE8DLDeviceb",
            "TVMFuncCall",
        ] {
            assert_eq!(last(symbol), None, "{symbol}");
        }
    }
}
