//! Programs of new kinds on three releases (`tests/pairs`): a sample of the whole table,
//! which `tests/pairs/results.jsonl` records.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{artcheck, releases, root, venv};

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_a_scan_says_of_new_kinds_is_what_happens() {
    // One of each way to go: runs everywhere, breaks one way, breaks both, not decided.
    let output = Command::new(venv("tvm-0.27").join("bin/python"))
        .arg(root().join("tests/pairs/run.py"))
        .args(["--artcheck", env!("CARGO_BIN_EXE_artcheck"), "--only"])
        .arg("branch,unknown-dtype,layer-window,config-from-function,application,program-compiled,kernel-asks-itself,disaggregated")
        .output()
        .expect("the table");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{output:?}");
    assert!(text.contains("8 kinds, 0 not built, 72 pairs: "), "{text}");
    assert!(text.contains(", 0 wrong"), "{text}");
}

#[test]
fn the_recorded_table_is_right() {
    let text = std::fs::read_to_string(root().join("tests/pairs/results.jsonl"));
    let text = text.expect("the last whole run");
    let lines = text.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>().expect("JSON lines");
    let pairs: Vec<&Value> = lines
        .iter()
        .filter(|line| line.get("on").is_some())
        .collect();
    let kinds: BTreeSet<&str> = pairs
        .iter()
        .filter_map(|pair| pair["kind"].as_str())
        .collect();
    assert!(kinds.len() >= 25, "{} kinds", kinds.len());
    for pair in pairs {
        let runs = pair["really"] == "runs";
        match pair["verdict"].as_str() {
            Some("fits" | "fits-if") => assert!(runs, "{pair}"),
            Some("breaks") => assert!(!runs && pair["rules"][0].is_string(), "{pair}"),
            Some("undecided") => assert!(pair["undecided"][0].is_string(), "{pair}"),
            _ => panic!("{pair}"),
        }
    }
}

/// What the table says of these is what they do with `Any`, which is less.
const NARROWER: [&str; 2] = ["vm.builtin.reshape", "vm.builtin.shape_of"];

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_table_has_the_signatures_that_the_functions_print() {
    for release in releases() {
        let output = artcheck()
            .args(["runtime", release, "--format", "json"])
            .output()
            .expect("it runs");
        let profile: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let profile = &profile["runtimes"][0];
        let arity = &profile["builtin_arity"]["value"];
        let kinds = &profile["argument_kinds"]["value"];
        let functions = profile["functions"]["value"].as_array().expect("names");
        let names: Vec<&str> = functions.iter().filter_map(Value::as_str).collect();
        let printed = printed_signatures(release, &names);
        assert!(printed.len() > 200, "{release}: {}", printed.len());
        for (name, words) in &printed {
            match &kinds[name] {
                Value::Null => assert_eq!(
                    arity[name],
                    serde_json::json!([words.len()]),
                    "{release}: {name}"
                ),
                known if NARROWER.contains(&name.as_str()) => {
                    assert_eq!(known.as_array().map(Vec::len), Some(words.len()), "{name}");
                }
                known => assert_eq!(known, &serde_json::json!(words), "{release}: {name}"),
            }
        }
        for (name, known) in kinds.as_object().expect("kinds") {
            let is_open = known.as_array().and_then(|known| known.last()) == Some(&"...".into());
            assert_eq!(is_open, !printed.contains_key(name), "{release}: {name}");
        }
    }
}

fn printed_signatures(release: &str, names: &[&str]) -> BTreeMap<String, Vec<String>> {
    let mut child = Command::new(venv(release).join("bin/python"))
        .arg(root().join("tests/pairs/signatures.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(names.join("\n").as_bytes()).expect("room");
    drop(input);
    let output = child.wait_with_output().expect("an end");
    serde_json::from_slice(&output.stdout).expect("words by name")
}
