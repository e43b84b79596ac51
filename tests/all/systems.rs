//! Other systems' stacks, run by emulators: what `tests/systems/run.py` recorded, and the
//! page that shows it. The sample that every run of the tests makes again is
//! `crates/verify/tests/all/other_systems.rs`.

use std::process::Command;

use serde_json::Value;

use crate::support::root;

fn recorded(system: &str) -> Vec<Value> {
    let file = root().join(format!("tests/systems/results/{system}.jsonl"));
    let text = std::fs::read_to_string(&file).expect("the last whole run");
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON lines")
}

fn part<'l>(lines: &'l [Value], part: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["part"] == part).collect()
}

#[test]
fn what_is_recorded_of_other_systems_is_as_predicted() {
    for system in ["aarch64", "macos", "windows"] {
        let lines = recorded(system);
        for line in &lines {
            assert_ne!(line["judged"], "wrong", "{line}");
        }
        let rows = part(&lines, "own");
        assert!(rows.len() >= 18, "{system}: {} rows", rows.len());
        for row in rows {
            assert_eq!(row["really"], "passed", "{row}");
        }
        for release in part(&lines, "registry") {
            assert_eq!(release["only_read"], Value::Array(Vec::new()), "{release}");
            assert_eq!(
                release["only_listed"],
                Value::Array(Vec::new()),
                "{release}"
            );
            assert!(release["listed"].as_u64() > Some(200), "{release}");
        }
        assert_eq!(part(&lines, "set").len(), 9, "{system}");
        let pairs = part(&lines, "pair");
        assert!(pairs.len() >= 60, "{system}: {} pairs", pairs.len());
        assert!(
            pairs.iter().any(|pair| pair["really"] == "failed"),
            "{system}"
        );
    }
}

/// Rows of web libraries whose failure is the library's (docs/systems.md#the-web): shaders
/// that Chromium refuses, a race, an encoder without its scale.
fn known_to_fail(row: &str) -> bool {
    row.starts_with("own-webgpu-0.26-dense")
        || row.starts_with("own-webgpu-0.26-hybrid")
        || row == "chunks-webgpu-0.27-dense"
        || row.starts_with("trained-for-")
}

#[test]
fn what_is_recorded_of_the_web_is_as_predicted() {
    let lines = recorded("web");
    let mut passed = 0;
    for line in &lines {
        assert_ne!(line["judged"], "wrong", "{line}");
        let Some(row) = line["row"].as_str() else {
            continue;
        };
        // Software took longer than the row may.
        let unknown = line["class"] == "time-out";
        match known_to_fail(row) {
            _ if unknown => {}
            true => assert_eq!(line["really"], "failed", "{line}"),
            false => assert_ne!(line["really"], "failed", "{line}"),
        }
        passed += usize::from(line["really"] == "passed");
    }
    assert!(passed >= 30, "{passed} rows");
    assert_eq!(part(&lines, "load").len(), 4);
    let pairs = part(&lines, "pair");
    let right = pairs.iter().filter(|pair| pair["judged"] == "right");
    assert!(right.count() >= 20, "{} pairs", pairs.len());
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_page_shows_what_is_recorded() {
    let output = Command::new("python3")
        .arg(root().join("tests/systems/page.py"))
        .arg("--check")
        .output()
        .expect("Python");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
