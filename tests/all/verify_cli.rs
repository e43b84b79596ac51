//! `verify` as a user runs it: the matrix of the corpus on the CPU, the rules
//! as pre-check, repairs with `--shim auto`.

use std::path::Path;
use std::process::Command;

use crate::support::{artcheck, root, text, told_by_python, venv};
use serde_json::Value;

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

fn rows_of(report: &Value) -> &Vec<Value> {
    report["rows"].as_array().expect("rows")
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_corpus_matrix_passes_on_the_cpu() {
    let (report, code) = verify(
        &["--device", "cpu", "--jobs", "2"],
        &root().join("matrix/corpus.toml"),
    );
    assert_eq!(code, 0, "{report:#}");
    assert!(rows_of(&report).len() >= 52);
    assert!(
        rows_of(&report)
            .iter()
            .all(|row| row["outcome"] == "passed")
    );
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
    // A row that did not run says nothing of hardware.
    assert!(!text.contains("Apple hardware"), "{text}");
    assert!(text.contains("0 passed, 0 failed, 8 not run"), "{text}");
}

/// A matrix on runtime 0.26; each row has its own library, on random weights.
fn matrix_of(folder: &Path, rows: &[(&str, &str)]) -> std::path::PathBuf {
    let file = folder.join("matrix.toml");
    let mut text = r#"
schema = 1
[runtimes."tvm-0.26"]
paths = ["${ARTCHECK_PARTS}/venv/tvm-0.26"]
[defaults]
model = "dense"
kind = "kv_cache"
tokenizer = "bytes"
max_tokens = 64
device = "cpu"
runtime = "tvm-0.26"
weights = "random:7"
"#
    .to_owned();
    let reference = root().join("corpus/reference/expected/dense.json");
    for (name, library) in rows {
        text.push_str(&format!(
            r#"
[[row]]
name = "{name}"
library = "{}"
prompt = [{{ expect = {{ reference = "{}#long", logits_tolerance = 1e-4 }} }}]
"#,
            root().join(library).display(),
            reference.display()
        ));
    }
    std::fs::write(&file, text).expect("written");
    file
}

/// A matrix of one row: a library on a runtime where it breaks.
fn matrix(folder: &Path, library: &str) -> std::path::PathBuf {
    matrix_of(folder, &[("broken", library)])
}

const TIR: &str = "corpus/artifacts/synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so";
const OLD: &str = "corpus/artifacts/tvm-0.25/dense-ext-cpu-x86_64.so";
const SOUND: &str = "corpus/artifacts/tvm-0.26/dense-cpu-x86_64.so";

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn in_one_matrix_every_failure_has_its_own_words_and_the_sound_row_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = [
        ("tag", TIR),
        ("old", OLD),
        ("absent", "nowhere/model.so"),
        ("sound", SOUND),
    ];
    let file = matrix_of(folder.path(), &rows);
    let words = |report: &Value, row: usize| {
        let row = &rows_of(report)[row];
        let text = row["failure"]["message"]
            .as_str()
            .or(row["reason"].as_str());
        (
            row["failure"]["stage"].as_str().unwrap_or("").to_owned(),
            text.unwrap_or("").to_owned(),
        )
    };
    // With the rules as pre-check no foreign code of the first two runs.
    let (report, code) = verify(&["--jobs", "2"], &file);
    assert_eq!(code, 1);
    let (stage, tag) = words(&report, 0);
    assert!(stage == "load-set" && tag.contains("AC101: "), "{tag}");
    let (stage, old) = words(&report, 1);
    assert!(stage == "load-set" && old.contains("AC202: "), "{old}");
    assert_eq!(rows_of(&report)[3]["outcome"], "passed", "{report:#}");
    // Without it the runtime has its say.
    let junit = folder.path().join("report.xml");
    let output = format!("junit={}", junit.display());
    let (report, code) = verify(&["--no-precheck", "--output", &output], &file);
    assert_eq!(code, 1);
    let (stage, tag) = words(&report, 0);
    assert!(
        stage == "cache" && tag.contains("Cannot reach here"),
        "{tag}"
    );
    let (stage, old) = words(&report, 1);
    assert_eq!(
        (stage.as_str(), old.as_str()),
        ("prefill", "killed by SIGSEGV at stage prefill")
    );
    let (_, absent) = words(&report, 2);
    assert!(absent.contains("no library"), "{absent}");
    assert_eq!(rows_of(&report)[3]["outcome"], "passed", "{report:#}");
    // The same in the words of a JUnit parser that is not ours.
    let figures = "stage tokens-per-second first-token-seconds peak-memory-bytes";
    assert_eq!(
        junit_cases(&junit),
        serde_json::json!([
            ["tag", "Failure", tag, "stage"],
            ["old", "Failure", old, "stage"],
            ["absent", "Skipped", absent, ""],
            ["sound", null, null, figures],
        ])
    );
}

