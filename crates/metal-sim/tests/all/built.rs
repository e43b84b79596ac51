//! Two layers of real models' dimensions: too large to commit, compiled here by the
//! pinned TVM, then run against the NumPy reference.

use std::path::PathBuf;
use std::process::Command;

use crate::common::{Run, environment, root, scratch};

/// Compiles a model for Metal with a Linux host, once.
fn built(model: &str, dtype: &str) -> PathBuf {
    let folder = scratch().join("built");
    let output = folder.join(format!("{model}-{dtype}.so"));
    if output.is_file() {
        return output;
    }
    std::fs::create_dir_all(&folder).expect("the scratch folder is writable");
    let partial = folder.join(format!("{model}-{dtype}.partial.so"));
    let done = Command::new(environment("tvm-0.26").join("bin/python"))
        .arg(root().join("crates/metal-sim/tests/build_model.py"))
        .arg(root().join("corpus"))
        .args([model, dtype])
        .args([&partial, &environment("tools").join("bin/python")])
        .env("TVM_NUM_THREADS", "1")
        .output()
        .expect("python runs");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{model} {dtype} does not compile: {errors}"
    );
    std::fs::rename(&partial, &output).expect("the library was written");
    output
}

/// Two layers of a model's real dimensions: prefill and one decode step.
fn slice(model: &str, dtype: &str, runtime: &str, least_kernels: u64, tolerance: f64) {
    let library = built(model, dtype);
    let sizes = root().join("crates/metal-sim/tests/sizes.toml");
    let more = ["--steps", "2", "--models"].map(str::to_owned);
    let more = more
        .into_iter()
        .chain([sizes.display().to_string()])
        .collect();
    let run = Run {
        more,
        tolerance,
        ..Run::new(runtime, &library, model, dtype)
    };
    let report = run.agrees().report;
    assert!(report.kernels >= least_kernels, "{}", report.coverage());
}

// One after the other: each holds a few hundred megabytes of weights.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn real_dimensions() {
    slice("qwen3-0_6b", "float16", "tvm-0.27", 70, 0.15);
    // Since weights have no mean it differs by 0.45, thread by thread and a simd-group at
    // once alike. Why is not known yet.
    slice("qwen3_5-0_8b", "q4f16_1", "tvm-0.26", 100, 0.6);
}
