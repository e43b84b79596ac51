//! Which of several libraries of one name a loader takes, and those that lie where it does
//! not look: on Windows the program's folder, elsewhere the run path.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::make::{folder, put};
use crate::support::{rules, scan, unpacked, venv};

const OLDER: &str = "tvm-ffi-0.1.12-windows-x64/tvm_ffi/lib/tvm_ffi.dll";
const FFI: &str = "tvm-ffi-0.1.15.post2-windows-x64/tvm_ffi/lib/tvm_ffi.dll";
const RUNTIME: &str = "tvm-0.27-windows-x64/tvm/lib/tvm_runtime.dll";
const PROGRAM: &str = "__declspec(dllimport) int TVMFFITypeGetOrAllocIndex(void);\n\
    __declspec(dllimport) int TVMBackendParallelLaunch(void);\n\
    int start(void) { return TVMFFITypeGetOrAllocIndex() + TVMBackendParallelLaunch(); }\n";

fn zig(folder: &Path, arguments: &[&str]) {
    let mut zig = Command::new(venv("tools").join("bin/python"));
    zig.current_dir(folder).args(["-m", "ziglang"]);
    let status = zig.args(arguments).status().expect("zig starts");
    assert!(status.success(), "{arguments:?}");
}

/// A folder of an application: DLLs of the wheels by where they are put.
fn application(root: &Path, files: &[(&str, &str)]) -> PathBuf {
    let app = root.join("app");
    for (from, to) in files {
        let bytes = std::fs::read(unpacked("").join(from)).expect("a DLL of the wheels");
        put(&app, to, bytes);
    }
    app
}

/// A Windows program that is linked with the runtime and tvm-ffi.
fn program(app: &Path) -> PathBuf {
    let build = folder();
    put(&build, "app.c", PROGRAM);
    for (name, symbol) in [
        ("tvm_ffi", "TVMFFITypeGetOrAllocIndex"),
        ("tvm_runtime", "TVMBackendParallelLaunch"),
    ] {
        let exports = format!("LIBRARY {name}.dll\nEXPORTS\n{symbol}\n");
        put(&build, &format!("{name}.def"), exports);
        let (from, to) = (format!("{name}.def"), format!("{name}.lib"));
        zig(
            build.path(),
            &["dlltool", "-m", "i386:x86-64", "-d", &from, "-l", &to],
        );
    }
    let link = [
        "cc",
        "-O2",
        "-target",
        "x86_64-windows-gnu",
        "-nostdlib",
        "-Wl,-e,start",
    ];
    let inputs = ["-o", "app.exe", "app.c", "tvm_ffi.lib", "tvm_runtime.lib"];
    zig(build.path(), &[&link[..], &inputs].concat());
    put(
        app,
        "app.exe",
        std::fs::read(build.path().join("app.exe")).expect("linked"),
    )
}

