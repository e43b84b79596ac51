//! A Mac's runtime in the emulator, as a user runs it: rows give the reference's
//! tokens, a failing pair fails as predicted, and the shim mends it as a dylib.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::Command;

use artcheck_metal_sim::macho::stack::{Stack, Zig, prepare};
use artcheck_metal_sim::{Options, prepare_metal};
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
    verified(folder, &text, &[])
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

/// A fault on the device comes back through Metal's own ways: the command buffer's
/// error and the completion handler of TVM's part. TVM raises it when a tensor is
/// freed, in a destructor, so its process ends with these words.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_fault_of_a_kernel_is_the_runtimes_error() {
    let folder = TempDir::new().expect("a folder");
    let original = root().join("corpus/artifacts/tvm-0.27/dense-metal-macos-arm64.dylib");
    let mut bytes = std::fs::read(original).expect("the library is readable");
    let find = |from: usize, text: &str| {
        let mut windows = bytes[from..].windows(text.len());
        from + windows.position(|w| w == text.as_bytes()).expect(text)
    };
    let read = "weight3_ptr[((long)threadIdx)]";
    let at = find(find(0, "kernel void rms_norm_kernel("), read);
    bytes[at..at + read.len()].copy_from_slice(b"weight3_ptr[1+(long)threadIdx]");
    let library = folder.path().join("dense.dylib");
    std::fs::write(&library, bytes).expect("written");
    let model = ("dense", library.as_path());
    let row = row_on_metal(folder.path(), model, &[], &["--guard"]);
    let failure = row["failure"].to_string();
    for part in [
        "tvm::ffi::Error: GPUError",
        "kernel `rms_norm_kernel`: thread (63,0,0) of threadgroup (0,0,0) reads out of bounds",
    ] {
        assert!(failure.contains(part), "{part}: {failure}");
    }
}

/// One row for Metal on the runtime of 0.27 for macOS, with the simulated device.
fn row_on_metal(
    folder: &Path,
    (model, library): (&str, &Path),
    shims: &[PathBuf],
    more: &[&str],
) -> Value {
    let reference = root().join(format!("corpus/reference/expected/{model}.json#short"));
    let runtime = ["tvm-ffi-0.1.15.post2", "tvm-0.27"];
    let runtime = runtime.map(|name| part(&format!("unpacked/{name}-macos-arm64")));
    let text = format!(
        "schema = 1\n[runtimes.mac]\npaths = {runtime:?}\n\
         [[row]]\nname = \"row\"\nmodel = \"{model}\"\nlibrary = {library:?}\n\
         runtime = \"mac\"\ndevice = \"metal-sim\"\nweights = \"random:7\"\nshims = {shims:?}\n\
         tokenizer = \"bytes\"\nmax_tokens = 64\ntime_limit = 900\n\
         prompt = [{{ expect = {{ reference = {reference:?} }} }}]\n"
    );
    verified(folder, &text, more)
}

/// AC107 on the part for Metal of a Mac: a payload in the order before 0.24 ends its
/// loader. With the shim's dylib the row gives the reference's embedding.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_shim_for_macos_mends_an_old_payload() {
    let folder = TempDir::new().expect("a folder");
    let library = folder.path().join("embedding.dylib");
    let original = "corpus/artifacts/tvm-0.26/embedding-metal-macos-arm64.dylib";
    let converted = artcheck()
        .args(["patch", "convert", "--for", "tvm-0.23", "--partial"])
        .arg(root().join(original))
        .arg("-o")
        .arg(&library)
        .output()
        .expect("artcheck starts");
    let errors = String::from_utf8_lossy(&converted.stderr);
    assert!(converted.status.success(), "{errors}");
    let model = ("embedding", library.as_path());
    let row = row_on_metal(folder.path(), model, &[], &[]);
    let message = row["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("ffi.ModuleLoadFromFile"), "{row:#}");
    let shim = shim_of("metal-payload", folder.path());
    let row = row_on_metal(folder.path(), model, &[shim], &[]);
    assert_eq!(row["outcome"], "passed", "{row:#}");
}

/// A part of the shim as a dylib for the runtime of 0.27, in a folder of its own.
fn shim_of(part_name: &str, folder: &Path) -> PathBuf {
    let shim = folder.join("shim/libdevice.dylib");
    std::fs::create_dir(folder.join("shim")).expect("a folder");
    let built = with_zig()
        .args(["patch", "shim", "--part", part_name, "--runtime"])
        .arg(part("unpacked/tvm-0.27-macos-arm64"))
        .arg("--runtime")
        .arg(part("unpacked/tvm-ffi-0.1.15.post2-macos-arm64"))
        .arg("--out")
        .arg(&shim)
        .output()
        .expect("artcheck starts");
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{errors}");
    shim
}

/// The only row of a matrix, without a look at its files first.
fn verified(folder: &Path, text: &str, more: &[&str]) -> Value {
    let matrix = folder.join("matrix.toml");
    std::fs::write(&matrix, text).expect("written");
    let output = with_zig()
        .arg("verify")
        .arg(&matrix)
        .args(["--no-precheck", "--format", "json"])
        .args(more)
        .output()
        .expect("artcheck starts");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    report["rows"][0].clone()
}

/// The client in Rust as an archive for macOS; nothing, and why, where Rust's library for
/// macOS could not be installed (`tools/emulator-needs`).
fn rust_client(folder: &Path) -> Option<String> {
    if let Ok(reason) = std::fs::read_to_string(root().join("target/macos-rust-not-run")) {
        eprintln!("{reason}");
        return None;
    }
    let archive = folder.join("libclient.a").display().to_string();
    let done = Command::new("rustc")
        .args(["--edition", "2024", "--target", "aarch64-apple-darwin"])
        .args(["--crate-type", "staticlib", "-Awarnings", "-o", &archive])
        .arg(root().join("tests/all/macos_stack/client.rs"))
        .status()
        .expect("rustc runs");
    assert!(done.success());
    Some(format!("-Wl,-force_load,{archive}"))
}

/// A program as a library for macOS, linked to these: what zig makes one of.
fn compiled(program: &str, folder: &Path, libraries: &[PathBuf]) -> PathBuf {
    let to = folder.join("libclient.dylib");
    let words: Vec<String> = zig().split(' ').map(str::to_owned).collect();
    let done = Command::new(&words[0])
        .args(&words[1..])
        .args(["cc", "-target", "aarch64-macos", "-dynamiclib", "-o"])
        .arg(&to)
        .arg(program)
        .current_dir(root())
        .args(libraries)
        .status()
        .expect("zig runs");
    assert!(done.success());
    to
}

fn system() -> PathBuf {
    let command = zig().split(' ').map(str::to_owned).collect();
    prepare(&Zig { command }, &Options::default().cache_folder()).expect("the stand-ins")
}

/// A client in Rust, linked to the device-api part, does not load without it, in dyld's
/// words, and gets its bytes back through the Mac's own runtime with it.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_client_runs_with_the_device_part() {
    let folder = TempDir::new().expect("a folder");
    let shim = shim_of("device-api", folder.path());
    let Some(archive) = rust_client(folder.path()) else {
        return;
    };
    let ffi = part("unpacked/tvm-ffi-0.1.15.post2-macos-arm64/tvm_ffi/lib/libtvm_ffi.dylib");
    let client = compiled(&archive, folder.path(), &[shim, ffi]);
    let runtime = runtime(folder.path());
    let without = Stack::new(&[system(), runtime.clone()]).expect("a process");
    let error = without.open(&client).expect_err("there is no shim");
    assert!(
        error
            .to_string()
            .starts_with("Library not loaded: @rpath/libdevice.dylib"),
        "{error}"
    );
    let with = Stack::new(&[system(), runtime, folder.path().join("shim")]).expect("a process");
    with.open(&client).expect("it loads with the shim");
    let function = with.find(None, "client").expect("it is exported");
    let cpu = 1;
    let step = with.call(function, &[cpu]).expect("it runs");
    assert_eq!(step & 0xffff_ffff, 42);
}

