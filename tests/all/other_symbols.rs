//! Symbols that are neither TVM's nor the system's: what compilers call, and
//! functions of libraries that a file names or does not. What really happens is
//! asked of the loader.

use std::path::Path;

use serde_json::Value;

use crate::support::make::{folder, library, loader, model, put};
use crate::support::{rules, scan, venv};

const HALF: &str = "unsigned short __truncsfbf2(float);\n\
    int twice(float x) { return 2 * __truncsfbf2(x); }\n";
const OTHER: &str = "float my_gemm(float);\nfloat call(float x) { return my_gemm(x); }\n";
const BASE: &str = "float expf(float); void *memcpy(void *, const void *, unsigned long);\n\
    float call(float x) { float y; memcpy(&y, &x, 4); return expf(y); }\n";

/// The findings on symbols. Of the model's own functions none is there.
fn findings(path: &Path) -> Vec<Value> {
    let (report, _) = scan([path, Path::new("--runtime"), Path::new("tvm-0.27")]);
    let findings = report["findings"].as_array().expect("findings").iter();
    findings
        .filter(|one| one["rule"] == "AC203")
        .cloned()
        .collect()
}

#[test]
fn what_the_compiler_calls_must_come_with_the_library() {
    let top = folder();
    // Nothing calls it: what opens a model library lazily never looks for it.
    let idle = model(top.path(), "idle.so", HALF, &["-nostdlib"]);
    let found = findings(&idle);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["severity"], "warning");
    let evidence = found[0]["evidence"].to_string();
    assert!(evidence.contains("only `twice` uses it"), "{evidence}");
    let kernel = format!("{HALF}int __tvm_ffi_twice(float x) {{ return twice(x); }}\n");
    let lazy = model(
        top.path(),
        "lazy.so",
        &kernel,
        &["-nostdlib", "-fno-inline"],
    );
    let found = findings(&lazy);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["severity"], "error");
    assert_eq!(found[0]["runtime_says"], "undefined symbol: __truncsfbf2");
    let evidence = found[0]["evidence"].to_string();
    assert!(
        evidence.contains("its first call in `twice` ends the process"),
        "{evidence}"
    );
    assert!(evidence.contains("GCC 13"), "{evidence}");
    assert!(
        found[0]["help"]
            .to_string()
            .contains("libgcc or compiler-rt")
    );
    let now = model(top.path(), "now.so", HALF, &["-nostdlib", "-Wl,-z,now"]);
    let evidence = findings(&now)[0]["evidence"].to_string();
    assert!(
        evidence.contains("used by `twice`, looked for at load, which fails"),
        "{evidence}"
    );
    // Defined by what it was linked with.
    let source =
        format!("unsigned short __truncsfbf2(float x) {{ return (unsigned short)x; }}\n{HALF}");
    let whole = model(top.path(), "whole.so", &source, &[]);
    assert_eq!(findings(&whole), [Value::Null; 0]);
}

#[test]
fn functions_of_other_libraries_are_looked_for_where_the_file_names_them() {
    let top = folder();
    let missing = model(top.path(), "missing.so", OTHER, &[]);
    let found = findings(&missing);
    assert_eq!(found[0]["runtime_says"], "undefined symbol: my_gemm");
    let said = loader(&missing).expect("the loader refuses it");
    assert!(said.ends_with("undefined symbol: my_gemm"), "{said}");
    // Named, and found beside it.
    let provider = library(
        top.path(),
        "libgemm.so",
        "float my_gemm(float x) { return x; }\n",
        &["-Wl,-soname,libgemm.so"],
    );
    let search = format!("-L{}", top.path().display());
    let named = ["-Wl,-rpath,$ORIGIN", search.as_str(), "-lgemm"];
    let named = model(top.path(), "named.so", OTHER, &named);
    assert_eq!(findings(&named), [Value::Null; 0]);
    assert_eq!(loader(&named), None);
    // Named, and defines something else.
    library(
        top.path(),
        "libgemm.so",
        "int other;\n",
        &["-Wl,-soname,libgemm.so"],
    );
    assert_eq!(
        findings(&named)[0]["runtime_says"],
        "undefined symbol: my_gemm"
    );
    assert!(
        loader(&named)
            .expect("refused")
            .ends_with("undefined symbol: my_gemm")
    );
    // Named, and not there: it could define anything.
    std::fs::remove_file(provider).expect("removed");
    assert!(!rules(&scan([&named]).0, &["error"]).contains(&"AC203".to_owned()));
    // Data is looked for before any function.
    let data = "extern int zz_data; int *where(void) { return &zz_data; }\n";
    let both = model(top.path(), "both.so", &format!("{OTHER}{data}"), &[]);
    let found = findings(&both);
    assert_eq!(found[0]["runtime_says"], "undefined symbol: zz_data");
    assert!(
        loader(&both)
            .expect("refused")
            .ends_with("undefined symbol: zz_data")
    );
}

