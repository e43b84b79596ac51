//! Libraries that provide what a client or a model asks of its runtime: in the
//! client's closure, or loaded first; what only lies beside it; and shims of `patch
//! shim`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{artcheck, root, rules, scan, venv};

const CLIENT: &str = "void *TVMDeviceAPIGet(int); void TVMDeviceAPIDestroy(void *);\n\
    void client(void) { TVMDeviceAPIDestroy(TVMDeviceAPIGet(1)); }\n";
const WHOLE: &str = "void *TVMDeviceAPIGet(int d) { return (void *)(long)(d + 1); }\n\
    void TVMDeviceAPIDestroy(void *device) { (void)device; }\n";
const HALF: &str = "void *TVMDeviceAPIGet(int d) { return (void *)(long)(d + 1); }\n";

/// Compiles a library with the system's C compiler.
fn library(source: &str, out: &Path, flags: &[&str]) {
    let folder = out.parent().expect("a folder");
    std::fs::create_dir_all(folder).expect("a folder");
    let file = folder.join("source.c");
    std::fs::write(&file, source).expect("written");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(out)
        .arg(&file)
        .args(flags)
        .status();
    assert!(compiled.expect("a C compiler").success());
    std::fs::remove_file(file).expect("removed");
}

/// Codes of the errors of a scan on TVM 0.27.
fn errors(paths: &[&Path], with: &[&Path]) -> Vec<String> {
    let mut args: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    args.extend(["--runtime".into(), "tvm-0.27".into()]);
    for file in with {
        args.extend(["--with".into(), file.to_path_buf()]);
    }
    rules(&scan(args).0, &["error"])
}

/// Whether a library loads, and its function returns, in a process of its own.
fn calls(library: &Path, preload: Option<&Path>) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, program) = (folder.path().join("load.c"), folder.path().join("load"));
    let text = "#include <dlfcn.h>\nint main(int n, char **a) {\n\
        void *l = dlopen(a[1], RTLD_NOW); if (!l) return 1;\n\
        ((void (*)(void))dlsym(l, \"client\"))(); return 0; }\n";
    std::fs::write(&source, text).expect("written");
    let compiled = Command::new("cc")
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .arg("-ldl")
        .status();
    assert!(compiled.expect("a C compiler").success());
    let mut command = Command::new(&program);
    command.arg(library);
    if let Some(preload) = preload {
        command.env("LD_PRELOAD", preload);
    }
    command.status().expect("it starts").success()
}

#[test]
fn a_library_of_the_same_process_provides() {
    let top = tempfile::tempdir().expect("a folder");
    let top = top.path();
    let client = top.join("app/libclient.so");
    library(CLIENT, &client, &[]);
    assert_eq!(errors(&[top], &[]), ["AC201"]);
    // In another folder, and asked for by nobody: another process for all we know.
    let provider = top.join("other/libdevice.so");
    library(WHOLE, &provider, &["-Wl,-soname,libdevice.so"]);
    assert_eq!(errors(&[top], &[]), ["AC201"]);
    assert_eq!(errors(&[&client], &[&provider]), [""; 0]);
    // In its closure: needed by what it needs.
    let between = top.join("lib/libbetween.so");
    let other = format!("-L{}", top.join("other").display());
    library(
        "int between(void) { return 1; }\n",
        &between,
        &[
            &other,
            "-Wl,--no-as-needed",
            "-ldevice",
            "-Wl,-rpath,$ORIGIN/../other",
        ],
    );
    let lib = format!("-L{}", top.join("lib").display());
    let far = [
        &lib,
        "-Wl,--no-as-needed",
        "-lbetween",
        "-Wl,-rpath,$ORIGIN/../lib",
    ];
    library(CLIENT, &client, &far);
    assert_eq!(errors(&[top], &[]), [""; 0]);
    assert_eq!(errors(&[&client], &[]), [""; 0]);
    // Beside it, where nothing loads it.
    library(CLIENT, &client, &[]);
    let beside = top.join("app/libdevice.so");
    std::fs::copy(&provider, &beside).expect("copied");
    assert_eq!(errors(&[top], &[]), ["AC201"]);
    let (report, status) = scan([
        &client,
        &beside,
        Path::new("--runtime"),
        Path::new("tvm-0.27"),
    ]);
    assert_eq!(status, 1);
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    let of_client = verdicts
        .iter()
        .find(|one| one["artifact"] == client.to_str().expect("text"));
    let preload = format!("LD_PRELOAD={}", beside.display());
    assert_eq!(of_client.expect("a verdict")["runs_with"], preload);
    // The loader says so too.
    assert!(!calls(&client, None));
    assert!(calls(&client, Some(&beside)));
    // Named by the client, it is loaded with it.
    let here = format!("-L{}", top.join("app").display());
    let flags = [
        &here,
        "-Wl,--no-as-needed",
        "-ldevice",
        "-Wl,-rpath,$ORIGIN",
    ];
    library(CLIENT, &client, &flags);
    assert_eq!(errors(&[top], &[]), [""; 0]);
    assert!(calls(&client, None));
    // With half of it.
    library(HALF, &beside, &[]);
    assert_eq!(errors(&[top], &[]), ["AC201"]);
    let (report, _) = scan([
        &client,
        Path::new("--runtime"),
        Path::new("tvm-0.27"),
        Path::new("--with"),
        &top.join("app/libdevice.so"),
    ]);
    assert_eq!(
        report["findings"][0]["locations"][0]["symbol"],
        "TVMDeviceAPIDestroy"
    );
}