/// The client of all functions that the tests of `patch` run on Linux, on Metal: through
/// the shim's dylib, the wheel's own part for Metal and the stand-in for Metal. Without
/// the shim it does not load; without a device behind Metal it finds none.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn bytes_go_round_on_metal() {
    let folder = TempDir::new().expect("a folder");
    let shim = shim_of("device-api", folder.path());
    let ffi = part("unpacked/tvm-ffi-0.1.15.post2-macos-arm64/tvm_ffi/lib/libtvm_ffi.dylib");
    let source = "crates/patch/tests/programs/device_client.c";
    let client = compiled(source, folder.path(), &[shim, ffi]);
    let metal = part("unpacked/tvm-0.27-macos-arm64/tvm/lib/libtvm_runtime_metal.dylib");
    let texts = [
        c"client".to_owned(),
        c"8".to_owned(),
        CString::new(metal.as_os_str().as_encoded_bytes()).expect("no zero byte"),
    ];
    let words: Vec<u64> = texts.iter().map(|text| text.as_ptr() as u64).collect();
    let run = |stack: Stack| {
        stack.open(&client).map_err(|error| error.to_string())?;
        let main = stack.find(None, "main").expect("it is exported");
        let status = stack.call(main, &[words.len() as u64, words.as_ptr() as u64]);
        status.map(|s| s & 0xffff_ffff).map_err(|e| e.to_string())
    };
    let runtime = runtime(folder.path());
    let folders = [system(), runtime, folder.path().join("shim")];
    let error = run(Stack::new(&folders[..2]).expect("a process")).expect_err("no shim");
    assert!(
        error.starts_with("Library not loaded: @rpath/libdevice.dylib"),
        "{error}"
    );
    let without = run(Stack::new(&folders).expect("a process"));
    assert_eq!(without, Ok(1), "there is no device");
    let device = prepare_metal(&Options::default()).expect("the device builds");
    let with = run(Stack::with_metal(&folders, &device.path).expect("a process"));
    assert_eq!(with, Ok(0));
}

/// What a runtime itself lacks is said, and not what the simulated device is built with.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_wheel_alone_lacks_the_other() {
    let folder = TempDir::new().expect("a folder");
    let library = root().join("corpus/artifacts/tvm-0.27/dense-metal-macos-arm64.dylib");
    let side = folder.path().join("side");
    std::fs::create_dir(&side).expect("a folder");
    let wheel = "tvm-0.27-macos-arm64";
    let unpacked = part(&format!("unpacked/{wheel}"));
    std::os::unix::fs::symlink(unpacked, side.join(wheel)).expect("a link");
    let verified = with_zig()
        .arg("verify")
        .arg(library)
        .args([
            "--weights",
            "random:1",
            "--device",
            "metal-sim",
            "--runtime",
        ])
        .arg(side)
        .output()
        .expect("artcheck starts");
    let text = String::from_utf8_lossy(&verified.stdout);
    assert!(
        text.contains("no libtvm_ffi.so or libtvm_ffi.dylib below"),
        "{text}"
    );
    assert!(!text.contains("device_api.h"), "{text}");
}
