//! Divisions of integers: right where there is a quotient, and never the process' end.

use std::process::Command;

use artcheck_metal_sim::Compiling;

use crate::common::{environment, plugin, root, scratch};

/// What `division.py` prints, and standard error.
fn answer(name: &str, guard: bool, setting: (&str, &str)) -> (serde_json::Value, String) {
    let plugin = plugin("tvm-0.26", guard);
    let folder = scratch().join(format!("division-{name}"));
    std::fs::create_dir_all(&folder).expect("the scratch folder is writable");
    let done = Command::new(environment("tvm-0.26").join("bin/python"))
        .arg(root().join("crates/metal-sim/tests/division.py"))
        .arg(&plugin.path)
        .arg(&folder)
        .envs(plugin.environment.iter().map(|(name, value)| (name, value)))
        .env(setting.0, setting.1)
        .output()
        .expect("python runs");
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{name}: {}: {errors}", done.status);
    let answer = serde_json::from_slice(&done.stdout);
    (
        answer.expect("division.py prints its answer as JSON"),
        errors,
    )
}

fn is_right(name: &str, answer: &serde_json::Value) {
    assert_eq!(answer["wrong"], serde_json::json!([]), "{name}");
    assert!(answer["looked"].as_u64() > Some(1000), "{name}");
    assert_eq!(answer["report"]["not_compiled"], 0, "{name}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn lanes_at_once_divide_what_takes_part() {
    let (answer, _) = answer("lanes", false, ("ARTCHECK_METAL_SIM_LANES", "1"));
    is_right("lanes", &answer);
    let list = answer["report"]["list"].as_array().expect("kernels");
    assert!(list.iter().all(|kernel| kernel["lanes"] == true));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn threads_one_by_one_divide_the_same() {
    let (answer, _) = answer("threads", false, ("ARTCHECK_METAL_SIM_LANES", "0"));
    is_right("threads", &answer);
}

/// Six cases for each of six types; three of them divide by zero. `verify` reads how far
/// the compiling is from standard error, and that it has ended.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn guard_mode_names_a_division_by_zero_and_compiling_is_told() {
    let empty = tempfile::tempdir().expect("a folder");
    let cache = empty.path().to_string_lossy();
    let (answer, errors) = answer("guard", true, ("ARTCHECK_METAL_SIM_CACHE", &cache));
    is_right("guard", &answer);
    let list = answer["report"]["list"].as_array().expect("kernels");
    let named: Vec<bool> = list
        .iter()
        .map(|kernel| {
            let text = kernel["zero_divisor"].as_str().unwrap_or_default();
            text.contains("divides an integer by zero in line ")
        })
        .collect();
    assert_eq!(named, [false, true, true, true, false, false].repeat(6));
    let told: Vec<Compiling> = errors.lines().filter_map(Compiling::parse).collect();
    let ended: Vec<bool> = told.iter().map(|progress| progress.ended()).collect();
    assert_eq!(ended, [false, true].repeat(36), "{errors}");
}
