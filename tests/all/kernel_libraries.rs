//! Libraries of kernels without a model, and what is loaded before them: held against what
//! the wheels do with the same files.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{artcheck, rules, scan, site_packages, text, venv};

/// A kernel that looks up a function which every release registers.
const KERNEL: &str = "import sys, tvm\n\
    from tvm import tirx\n\
    x = tirx.Var('x', 'int32')\n\
    call = tirx.Evaluate(tirx.call_packed('runtime.NumThreads'))\n\
    main = tirx.PrimFunc([x], call).with_attr('global_symbol', 'main')\n\
    tvm.compile(tvm.IRModule({'main': main}), target='llvm').export_library(sys.argv[1])\n";

const CALL: &str = "import ctypes, sys, tvm\n\
    for first in sys.argv[2:]: ctypes.CDLL(first, ctypes.RTLD_GLOBAL)\n\
    tvm.runtime.load_module(sys.argv[1])['main'](1)\n";

/// A library of the application's own that fills the slot of 0.25.
const FILLS: &str = "extern int TVMFFIEnvModLookupFromImports(void *, const char *, void **);\n\
    extern int TVMFFIEnvModRegisterContextSymbol(const char *, void *);\n\
    __attribute__((constructor)) static void init(void) {\n\
    TVMFFIEnvModRegisterContextSymbol(\"__TVMBackendGetFuncFromEnv\", (void *)TVMFFIEnvModLookupFromImports); }\n";

fn python(release: &str, code: &str, args: &[&Path]) -> bool {
    let mut command = Command::new(venv(release).join("bin/python"));
    command.args(["-c", code]).args(args);
    command.output().expect("Python starts").status.success()
}

/// The report on a library with others before it.
fn said(library: &Path, runtime: &str, with: &[&Path]) -> (Value, Vec<String>) {
    let mut args = vec![library.to_path_buf(), "-r".into(), venv(runtime)];
    for file in with {
        args.extend(["--with".into(), file.to_path_buf()]);
    }
    let (report, _) = scan(args);
    let errors = rules(&report, &["error"]);
    (report["verdicts"][0]["status"].clone(), errors)
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_shim_fills_the_slots_of_kernels_in_both_directions() {
    let folder = tempfile::tempdir().expect("a folder");
    for (built, runtime) in [("tvm-0.27", "tvm-0.25"), ("tvm-0.25", "tvm-0.27")] {
        let library = folder.path().join(format!("{built}.so"));
        let shim = folder.path().join(format!("for-{runtime}.so"));
        assert!(python(built, KERNEL, &[&library]), "{built}");
        assert!(!python(runtime, CALL, &[&library]), "{built} on {runtime}");
        let (status, errors) = said(&library, runtime, &[]);
        assert_eq!(status, "breaks");
        assert!(errors.iter().all(|code| code == "AC202"), "{errors:?}");
        let fix = |more: &[&str]| {
            let mut command = artcheck();
            command.arg("fix").arg(&library).arg("--runtime");
            command.arg(venv(runtime)).args(more);
            text(&mut command)
        };
        let path = shim.to_str().expect("text");
        let (told, code) = fix(&["--apply", "--shim-out", path]);
        assert_eq!(code, 0, "{told}");
        let (status, errors) = said(&library, runtime, &[&shim]);
        assert_eq!((status, errors), ("fits".into(), Vec::new()));
        assert!(python(runtime, CALL, &[&library, &shim]), "with the shim");
        // Nothing says how kernels are called: that is no proof.
        let (told, code) = fix(&["--with", path, "--apply", "--prove"]);
        assert_eq!(code, 4, "{told}");
        assert!(told.contains("it holds kernels and no model"), "{told}");
    }
    let library = folder.path().join("tvm-0.25.so");
    let source = folder.path().join("fills.c");
    let fills = folder.path().join("libfills.so");
    std::fs::write(&source, FILLS).expect("written");
    let lib = site_packages("tvm-0.27").join("tvm_ffi/lib");
    let linked = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&fills, &source])
        .arg(format!("-L{}", lib.display()))
        .arg(format!("-Wl,-rpath,{}", lib.display()))
        .arg("-ltvm_ffi")
        .status();
    assert!(linked.expect("a C compiler").success());
    assert!(python("tvm-0.27", CALL, &[&library, &fills]));
    let (status, errors) = said(&library, "tvm-0.27", &[&fills]);
    assert_eq!((status, errors), ("undecided".into(), Vec::new()));
}