/// Name, result, message and names of the properties of each test case, as
/// `junitparser` reads them; it also compares the counts that the file states with
/// the cases it holds.
fn junit_cases(file: &Path) -> Value {
    let script = "
import json, sys
from junitparser import JUnitXml
xml = JUnitXml.fromfile(sys.argv[1])
stated = (xml.tests, xml.failures, xml.errors, [s.skipped for s in xml])
xml.update_statistics()
assert stated == (xml.tests, xml.failures, xml.errors, [s.skipped for s in xml]), stated
print(json.dumps([[case.name] + ([type(case.result[0]).__name__, case.result[0].message]
                                 if case.result else [None, None])
                  + [' '.join(p.get('name') for p in case._elem.iter('property'))]
                  for suite in xml for case in suite]))
";
    told_by_python(script, file)
}

/// `artcheck merge` on reports of `verify`: standard output, standard error, status.
fn merge(reports: &[std::path::PathBuf]) -> (String, String, i32) {
    let output = artcheck()
        .arg("merge")
        .args(reports)
        .args(["--format", "json"])
        .output()
        .expect("artcheck starts");
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
        output.status.code().expect("artcheck exits by itself"),
    )
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn shards_hold_every_row_once_and_merge_to_the_whole_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = root().join("matrix/corpus.toml");
    let only = ["--device", "cpu", "--only", "dense-0.26-cpu"];
    let (whole, code) = verify(&only, &file);
    assert_eq!(code, 0, "{whole:#}");
    let mut reports = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let (report, code) = verify(&[&only[..], &["--shard", shard]].concat(), &file);
        let expected = if rows_of(&report).is_empty() { 3 } else { 0 };
        assert_eq!(code, expected, "{report:#}");
        assert!(rows_of(&report).len() < rows_of(&whole).len(), "{shard}");
        let path = folder.path().join(format!("{}.json", reports.len()));
        std::fs::write(&path, report.to_string()).expect("written");
        reports.push(path);
    }
    // In any order.
    reports.rotate_left(1);
    let (text, error, code) = merge(&reports);
    assert_eq!(code, 0, "{error}");
    let merged: Value = serde_json::from_str(&text).expect("JSON");
    let names = |report: &Value| -> Vec<String> {
        let rows = rows_of(report).iter();
        rows.map(|row| format!("{} {}", row["name"], row["outcome"]))
            .collect()
    };
    assert_eq!(names(&merged), names(&whole));
    assert_eq!(merged["summary"], whole["summary"]);

    let (_, error, code) = merge(&reports[1..]);
    assert!(
        code == 2 && error.contains("shard 2/3 is missing"),
        "{error}"
    );
    let twice = [&reports[..], &reports[..1]].concat();
    let (_, error, code) = merge(&twice);
    let empty = rows_of(
        &serde_json::from_str(&std::fs::read_to_string(&reports[0]).expect("read")).expect("JSON"),
    )
    .is_empty();
    assert!(
        empty || (code == 2 && error.contains("is in two reports")),
        "{error}"
    );
}

