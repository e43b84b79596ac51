//! A release is one entry of the table: every surface knows a made-up
//! `tvm-0.99` that is added to a copy of it, and nothing else was changed.

use crate::support::{artcheck, root};
use serde_json::Value;

/// Differs from the newest release in every fact that a small table of an
/// explain page, a verdict or "built by" shows.
const ENTRY: &str = r#"
[[profile]]
name = "tvm-0.99"
release = "0.99"
date = "2030-01-01"
wheel = "0.99.0"
evidence = "made up"
base = "NEWEST"
vm_magics = ["V2"]
cache_config_lengths = [7]
cache_config_written = 7
payload_order = "before24"
ffi_version = "0.9.9"

[profile.attention_tags]
paged-prefill    = { tirz = [2] }
ragged-prefill   = { tirz = [2] }
paged-decode     = { tirz = [2] }
paged-tree-mask  = { tirz = [2] }
ragged-tree-mask = { tirz = [2] }

[profile.functions]
add = ["vm.builtin.of_another_time"]

[profile.slots]
add = ["__TVMFFIOfAnotherTime"]
remove = ["__TVMFFIHandleInitOnce"]

[profile.c_symbols]
remove = ["TVMFFIHandleInitOnce"]

[profile.arity]
"vm.builtin.kv_state_begin_forward" = [9]
"#;

struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    fn new() -> Self {
        let built_in = root().join("crates/inspect/data/releases.toml");
        let mut table = std::fs::read_to_string(built_in).expect("the table");
        let newest = table
            .rmatch_indices("name = \"tvm-")
            .next()
            .expect("a release")
            .0;
        let newest = table[newest..]
            .split('"')
            .nth(1)
            .expect("its name")
            .to_owned();
        table.push_str(&ENTRY.replace("NEWEST", &newest));
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("releases.toml"), table).expect("written");
        Self { folder }
    }

    fn table(&self) -> std::path::PathBuf {
        self.folder.path().join("releases.toml")
    }

    fn says(&self, args: &[&str]) -> String {
        let output = artcheck()
            .arg("--release-table")
            .arg(self.table())
            .args(args)
            .output()
            .expect("artcheck starts");
        let text = String::from_utf8(output.stdout).expect("text");
        let status = output.status.code();
        assert!(
            matches!(status, Some(0 | 1 | 4)),
            "{args:?}: {status:?} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.says(args)).expect("JSON")
    }
}

fn newest_artifacts() -> Vec<String> {
    let corpus = root().join("corpus/artifacts");
    let mut folders: Vec<_> = std::fs::read_dir(corpus)
        .expect("the corpus")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .filter(|name| name.starts_with("tvm-"))
        .collect();
    folders.sort();
    let newest = folders.pop().expect("a release");
    ["dense-metal-macos-arm64.dylib", "embedding-cpu-x86_64.so"]
        .map(|file| format!("corpus/artifacts/{newest}/{file}"))
        .into()
}

#[test]
fn verdicts_built_by_matrix_and_json_know_it() {
    let program = Program::new();
    let [model, plain] = &newest_artifacts()[..] else {
        panic!("two artifacts")
    };
    let report = program.json(&["scan", model, plain, "--no-config", "--format", "json"]);
    let verdicts = report["verdicts"].as_array().expect("a list");
    let on_it: Vec<&Value> = verdicts
        .iter()
        .filter(|verdict| verdict["runtime"] == "tvm-0.99")
        .collect();
    assert_eq!(on_it.len(), 2);
    let rules = on_it
        .iter()
        .find(|verdict| verdict["artifact"] == model.as_str())
        .expect("a verdict")["rules"]
        .to_string();
    for code in ["AC101", "AC105", "AC107", "AC202"] {
        assert!(rules.contains(code), "{code} not in {rules}");
    }
    // What both the newest and the made-up release write.
    let span = |path: &str| {
        let text = program.says(&["scan", path, "--no-config"]);
        let line = text
            .lines()
            .find(|line| line.contains("built by"))
            .expect("a span");
        line.to_owned()
    };
    assert!(
        span(plain).contains("to 0.99, or a snapshot since"),
        "{}",
        span(plain)
    );
    assert!(!span(model).contains("0.99"), "{}", span(model));

    let matrix = program.says(&["matrix", model, "--no-config"]);
    assert!(matrix.contains("0.99"), "{matrix}");
    let named = program.json(&[
        "scan",
        model,
        "--runtime",
        "0.99",
        "--no-config",
        "--format",
        "json",
    ]);
    assert_eq!(named["verdicts"][0]["runtime"], "tvm-0.99");
    assert_eq!(named["verdicts"][0]["status"], "breaks");
}

#[test]
fn the_runtime_page_knows_it() {
    let program = Program::new();
    assert!(program.says(&["runtime"]).contains("tvm-0.99"));
    let page = program.says(&["runtime", "tvm-0.99"]);
    for fact in [
        "tirz of 2",
        "__TVMFFIOfAnotherTime",
        "cache config          7",
        "before24",
    ] {
        assert!(page.contains(fact), "{fact}: {page}");
    }
    let json = program.json(&["runtime", "0.99", "--format", "json"]);
    let runtime = &json["runtimes"][0];
    assert_eq!(
        runtime["cache_config_lengths"]["value"],
        serde_json::json!([7])
    );
    assert_eq!(runtime["payload_order"]["value"], "before24");
    assert_eq!(runtime["vm_magics"]["value"], serde_json::json!(["V2"]));
}

#[test]
fn the_tables_of_the_explain_pages_know_it() {
    let program = Program::new();
    for (code, said) in [
        (
            "AC101",
            "| since 0.99 | `tirz` of 2 | `tirz` of 2 | `tirz` of 2 |",
        ),
        ("AC102", "| since 0.99 |"),
        ("AC104", "| since 0.99 |"),
        ("AC105", "| since 0.99 | 7 | 7 |"),
        ("AC107", "| since 0.99 | `before24` |"),
        ("AC204", "| since 0.99 | `0.99.0` | `0.9.9` |"),
    ] {
        let page = program.says(&["explain", code]);
        assert!(page.contains(said), "{code}: {page}");
        assert!(!page.contains("{{"), "{code}: {page}");
    }
    let row = |code: &str, name: &str| {
        let page = program.says(&["explain", code]);
        let row = page.lines().find(|line| line.contains(name));
        row.expect("a row").to_owned()
    };
    // It lost one of two slots that share a row, and a C symbol.
    let slots = row("AC202", "__TVMFFIHandleInitOnce");
    assert!(slots.contains("; "), "{slots}");
    let symbol = row("AC203", "`TVMFFIHandleInitOnce` |");
    assert!(!symbol.contains("since"), "{symbol}");
}

/// A marker that says nothing would be shown as it is.
#[test]
fn no_page_of_the_built_in_table_has_a_slip() {
    let rules = artcheck().args(["rules", "--format", "json"]).output();
    let text = String::from_utf8(rules.expect("artcheck starts").stdout).expect("text");
    assert!(!text.contains("{{"), "a marker was not filled");
}
