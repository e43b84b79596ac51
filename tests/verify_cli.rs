//! `verify` as a user runs it: the matrix of the corpus on the CPU, the rules
//! as pre-check, repairs with `--shim auto`.

mod support;

use std::path::Path;

use serde_json::Value;
use support::{artcheck, root};

fn verify(args: &[&str], matrix: &Path) -> (Value, i32) {
    let output = artcheck()
        .arg("verify")
        .arg(matrix)
        .args(args)
        .args(["--format", "json"])
        .output()
        .expect("artcheck starts");
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "no report ({error}): {}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    (
        report,
        output.status.code().expect("artcheck exits by itself"),
    )
}

fn rows(report: &Value) -> &Vec<Value> {
    report["rows"].as_array().expect("rows")
}

#[test]
fn the_corpus_matrix_passes_on_the_cpu() {
    let (report, code) = verify(
        &["--device", "cpu", "--jobs", "2"],
        &root().join("matrix/corpus.toml"),
    );
    assert_eq!(code, 0, "{report:#}");
    assert!(rows(&report).len() >= 42);
    assert!(rows(&report).iter().all(|row| row["outcome"] == "passed"));
}

#[test]
fn rows_for_metal_are_not_run_here_and_say_so() {
    let output = artcheck()
        .args(["verify", "matrix/mission.toml"])
        .env("ARTCHECK_MODELS", "absent")
        .env("ARTCHECK_RUNTIME", "absent")
        .output()
        .expect("artcheck starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(3),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("not yet run on Apple hardware"), "{text}");
    assert!(text.contains("0 passed, 0 failed, 8 not run"), "{text}");
}

/// A matrix of one row: a library on a runtime where it breaks.
fn matrix(folder: &Path, library: &str) -> std::path::PathBuf {
    let file = folder.join("matrix.toml");
    let text = format!(
        r#"
schema = 1
[runtimes."tvm-0.26"]
paths = ["${{ARTCHECK_PARTS}}/venv/tvm-0.26"]
[[row]]
name = "broken"
model = "dense"
kind = "kv_cache"
tokenizer = "bytes"
max_tokens = 64
device = "cpu"
runtime = "tvm-0.26"
weights = "random:7"
library = "{}"
prompt = [{{ expect = {{ reference = "{}#long", logits_tolerance = 1e-4 }} }}]
"#,
        root().join(library).display(),
        root()
            .join("corpus/reference/expected/dense.json")
            .display()
    );
    std::fs::write(&file, text).expect("written");
    file
}

#[test]
fn a_tag_is_named_before_running_and_by_the_runtime_without_the_look() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = matrix(
        folder.path(),
        "corpus/artifacts/synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so",
    );
    let (report, code) = verify(&[], &file);
    assert_eq!(code, 1);
    assert_eq!(
        rows(&report)[0]["precheck"][0]["code"],
        "AC101",
        "{report:#}"
    );
    let (report, code) = verify(&["--no-precheck"], &file);
    assert_eq!(code, 1);
    let failure = &rows(&report)[0]["failure"];
    assert_eq!(failure["stage"], "cache", "{report:#}");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|words| words.contains("Cannot reach here")),
        "{report:#}"
    );
    let (report, code) = verify(&["--shim", "auto"], &file);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(rows(&report)[0]["outcome"], "passed");
    let description = rows(&report)[0]["shim"]["description"]
        .as_str()
        .unwrap_or("");
    assert!(description.contains("attention-tag"), "{report:#}");
}

#[test]
fn a_library_of_0_25_dies_on_0_26_and_is_repaired_by_a_shim() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = matrix(
        folder.path(),
        "corpus/artifacts/tvm-0.25/dense-ext-cpu-x86_64.so",
    );
    let (report, code) = verify(&["--no-precheck"], &file);
    assert_eq!(code, 1);
    let message = rows(&report)[0]["failure"]["message"]
        .as_str()
        .unwrap_or("");
    assert!(
        message.contains("killed by SIGSEGV at stage prefill"),
        "{report:#}"
    );
    let (report, code) = verify(&["--shim", "auto"], &file);
    assert_eq!(code, 0, "{report:#}");
}