/// A library of the system whose symbols are not known may define a C name, and no C++ one.
#[test]
fn a_library_of_the_system_may_define_more_than_is_known() {
    let top = folder();
    // A stand-in: what is asked is the name.
    let expat = library(
        top.path(),
        "libexpat.so.1",
        "int x;\n",
        &["-Wl,-soname,libexpat.so.1"],
    );
    let named = ["-Wl,--no-as-needed", expat.to_str().expect("text")];
    let open = model(top.path(), "open.so", OTHER, &named);
    assert_eq!(findings(&open), [Value::Null; 0]);
    let (report, _) = scan([&open, Path::new("--runtime"), Path::new("tvm-0.27")]);
    let why = "`my_gemm` may be defined by the system's libexpat.so.1";
    assert!(report.to_string().contains(why), "{report:#}");
    let cxx = OTHER.replace("my_gemm", "_ZN2my4gemmEf");
    let cxx = model(top.path(), "cxx.so", &cxx, &named);
    let found = findings(&cxx);
    assert_eq!(found[0]["runtime_says"], "undefined symbol: _ZN2my4gemmEf");
}

/// A part for a device that this machine cannot open defines nothing for others, and makes
/// nothing undecided.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn parts_for_devices_hide_no_lacking_symbol() {
    let top = folder();
    let inner = "float my_gemm(float); float inner(float x) { return my_gemm(x); }\n";
    let flags = ["-Wl,-soname,libinner.so", "-Wl,-z,now"];
    let inner = library(top.path(), "libinner.so", inner, &flags);
    let named = [
        "-Wl,--no-as-needed",
        "-Wl,-rpath,$ORIGIN",
        inner.to_str().expect("text"),
    ];
    let file = model(top.path(), "model.so", "int none;\n", &named);
    let said = loader(&file).expect("the loader refuses it");
    assert!(said.ends_with("undefined symbol: my_gemm"), "{said}");
    let (report, _) = scan([&file, Path::new("--runtime"), &venv("tvm-0.27")]);
    let errors = rules(&report, &["error"]);
    assert!(errors.contains(&"AC203".to_owned()), "{report:#}");
}

#[test]
fn what_every_system_has_is_no_finding() {
    let top = folder();
    // Linked without any library, so that no symbol has a version.
    let bare = model(top.path(), "bare.so", BASE, &["-nostdlib"]);
    assert_eq!(findings(&bare), [Value::Null; 0]);
    assert_eq!(loader(&bare), None);
    let weak = "float my_gemm(float) __attribute__((weak));\n\
        float call(float x) { return my_gemm ? my_gemm(x) : x; }\n";
    let weak = model(top.path(), "weak.so", weak, &["-nostdlib"]);
    assert_eq!(findings(&weak), [Value::Null; 0]);
}

