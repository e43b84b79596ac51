//! Kernels whose lanes run at once give what they give one thread after the other, to
//! the last bit.

use std::process::Command;

use crate::common::{environment, plugin, root, scratch};

/// What `lanes.py` prints.
fn answer(by_thread: bool) -> serde_json::Value {
    let plugin = plugin("tvm-0.26", false);
    let folder = scratch().join(format!("lanes-{by_thread}"));
    std::fs::create_dir_all(&folder).expect("the scratch folder is writable");
    let done = Command::new(environment("tvm-0.26").join("bin/python"))
        .arg(root().join("crates/metal-sim/tests/lanes.py"))
        .arg(&plugin.path)
        .arg(&folder)
        .envs(plugin.environment.iter().map(|(name, value)| (name, value)))
        .env(
            "ARTCHECK_METAL_SIM_LANES",
            if by_thread { "0" } else { "1" },
        )
        .output()
        .expect("python runs");
    let text = String::from_utf8_lossy(&done.stdout);
    let line = text.lines().find(|l| l.starts_with('{'));
    let line = line.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    serde_json::from_str(line).expect("lanes.py prints its answer as JSON")
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn lanes_at_once_compute_what_threads_compute() {
    let (at_once, by_thread) = (answer(false), answer(true));
    let kernels = |answer: &serde_json::Value| {
        let list = answer["report"]["list"].as_array().cloned();
        list.expect("kernels")
    };
    assert!(kernels(&by_thread).iter().all(|k| k["lanes"] == false));
    let slow: Vec<String> = kernels(&at_once)
        .iter()
        .filter(|k| k["lanes"] == false)
        .map(|k| k["name"].to_string())
        .collect();
    assert!(slow.is_empty(), "not at once: {slow:?}");
    assert_eq!(at_once["found"].as_object().map(|f| f.len()), Some(25));
    assert_eq!(at_once["found"], by_thread["found"]);
}
