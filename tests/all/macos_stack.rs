//! A Mac's runtime in the emulator, as a user runs it: rows give the reference's
//! tokens, a failing pair fails as predicted, and the shim mends it as a dylib.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{artcheck, part, root, venv};

fn zig() -> String {
    format!("{} -m ziglang", venv("tools").join("bin/python").display())
}

fn with_zig() -> Command {
    let mut command = artcheck();
    command
        .env("ARTCHECK_ZIG", zig())
        .env("CXX", format!("{} c++", zig()));
    command
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn rows_give_the_reference() {
    let output = with_zig()
        .arg("verify")
        .arg(root().join("matrix/macos-stack.toml"))
        .args(["--require-all", "--format", "json"])
        .output()
        .expect("artcheck starts");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 9, "{report:#}");
    for row in rows {
        assert_eq!(row["outcome"], "passed", "{row:#}");
        assert_eq!(row["facts"]["emulated"], true, "{row:#}");
    }
    assert_eq!(output.status.code(), Some(0));
}

/// A folder with the runtime of 0.27 for macOS, as an application ships it.
fn runtime(folder: &Path) -> PathBuf {
    let to = folder.join("runtime");
    std::fs::create_dir(&to).expect("a folder");
    for (package, name) in [
        ("tvm-ffi-0.1.15.post2-macos-arm64/tvm_ffi", "libtvm_ffi"),
        ("tvm-0.27-macos-arm64/tvm", "libtvm_runtime"),
        ("tvm-0.27-macos-arm64/tvm", "libtvm_runtime_extra"),
    ] {
        let file = format!("{name}.dylib");
        let from = part(&format!("unpacked/{package}/lib/{file}"));
        std::fs::copy(from, to.join(file)).expect("copied");
    }
    to
}

/// AC202 predicts a jump through a slot that this runtime never fills; the crate of
/// the stack shows that the Mac's code does it. With the shim's dylib each function
/// of the library runs.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_shim_for_macos_mends_a_failing_pair() {
    let folder = TempDir::new().expect("a folder");
    let library = folder.path().join("extcall.dylib");
    let original = root().join("corpus/artifacts/tvm-0.25/extcall-cpu-macos-arm64.dylib");
    std::fs::copy(original, &library).expect("copied");
    let output = with_zig()
        .arg("fix")
        .arg(&library)
        .arg("--runtime")
        .arg(runtime(folder.path()))
        .arg("--shim-out")
        .arg(folder.path().join("libshim.dylib"))
        .args(["--apply", "--prove"])
        .output()
        .expect("artcheck starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("every function ran"), "{text}{errors}");
    assert!(text.contains("called: add_external: tensor"), "{text}");
}
