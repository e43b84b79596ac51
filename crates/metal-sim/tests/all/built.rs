//! Two layers of real models' dimensions: too large to commit, compiled here by the
//! pinned TVM, then run against the NumPy reference.

use std::path::PathBuf;
use std::process::Command;

use crate::common::{Answer, Run, environment, root, scratch};

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

/// Two layers of a model's real dimensions: prefill in pieces of `chunk` tokens and one
/// decode step.
fn slice(
    (model, dtype, runtime): (&str, &str, &str),
    chunk: u32,
    ask: fn(&Run<'_>) -> Answer,
) -> Answer {
    let library = built(model, dtype);
    let sizes = root().join("crates/metal-sim/tests/sizes.toml");
    let sizes = sizes.display().to_string();
    let more = [
        "--steps",
        "2",
        "--chunk",
        &chunk.to_string(),
        "--models",
        &sizes,
    ];
    ask(&Run {
        more: more.map(str::to_owned).to_vec(),
        ..Run::new(runtime, &library, model, dtype)
    })
}

// One after the other: each holds a few hundred megabytes of weights.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn real_dimensions() {
    let dense = slice(("qwen3-0_6b", "float16", "tvm-0.27"), 4, |run| run.agrees()).report;
    assert!(dense.kernels >= 70, "{}", dense.coverage());

    let hybrid = ("qwen3_5-0_8b", "q4f16_1", "tvm-0.26");
    let whole = slice(hybrid, 6, |run| run.agrees()).report;
    assert!(whole.kernels >= 100, "{}", whole.coverage());
    // A second piece makes TVM merge two states of attention. With heads of 256 two
    // simd-groups share a row, and both read a number that both write, without a barrier.
    let pieces = slice(hybrid, 4, |run| run.answer());
    assert_eq!(pieces.error, None);
    let worst = pieces.worst.expect("a difference");
    assert!(worst > 0.3, "the race is not seen: {worst}");
}
