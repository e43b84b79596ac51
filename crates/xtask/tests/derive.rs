//! The entries of the newest releases, derived from their wheels, say what the
//! table says. Needs the wheels (`python3 tools/parts.py`).

use std::path::{Path, PathBuf};
use std::process::Command;

use artcheck_inspect::runtime::release;
use artcheck_inspect::runtime::table::Table;

#[path = "../../../tests/all/support/parts.rs"]
mod parts;

const PLATFORMS: [&str; 4] = [
    "linux-x86_64",
    "linux-aarch64",
    "macos-arm64",
    "windows-x64",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The entry that the command prints, and what it asks for.
fn derived(number: &str, ffi: &str, built: bool) -> (String, Vec<String>) {
    let unpacked = parts::part("unpacked");
    let wheels = PLATFORMS.iter().flat_map(|platform| {
        [
            unpacked.join(format!("tvm-{number}-{platform}")),
            unpacked.join(format!("tvm-ffi-{ffi}-{platform}")),
        ]
    });
    let library = format!("corpus/artifacts/tvm-{number}/dense-metal-macos-arm64.dylib");
    let built = if built {
        vec![PathBuf::from("--built"), root().join(library)]
    } else {
        Vec::new()
    };
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["release", "add"])
        .args(wheels)
        .args(built.iter())
        .output()
        .expect("xtask starts");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{number}: {errors}");
    let asked = errors
        .lines()
        .filter_map(|line| line.strip_prefix("asked: "));
    let asked = asked.map(|line| line.split(':').next().unwrap_or_default().to_owned());
    (
        String::from_utf8(output.stdout).expect("text"),
        asked.collect(),
    )
}

/// The table up to the release, with the derived entry in place of its own.
fn table_with(entry: &str, number: &str) -> Table {
    let path = root().join("crates/inspect/data/releases.toml");
    let text = std::fs::read_to_string(path).expect("the table");
    let own = text
        .find(&format!("name = \"tvm-{number}\""))
        .expect("the release");
    let until = text[..own].rfind("[[profile]]").expect("its head");
    let whole = format!("{}\n{entry}", &text[..until]);
    let rows: toml::Table = whole
        .parse()
        .unwrap_or_else(|error| panic!("{error}: {entry}"));
    let json = serde_json::to_string(&rows).expect("JSON");
    Table::parse(&json).unwrap_or_else(|error| panic!("{error}: {entry}"))
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "needs the real wheels")]
fn the_newest_entries_are_what_their_wheels_say() {
    let known: Vec<_> = release::releases()
        .iter()
        .filter(|known| known.wheel.is_some())
        .collect();
    // The first one with a wheel brought name spaces that its base had not.
    for own in known.iter().skip(1) {
        let number = own.release.as_deref().expect("a release");
        let ffi = own.ffi_version.value.as_deref().expect("its tvm-ffi");
        let (entry, asked) = derived(number, ffi, true);
        let table = table_with(&entry, number);
        let derived = table.by_name(number).expect("the entry");
        assert_eq!(derived.wheel, own.wheel, "{number}");
        for (derived, own) in derived.facts().iter().zip(own.facts()) {
            let what = format!("{number}, {}: {entry}", own.key);
            let entries = |value: &serde_json::Value| match value.as_object() {
                Some(entries) => entries.clone(),
                None => serde_json::Map::new(),
            };
            if own.key == "arity" {
                // New builtins leave no text: their arity is asked for by name.
                for (name, counts) in entries(&own.value) {
                    let is_asked = asked.contains(&format!("arity of {name}"));
                    let found = derived.value.get(&name);
                    assert!(found == Some(&counts) || is_asked, "{name}, {what}");
                }
            } else if own.key == "kinds" {
                // The same of what their arguments must be.
                for (name, kinds) in entries(&derived.value) {
                    assert_eq!(own.value.get(&name), Some(&kinds), "{name}, {what}");
                }
            } else {
                assert_eq!(derived.value, own.value, "{what}");
            }
        }
        let is_arity = |key: &String| key.starts_with("arity of vm.builtin.");
        assert!(asked.iter().all(is_arity), "{number}: {asked:?}");
        // Without a library that the release compiled, more has to be asked.
        let (entry, asked) = self::derived(number, ffi, false);
        for key in [
            "blob_symbols",
            "vm_magic_written",
            "payload_order",
            "cache_config_written",
        ] {
            assert!(asked.contains(&key.to_owned()), "{number}: {asked:?}");
            assert!(entry.contains(&format!("# {key} = ")), "{entry}");
        }
    }
}
