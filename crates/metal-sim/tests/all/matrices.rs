//! Simd-group matrices, which TVM's own schedule for Metal uses for every large product
//! of half precision: compiled by TVM, run here, held against float64.

use std::process::Command;

use crate::common::{environment, plugin, root, scratch};

/// What `matrices.py` prints.
fn answer(guard: bool, shapes: usize) -> serde_json::Value {
    answer_with(guard, shapes, "1")
}

/// `lanes`: a simd-group at once, or `0`.
fn answer_with(guard: bool, shapes: usize, lanes: &str) -> serde_json::Value {
    let plugin = plugin("tvm-0.26", guard);
    let folder = scratch().join(format!("matrices-{guard}-{shapes}-{lanes}"));
    std::fs::create_dir_all(&folder).expect("the scratch folder is writable");
    let done = Command::new(environment("tvm-0.26").join("bin/python"))
        .arg(root().join("crates/metal-sim/tests/matrices.py"))
        .arg(&plugin.path)
        .args([&shapes.to_string(), "50"])
        .arg(&folder)
        .envs(plugin.environment.iter().map(|(name, value)| (name, value)))
        .env("ARTCHECK_METAL_SIM_LANES", lanes)
        .output()
        .expect("python runs");
    let text = String::from_utf8_lossy(&done.stdout);
    let line = text.lines().find(|l| l.starts_with('{'));
    let line = line.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    serde_json::from_str(line).expect("matrices.py prints its answer as JSON")
}

/// Rounding once per step of 8, in half at worst: dimensions reach 90.
fn near(worst: &serde_json::Value, bound: f64) {
    let worst = worst.as_f64().expect("a difference");
    assert!(worst <= bound, "differs by {worst}, more than {bound}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn products_of_random_shapes() {
    let answer = answer(false, 220);
    assert!(answer["shapes"].as_u64() >= Some(200), "{answer}");
    // Twelve roundings of 11 bits: 12 * 2^-12.
    near(&answer["scheduled"], 3e-3);
    assert!(answer["tiles"].as_u64() >= Some(200), "{answer}");
    near(&answer["tile_worst"]["float16"], 1.5e-3);
    near(&answer["tile_worst"]["float32"], 1e-6);
    near(&answer["forms"]["three"], 1e-6);
    near(&answer["forms"]["quads"], 1e-5);
    assert_eq!(answer["forms"]["bits"], true);
}

/// A matrix held whole gives what 32 threads with two elements each give.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn products_at_once_are_those_of_the_threads() {
    let (at_once, by_thread) = (answer_with(false, 40, "1"), answer_with(false, 40, "0"));
    assert_eq!(at_once["by_thread"], serde_json::json!([]));
    assert_ne!(by_thread["by_thread"], serde_json::json!([]));
    assert_eq!(at_once["bytes"], by_thread["bytes"]);
}

/// The same kernels under guard mode: every access and every wait is in order.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn guard_mode_passes_sound_products_and_names_faulty_ones() {
    near(&answer(true, 12)["scheduled"], 3e-3);
    let errors = answer(true, 0)["errors"].clone();
    for (number, part) in [
        (0, "reads out of bounds: element 256 of buffer `A_ptr`"),
        (1, "which 16 of 32 lanes reach"),
    ] {
        let error = errors[number].to_string();
        assert!(
            error.contains("kernel `main_kernel`") && error.contains(part),
            "{error}"
        );
    }
}
