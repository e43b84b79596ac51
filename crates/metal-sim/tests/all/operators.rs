//! What TVM makes of Relax's operators for Metal: run here or refused by name, and what runs
//! gives what the same operator gives on the CPU.

use std::process::Command;

use crate::common::{environment, plugin, root, scratch};

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn operators_compute_what_they_compute_on_the_cpu() {
    let plugin = plugin("tvm-0.26", false);
    let folder = scratch().join("operators");
    std::fs::create_dir_all(&folder).expect("the scratch folder is writable");
    let done = Command::new(environment("tvm-0.26").join("bin/python"))
        .arg(root().join("crates/metal-sim/tests/operators.py"))
        .arg(&plugin.path)
        .arg(&folder)
        .envs(plugin.environment.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("python runs");
    let text = String::from_utf8_lossy(&done.stdout);
    let line = text.lines().find(|l| l.starts_with('{'));
    let line = line.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    let answer: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let found = answer["found"].as_object().expect("operators");
    assert_eq!(found.len(), 34, "{answer:#}");
    for (name, difference) in found {
        // In 16 bits the two sum in another order.
        let room = if name.contains("half") || name.contains("one row") {
            0.1
        } else {
            1e-4
        };
        assert!(difference.as_f64() < Some(room), "{name}: {difference}");
    }
    // TVM writes a function that Metal does not have.
    let refused = answer["refused"].as_object().expect("operators");
    assert_eq!(refused.len(), 1, "{answer:#}");
    let why = refused["round"].as_str().unwrap_or_default();
    assert!(
        why.contains("`nearbyint`: Metal's library has no such"),
        "{why}"
    );
}