#[test]
fn what_loads_a_client_may_define_more() {
    let top = folder();
    let source = "void TVMFFIErrorSetRaisedFromCStr(const char *, const char *);\n\
        void host(void); void call(void) { host(); TVMFFIErrorSetRaisedFromCStr(\"a\", \"b\"); }\n";
    let client = library(top.path(), "libclient.so", source, &[]);
    let (report, status) = scan([
        client.as_path(),
        Path::new("--runtime"),
        Path::new("tvm-0.27"),
    ]);
    assert_eq!((rules(&report, &["error", "warning"]), status), (vec![], 4));
    let said = report.to_string();
    assert!(said.contains("`host` is defined by no library"), "{said}");
}

/// A kernel for macOS may ask any library for a name: one that no known library has is
/// undecided, one of C's own is not.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_dylib_asks_every_library() {
    let top = folder();
    let verdict = |name: &str| {
        let source =
            format!("float {name}(float); float __tvm_ffi_f(float x) {{ return {name}(x); }}\n");
        put(&top, "a.c", source);
        let file = top.path().join(format!("{name}.dylib"));
        let done = std::process::Command::new(venv("tools").join("bin/python"))
            .current_dir(top.path())
            .args([
                "-m",
                "ziglang",
                "cc",
                "-target",
                "aarch64-macos",
                "-dynamiclib",
            ])
            .args(["-Wl,-undefined,dynamic_lookup", "a.c", "-o"])
            .arg(&file)
            .status();
        assert!(done.expect("zig runs").success());
        let (report, status) = scan([
            file.as_path(),
            Path::new("--runtime"),
            Path::new("tvm-0.27"),
        ]);
        (report["verdicts"][0]["status"].clone(), status)
    };
    assert_eq!(verdict("my_gemm"), ("undecided".into(), 4));
    assert_eq!(verdict("tanhf").1, 0);
    // glibc and libgcc have them, libSystem has not.
    assert_eq!(verdict("memrchr"), ("undecided".into(), 4));
    assert_eq!(verdict("__truncsfbf2"), ("undecided".into(), 4));
}

/// What the runtime's other parts need is not loaded with a library that names tvm-ffi.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_that_names_tvm_ffi_is_asked_for_every_symbol() {
    let top = folder();
    let python = venv("tvm-0.27");
    let ffi = crate::support::site_packages("tvm-0.27").join("tvm_ffi/lib");
    let flag = format!("-L{}", ffi.display());
    let flags = [&flag, "-Wl,--no-as-needed", "-ltvm_ffi"];
    let source = "int nosuch(void); int (*slot)(void) = nosuch;\n";
    let file = model(top.path(), "needs.so", source, &flags);
    for runtime in [python.as_path(), Path::new("tvm-0.27")] {
        let (report, status) = scan([&file, Path::new("-r"), runtime]);
        let errors = rules(&report, &["error"]);
        assert!(errors.contains(&"AC203".to_owned()), "{errors:?}");
        assert_eq!(status, 1);
    }
}

/// The lists of what macOS and Windows export are zig's of today.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_lists_of_other_systems_are_as_the_tool_writes_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let asked = std::process::Command::new(venv("tools").join("bin/python"))
        .args(["-c", "import ziglang; print(ziglang.__path__[0])"])
        .output()
        .expect("Python runs");
    let zig = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    let at = |file: &str| Path::new(&zig).join("lib/libc").join(file);
    let mingw = |file: &str| at("mingw/lib-common").join(file);
    let of_windows = [
        "kernel32.def.in",
        "ucrtbase-common.def.in",
        "vcruntime140-common.def.in",
    ];
    for (list, files) in [
        ("macos_symbols", vec![at("darwin/libSystem.tbd")]),
        ("windows_symbols", of_windows.map(mingw).to_vec()),
    ] {
        let made = std::process::Command::new("python3")
            .arg(root.join("tools/system_symbols"))
            .args(files)
            .output()
            .expect("Python runs");
        let file = root.join("crates/inspect/data").join(list);
        let known = std::fs::read(file.with_extension("txt")).expect("the list");
        assert!(
            made.stdout == known,
            "{list}: make it again with tools/system_symbols"
        );
    }
}