fn codes(report: &Value, severity: &str) -> Vec<String> {
    rules(report, &[severity])
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn of_two_dlls_of_one_name_the_one_beside_the_program_is_taken() {
    let root = folder();
    let files = [
        (RUNTIME, "tvm_runtime.dll"),
        (FFI, "TVM_FFI.dll"),
        (OLDER, "old/tvm_ffi.dll"),
    ];
    let app = application(root.path(), &files);
    program(&app);
    let (report, status) = scan([&app]);
    // A process that loads both by their paths still ends; this one does not.
    assert_eq!((codes(&report, "error"), status), (vec![], 0), "{report:#}");
    assert_eq!(codes(&report, "warning"), ["AC206"], "{report:#}");
    // The other way round no symbol of the newer one helps.
    let root = folder();
    let files = [
        (RUNTIME, "tvm_runtime.dll"),
        (OLDER, "tvm_ffi.dll"),
        (FFI, "new/tvm_ffi.dll"),
    ];
    let app = application(root.path(), &files);
    program(&app);
    let (report, status) = scan([&app]);
    let errors = ["AC204", "AC207"].map(String::from).to_vec();
    assert_eq!((codes(&report, "error"), status), (errors, 1), "{report:#}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_dll_in_a_folder_that_is_not_searched_is_not_found() {
    let root = folder();
    let files = [(RUNTIME, "tvm_runtime.dll"), (FFI, "lib/tvm_ffi.dll")];
    let app = application(root.path(), &files);
    let exe = program(&app);
    let (report, status) = scan([&app]);
    // PATH may name the folder.
    assert_eq!(
        (codes(&report, "warning"), status),
        (vec![], 0),
        "{report:#}"
    );
    let notes = codes(&report, "info");
    assert_eq!(notes, ["AC205"], "{report:#}");
    let needs = report["verdicts"][0]["needs"].to_string();
    assert!(
        needs.contains("tvm_ffi.dll where the loader looks"),
        "{report:#}"
    );
    let whole = [app.as_os_str(), "--complete".as_ref()];
    let (report, status) = scan(whole);
    assert_eq!((codes(&report, "error"), status), (vec!["AC205".into()], 1));
    let findings = report["findings"].as_array().expect("findings").iter();
    let says: Vec<&Value> = findings.map(|one| &one["runtime_says"]).collect();
    let alone = "[WinError 126] The specified module could not be found";
    let program = "The code execution cannot proceed because tvm_ffi.dll was not found. \
        Reinstalling the program may fix this problem.";
    assert!(
        says.iter().all(|said| **said == alone || **said == program),
        "{says:?}"
    );
    assert!(says.iter().any(|said| **said == program), "{says:?}");
    // Beside the program it is found, however it is spelled.
    std::fs::rename(app.join("lib/tvm_ffi.dll"), app.join("Tvm_Ffi.DLL")).expect("moved");
    let (report, status) = scan(whole);
    assert_eq!(
        (report["findings"].as_array().map(Vec::len), status),
        (Some(0), 0),
        "{report:#}"
    );
    // A library alone says nothing of the program that loads it.
    std::fs::remove_file(exe).expect("removed");
    let (report, status) = scan([&app]);
    assert_eq!(
        (report["findings"].as_array().map(Vec::len), status),
        (Some(0), 0),
        "{report:#}"
    );
}

/// What Python's own loading of tvm-ffi settles: a copy in another package's folder that no
/// one finds first.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn python_has_loaded_its_tvm_ffi_before() {
    let root = folder();
    let site = "Lib/site-packages";
    let files = [
        (RUNTIME, format!("{site}/tvm/lib/tvm_runtime.dll")),
        (OLDER, format!("{site}/tvm/lib/tvm_ffi.dll")),
        (FFI, format!("{site}/tvm_ffi/lib/tvm_ffi.dll")),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(from, to)| (*from, to.as_str()))
        .collect();
    let app = application(root.path(), &files);
    let (report, status) = scan([&app]);
    assert_eq!((codes(&report, "error"), status), (vec![], 0), "{report:#}");
    assert_eq!(codes(&report, "warning"), ["AC206"], "{report:#}");
}

/// A library for macOS that needs libtvm in one piece (mlc-llm #3516).
fn needs_libtvm(folder: &Path) -> PathBuf {
    let build = tempfile::tempdir_in(folder).expect("a folder");
    put(
        &build,
        "tvm.c",
        "int TVMBackendGetFuncFromEnv(void) { return 0; }\n",
    );
    put(
        &build,
        "client.c",
        "int TVMBackendGetFuncFromEnv(void);\nint call(void) { return TVMBackendGetFuncFromEnv(); }\n",
    );
    let link = ["cc", "-target", "aarch64-macos", "-shared"];
    let libtvm = [
        "-Wl,-install_name,@rpath/libtvm.dylib",
        "-o",
        "libtvm.dylib",
        "tvm.c",
    ];
    zig(build.path(), &[&link[..], &libtvm].concat());
    let client = [
        "-Wl,-rpath,@loader_path",
        "-Wl,-install_name,@rpath/libmlc_llm_module.dylib",
        "-o",
        "libmlc_llm_module.dylib",
        "client.c",
        "libtvm.dylib",
    ];
    zig(build.path(), &[&link[..], &client].concat());
    let made = build.path().join("libmlc_llm_module.dylib");
    put(
        folder,
        "libmlc_llm_module.dylib",
        std::fs::read(made).expect("linked"),
    )
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn libtvm_in_one_piece_is_nowhere_beside_the_parts() {
    let root = folder();
    let client = needs_libtvm(root.path());
    let client = client.as_os_str();
    let split = unpacked("tvm-0.27-macos-arm64");
    let runtime = |name: &'static str| ["--runtime".as_ref(), name.as_ref()];
    // Alone it may be for a runtime that has it, and so is it with one.
    let alone = scan([client]);
    let older = scan([client].into_iter().chain(runtime("tvm-0.21")));
    for (report, status) in [alone, older] {
        assert_eq!((codes(&report, "error"), status), (vec![], 0), "{report:#}");
        assert_eq!(codes(&report, "warning"), ["AC205"], "{report:#}");
    }
    let named = scan([client].into_iter().chain(runtime("tvm-0.27")));
    let files = scan([client, "--runtime".as_ref(), split.as_os_str()]);
    let whole = scan([client, "--complete".as_ref()]);
    let together = scan([client, split.as_os_str()]);
    for (report, status) in [named, files, whole, together] {
        assert_eq!(
            (codes(&report, "error"), status),
            (vec!["AC205".into()], 1),
            "{report:#}"
        );
        let findings = report["findings"].as_array().expect("findings");
        let error = findings
            .iter()
            .find(|one| one["severity"] == "error")
            .expect("one");
        assert_eq!(
            error["runtime_says"],
            "Library not loaded: @rpath/libtvm.dylib"
        );
        assert!(
            error["help"].to_string().contains("libtvm was split"),
            "{error:#}"
        );
    }
}
