//! A Mac's runtime in the emulator, as a user runs it: rows give the reference's
//! tokens, a failing pair fails as predicted, and the shim mends it as a dylib.

use std::path::{Path, PathBuf};
use std::process::Command;

use artcheck_metal_sim::Options;
use artcheck_metal_sim::macho::stack::{Stack, Zig, prepare};
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
    assert_eq!(rows.len(), 14, "{report:#}");
    for row in rows {
        assert_eq!(row["outcome"], "passed", "{row:#}");
        assert_eq!(row["facts"]["emulated"], true, "{row:#}");
    }
    let metal: Vec<&Value> = rows.iter().filter(|row| row["simulated"] == true).collect();
    assert_eq!(metal.len(), 5, "{report:#}");
    for row in metal {
        assert_eq!(row["kernels"]["not_compiled"], 0, "{row:#}");
        assert!(row["kernels"]["ran"].as_u64() > Some(10), "{row:#}");
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

/// One row of `dense` of 0.27 on the runtime of 0.26 for macOS.
fn dense_on_older(folder: &Path, shims: &[PathBuf]) -> Value {
    let library = part("built/tvm-0.27/dense-cpu-macos-arm64.dylib");
    let reference = root().join("corpus/reference/expected/dense.json#short");
    let runtime = ["tvm-ffi-0.1.13.post2", "tvm-0.26"];
    let runtime = runtime.map(|name| part(&format!("unpacked/{name}-macos-arm64")));
    let text = format!(
        "schema = 1\n[runtimes.older]\npaths = {runtime:?}\n\
         [[row]]\nname = \"row\"\nmodel = \"dense\"\nlibrary = {library:?}\n\
         runtime = \"older\"\ndevice = \"cpu\"\nweights = \"random:7\"\nshims = {shims:?}\n\
         tokenizer = \"bytes\"\nmax_tokens = 64\ntime_limit = 900\n\
         prompt = [{{ expect = {{ reference = {reference:?} }} }}]\n"
    );
    let matrix = folder.join("matrix.toml");
    std::fs::write(&matrix, text).expect("written");
    let output = with_zig()
        .arg("verify")
        .arg(&matrix)
        .args(["--no-precheck", "--format", "json"])
        .output()
        .expect("artcheck starts");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    report["rows"][0].clone()
}

/// AC105's case as a Mac has it: the runtime of 0.26 refuses the six elements of a
/// library of 0.27 in the words that it has on Linux. With the shim's dylib the row
/// gives the reference's tokens.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_shim_for_macos_mends_a_refused_cache() {
    let folder = TempDir::new().expect("a folder");
    let row = dense_on_older(folder.path(), &[]);
    let message = row["failure"]["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("cache_config.size() == 5 (6 vs. 5)"),
        "{row:#}"
    );
    let shim = folder.path().join("libshim.dylib");
    let built = with_zig()
        .args(["patch", "shim", "--part", "cache-config", "--out"])
        .arg(&shim)
        .arg("--runtime")
        .arg(runtime(folder.path()))
        .output()
        .expect("artcheck starts");
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{errors}");
    let row = dense_on_older(folder.path(), &[shim]);
    assert_eq!(row["outcome"], "passed", "{row:#}");
}

/// The device-api part as a dylib: a client that is linked to it does not load without
/// it, in dyld's words, and gets its bytes back through the Mac's own runtime with it.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_client_runs_with_the_device_part() {
    let folder = TempDir::new().expect("a folder");
    let shim = folder.path().join("shim/libdevice.dylib");
    std::fs::create_dir(folder.path().join("shim")).expect("a folder");
    let built = with_zig()
        .args(["patch", "shim", "--part", "device-api", "--runtime"])
        .arg(part("unpacked/tvm-0.27-macos-arm64"))
        .arg("--runtime")
        .arg(part("unpacked/tvm-ffi-0.1.15.post2-macos-arm64"))
        .arg("--out")
        .arg(&shim)
        .output()
        .expect("artcheck starts");
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{errors}");

    let client = folder.path().join("libclient.dylib");
    let words: Vec<String> = zig().split(' ').map(str::to_owned).collect();
    let done = Command::new(&words[0])
        .args(&words[1..])
        .args(["cc", "-target", "aarch64-macos", "-dynamiclib", "-o"])
        .arg(&client)
        .arg(root().join("tests/all/macos_stack/client.c"))
        .arg(&shim)
        .status()
        .expect("zig runs");
    assert!(done.success());

    let zig = Zig { command: words };
    let system = prepare(&zig, &Options::default().cache_folder()).expect("the stand-ins");
    let runtime = runtime(folder.path());
    let without = Stack::new(&[system.clone(), runtime.clone()]).expect("a process");
    let error = without.open(&client).expect_err("there is no shim");
    assert!(
        error
            .to_string()
            .starts_with("Library not loaded: @rpath/libdevice.dylib"),
        "{error}"
    );
    let shim = folder.path().join("shim");
    let with = Stack::new(&[system, runtime, shim]).expect("a process");
    with.open(&client).expect("it loads with the shim");
    let function = with.find(None, "client").expect("it is exported");
    let step = with.call(function, &[]).expect("it runs");
    assert_eq!(step & 0xffff_ffff, 42);
}