#[test]
fn only_a_library_can_be_loaded_first() {
    for (file, expected) in [
        ("README.md", "is not a shared library"),
        ("absent.so", "absent.so"),
    ] {
        let output = artcheck()
            .args(["scan", "corpus/artifacts/synthetic", "--with", file])
            .output();
        let output = output.expect("artcheck starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

/// Finding, shim, and no finding: for each part on real wheels. That models run
/// with these shims is shown in `patch_cli`, `verify_cli` and the tests of
/// `artcheck-patch`.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_shim_settles_what_it_was_made_for() {
    let top = tempfile::tempdir().expect("a folder");
    let top = top.path();
    let client = top.join("client/libclient.so");
    library(CLIENT, &client, &[]);
    let corpus = root().join("corpus/artifacts");
    for (file, runtime, rule) in [
        (client, "tvm-0.27", "AC201"),
        (
            corpus.join("tvm-0.25/extcall-cpu-x86_64.so"),
            "tvm-0.26",
            "AC202",
        ),
        (
            corpus.join("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so"),
            "tvm-0.26",
            "AC101",
        ),
        (
            corpus.join("synthetic/dense-ext-0.26-config-6-cpu-x86_64.so"),
            "tvm-0.26",
            "AC105",
        ),
    ] {
        let runtime = venv(runtime);
        let scanned = |with: &[&Path]| {
            let mut args = vec![file.clone(), "--runtime".into(), runtime.clone()];
            for shim in with {
                args.extend(["--with".into(), shim.to_path_buf()]);
            }
            rules(&scan(args).0, &["error"])
        };
        let before = scanned(&[]);
        assert!(before.contains(&rule.to_owned()), "{rule}: {before:?}");
        let shim = top.join(rule).join("libshim.so");
        std::fs::create_dir_all(top.join(rule)).expect("a folder");
        let built = artcheck()
            .args(["patch", "shim", "--runtime"])
            .arg(&runtime)
            .arg("--for")
            .arg(&file)
            .arg("--out")
            .arg(&shim)
            .output()
            .expect("artcheck starts");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        assert_eq!(scanned(&[&shim]), [""; 0], "{rule}");
        // `fix` agrees: nothing is left to repair.
        let fixed = artcheck()
            .arg("fix")
            .arg(&file)
            .arg("--runtime")
            .arg(&runtime)
            .arg("--with")
            .arg(&shim)
            .output()
            .expect("artcheck starts");
        let said = String::from_utf8_lossy(&fixed.stdout).into_owned();
        assert_eq!(fixed.status.code(), Some(0), "{rule}: {said}");
    }
    // A shim for one thing settles no other.
    let tag = corpus.join("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    let (report, _) = scan([
        tag,
        "--runtime".into(),
        venv("tvm-0.26"),
        "--with".into(),
        top.join("AC202/libshim.so"),
    ]);
    assert!(rules(&report, &["error"]).contains(&"AC101".to_owned()));
}

/// A shim that is linked to the runtime of another environment brings that runtime when it
/// is loaded first: two registries. What happens is asked of Python.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_is_loaded_first_must_be_linked_to_the_same_runtime() {
    let top = tempfile::tempdir().expect("a folder");
    let model = root().join("corpus/artifacts/tvm-0.25/dense-ext-cpu-x86_64.so");
    let load = "import sys, tvm; tvm.runtime.load_module(sys.argv[1])";
    let built_for = |name: &str| {
        let shim = top.path().join(format!("{name}.so"));
        let mut command = artcheck();
        command.args(["patch", "shim", "--for"]).arg(&model);
        command
            .arg("--runtime")
            .arg(venv(name))
            .arg("--out")
            .arg(&shim);
        assert!(command.output().expect("artcheck starts").status.success());
        shim
    };
    for shim in ["tvm-0.26", "tvm-0.27"] {
        let library = built_for(shim);
        for runtime in ["tvm-0.26", "tvm-0.27"] {
            let python = Command::new(venv(runtime).join("bin/python"))
                .args(["-c", load])
                .arg(&model)
                .env("LD_PRELOAD", &library)
                .output()
                .expect("Python starts");
            let (report, status) = scan([
                &model,
                Path::new("--runtime"),
                &venv(runtime),
                Path::new("--with"),
                &library,
            ]);
            let expected = match python.status.success() {
                true => vec![],
                false => vec!["AC206".to_owned()],
            };
            assert_eq!(python.status.success(), shim == runtime, "{shim} {runtime}");
            assert_eq!(rules(&report, &["error"]), expected, "{shim} {runtime}");
            assert_eq!(status, i32::from(!expected.is_empty()));
            let said = String::from_utf8_lossy(&python.stderr).into_owned();
            for finding in report["findings"].as_array().expect("findings") {
                let words = finding["runtime_says"].as_str().unwrap_or_default();
                assert!(said.contains(words), "{words}: {said}");
            }
        }
        // Beside the model it is no cure for another runtime.
        let beside = top.path().join(format!("beside-{shim}"));
        std::fs::create_dir(&beside).expect("a folder");
        std::fs::copy(&model, beside.join("model.so")).expect("copied");
        std::fs::copy(&library, beside.join("shim.so")).expect("copied");
        for runtime in ["tvm-0.26", "tvm-0.27"] {
            let (report, _) = scan([&beside, Path::new("--runtime"), &venv(runtime)]);
            let verdicts = report["verdicts"].as_array().expect("verdicts");
            let mut verdicts = verdicts.iter();
            let cured = verdicts.any(|one| one["runs_with"].is_string());
            assert_eq!(cured, shim == runtime, "{shim} {runtime}");
        }
    }
}

/// A library that is loaded first and asks for what the runtime does not have.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_is_loaded_first_must_find_its_symbols() {
    let top = tempfile::tempdir().expect("a folder");
    let first = top.path().join("libfirst.so");
    let source = "int TVMBackendGetFuncFromEnv(void *, const char *, void **);\n\
        int TVMMine(void) { return TVMBackendGetFuncFromEnv(0, 0, 0); }\n";
    library(source, &first, &["-Wl,-z,now"]);
    let model = root().join("corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so");
    let python = Command::new(venv("tvm-0.27").join("bin/python"))
        .args(["-c", "1"])
        .env("LD_PRELOAD", &first)
        .status();
    assert!(!python.expect("Python starts").success());
    let runtime = venv("tvm-0.27");
    let args = [
        &model,
        Path::new("--runtime"),
        &runtime,
        Path::new("--with"),
        &first,
    ];
    let (report, status) = scan(args);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC203".to_owned()], 1)
    );
}
