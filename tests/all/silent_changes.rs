//! The same calls on three releases (`tests/differential`): a short sample of the full run
//! that `docs/silent-changes.md` records, and what AC108 says of real answers.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::make::{folder, put};
use crate::support::{root, venv};

fn harness(arguments: &[&str]) -> Output {
    Command::new(venv("tvm-0.27").join("bin/python"))
        .arg(root().join("tests/differential/run.py"))
        .args(arguments)
        .output()
        .expect("the harness")
}

/// What each release answers to the operations of a library, by release.
fn answers(folder: &Path, artifact: &str, ops: &Value) -> Value {
    let schedule = json!({
        "family": "library",
        "config": { "artifact": artifact, "page": 16, "history": 1, "window": 0 },
        "ops": ops,
    });
    let file = put(folder, "schedule.json", schedule.to_string());
    let output = harness(&["--schedule", file.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn layers_that_slide_answer_otherwise_from_the_second_prefill_on() {
    let folder = folder();
    let ops = json!([
        ["add", 0],
        ["prefill", [0], [5], 1],
        ["decode", [0], [1], 2],
        ["prefill", [0], [4], 3],
    ]);
    let second_prefill = 4;
    let sliding = answers(folder.path(), "sliding", &ops);
    for (index, _) in sliding["0.26"]
        .as_array()
        .expect("answers")
        .iter()
        .enumerate()
    {
        let [older, old, new] = ["0.25", "0.26", "0.27"].map(|release| &sliding[release][index]);
        assert!(old.get("ok").is_some(), "{index}: {old}");
        assert!(new.get("ok").is_some(), "no error either: {index}: {new}");
        assert_eq!(older, old, "{index}");
        assert_eq!(old == new, index != second_prefill, "{index}: {old} {new}");
    }
    // Without such a layer every answer is the same.
    let dense = answers(folder.path(), "tvm-0.26/dense", &ops);
    assert!(dense["0.26"][second_prefill].get("ok").is_some());
    assert_eq!(dense["0.26"], dense["0.27"]);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_sample_of_random_schedules_finds_what_is_known_and_nothing_else() {
    let folder = folder();
    let report = folder.path().join("report.json");
    let report = report.to_str().expect("UTF-8");
    let output = harness(&[
        "--schedules",
        "300",
        "--seed",
        "7",
        "--no-shrinking",
        "--out",
        report,
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let report: Value =
        serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("JSON");
    let names: Vec<&str> = report["differences"]
        .as_array()
        .expect("differences")
        .iter()
        .filter_map(|difference| difference["known"].as_str())
        .collect();
    // One of each kind, so that a harness that sees nothing does not pass.
    for name in [
        "sliding-mask",
        "sliding-window-start",
        "sliding-pages",
        "flashinfer-kernels",
        "transfer-layers",
        "unknown-dtype",
        "config-length",
        "words",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}