#[test]
fn formats_without_rows_are_refused_before_anything_runs() {
    for arguments in [["--format", "sarif"], ["--output", "html=never.html"]] {
        let output = artcheck()
            .args(["verify", "matrix/corpus.toml"])
            .args(arguments)
            .output()
            .expect("artcheck starts");
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8_lossy(&output.stderr);
        let known = error.contains("human, json, junit, markdown");
        assert!(
            known || error.contains("human, json, junit or markdown"),
            "{error}"
        );
    }
    assert!(!root().join("never.html").exists());
}

/// The workflow for Apple hardware cannot run here, but its commands can: the same
/// script with the device that is here.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_script_of_the_metal_workflow_works_on_the_cpu() {
    let folder = tempfile::tempdir().expect("a folder");
    let workflow =
        std::fs::read_to_string(root().join(".github/workflows/metal.yml")).expect("read");
    let step = workflow
        .split("- name: Metal rows")
        .nth(1)
        .expect("the step");
    let script: Vec<&str> = step
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("          "))
        .collect();
    let script = script.join("\n");
    let here = script
        .replace("target/release/artcheck", env!("CARGO_BIN_EXE_artcheck"))
        .replace(
            "--device metal",
            "--device cpu --only dense-0.26-cpu-trained",
        )
        .replace(
            "verify.md",
            &folder.path().join("verify.md").display().to_string(),
        );
    assert!(
        here.contains("--device cpu") && !here.contains("target/release"),
        "{here}"
    );
    let summary = folder.path().join("summary.md");
    let output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", &here])
        .current_dir(root())
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .expect("bash starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let summary = std::fs::read_to_string(summary).expect("a summary");
    assert!(
        summary.contains("1 passed, 0 failed, 0 not run"),
        "{summary}"
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_tag_is_named_before_running_and_by_the_runtime_without_the_look() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = matrix(folder.path(), TIR);
    let (report, code) = verify(&[], &file);
    assert_eq!(code, 1);
    assert_eq!(
        rows_of(&report)[0]["precheck"][0]["code"],
        "AC101",
        "{report:#}"
    );
    let (report, code) = verify(&["--no-precheck"], &file);
    assert_eq!(code, 1);
    let failure = &rows_of(&report)[0]["failure"];
    assert_eq!(failure["stage"], "cache", "{report:#}");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|words| words.contains("Cannot reach here")),
        "{report:#}"
    );
    let (report, code) = verify(&["--shim", "auto"], &file);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(rows_of(&report)[0]["outcome"], "passed");
    let description = rows_of(&report)[0]["shim"]["description"]
        .as_str()
        .unwrap_or("");
    assert!(description.contains("attention-tag"), "{report:#}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_of_0_25_dies_on_0_26_and_is_repaired_by_a_shim() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = matrix(folder.path(), OLD);
    let (report, code) = verify(&["--no-precheck"], &file);
    assert_eq!(code, 1);
    let message = rows_of(&report)[0]["failure"]["message"]
        .as_str()
        .unwrap_or("");
    assert!(
        message.contains("killed by SIGSEGV at stage prefill"),
        "{report:#}"
    );
    let (report, code) = verify(&["--shim", "auto"], &file);
    assert_eq!(code, 0, "{report:#}");
}

/// One library without an expectation: what was asked is what it answers, in every format.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn one_library_passes_in_every_format_where_it_answers() {
    for format in ["human", "json", "junit"] {
        let mut asked = artcheck();
        asked.args(["verify", "corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so"]);
        asked.args(["--weights", "random:7", "--tokenizer", "bytes"]);
        asked.args(["--device", "cpu", "--prompt", "Hi", "--max-tokens", "2"]);
        asked.args(["--format", format, "--runtime"]);
        let (said, status) = text(asked.arg(venv("tvm-0.27")));
        assert_eq!(status, 0, "{format}: {said}");
        assert!(!said.contains("expectations"), "{format}: {said}");
        // The file that was named, and not the one that was made of it.
        let is_named = said.contains("dense-cpu-x86_64.so");
        assert!(is_named || format == "human", "{format}: {said}");
        assert!(!said.contains("matrix.toml"), "{format}: {said}");
    }
}
