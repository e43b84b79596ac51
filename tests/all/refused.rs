//! Model libraries that a loader refuses whole, that hide from it what the runtime asks for
//! by name, or that ask for what nothing has. What really happens is asked of the loader.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::make::{corpus, folder, library, loader, model, put};
use crate::support::scan;

const ANY: &str = "int any(void) { return 0; }\n";

fn tls(bytes: usize) -> String {
    format!(
        "static __thread char big[{bytes}] __attribute__((tls_model(\"initial-exec\")));\n\
         char *at(int i) {{ return big + i; }}\n"
    )
}

/// A report on 0.27, and its findings of one rule.
fn on_0_27(file: &Path, rule: &str) -> (Value, Vec<Value>) {
    let (report, _) = scan([file, Path::new("--runtime"), Path::new("tvm-0.27")]);
    let findings = report["findings"].as_array().expect("findings").iter();
    let findings = findings.filter(|one| one["rule"] == rule).cloned();
    let findings = findings.collect();
    (report, findings)
}

/// A library with some bytes of its header changed.
fn with_header(folder: &Path, name: &str, at: usize, byte: u8) -> PathBuf {
    let mut bytes = std::fs::read(model(folder, name, ANY, &[])).expect("read");
    bytes[at] = byte;
    put(folder, name, bytes)
}

#[test]
fn what_dlopen_refuses_is_told_in_its_words() {
    let top = folder();
    let top = top.path();
    let big = tls(800_000);
    for (file, words) in [
        (
            model(top, "closed.so", ANY, &["-Wl,-z,nodlopen"]),
            "shared object cannot be dlopen()ed",
        ),
        (
            with_header(top, "program.so", 16, 2),
            "cannot dynamically load executable",
        ),
        (
            with_header(top, "system.so", 7, 9),
            "ELF file OS ABI invalid",
        ),
        (
            model(top, "tls.so", &big, &[]),
            "cannot allocate memory in static TLS block",
        ),
    ] {
        let said = loader(&file).expect("the loader refuses it");
        assert!(said.contains(words), "{said}");
        let (report, found) = on_0_27(&file, "AC001");
        assert_eq!(found.len(), 1, "{file:?}: {report}");
        assert_eq!(found[0]["runtime_says"], words, "{file:?}");
    }
    for (name, source) in [("any.so", ANY.to_owned()), ("small.so", tls(512))] {
        let file = model(top, name, &source, &[]);
        assert_eq!(loader(&file), None);
        assert_eq!(on_0_27(&file, "AC001").1, [Value::Null; 0], "{name}");
    }
}

#[test]
fn kernels_that_the_loader_cannot_see_are_not_there() {
    let top = folder();
    let count = |source: &str| {
        let file = model(top.path(), "model.so", source, &[]);
        on_0_27(&file, "AC103").1
    };
    let lost = count(ANY);
    let message = lost[0]["message"].as_str().expect("a message");
    let kernel = message.split('`').nth(1).expect("a name");
    let seen = count(&format!("int __tvm_ffi_{kernel}(void) {{ return 0; }}\n"));
    assert_eq!(seen.len() + 1, lost.len());
    let hidden = count(&format!(
        "__attribute__((visibility(\"hidden\"))) int __tvm_ffi_{kernel}(void) {{ return 0; }}\n"
    ));
    assert_eq!(hidden.len(), lost.len());
}

#[test]
fn functions_that_kernels_look_up_are_looked_for() {
    let top = folder();
    let callee = |name: &str, more: &str| {
        let source = format!(
            "__asm__(\".local .tvm_func.{name}\\n.comm .tvm_func.{name},8,8\\n\");\n{more}{ANY}"
        );
        let file = model(top.path(), "model.so", &source, &[]);
        let (report, found) = on_0_27(&file, "AC103");
        let mut messages = found.iter().map(|one| one["message"].to_string());
        let is_lost = messages.any(|message| message.contains(&format!("a kernel calls `{name}`")));
        (is_lost, report["verdicts"][0]["status"].clone())
    };
    assert!(callee("my.absent", "").0);
    assert!(!callee("vm.builtin.copy", "").0);
    // A library that registers functions when it is loaded may register this one.
    let own = "int TVMFFIFunctionSetGlobal(const void *, void *, int);\n\
        __attribute__((constructor)) static void add(void) { TVMFFIFunctionSetGlobal(0, 0, 0); }\n";
    let (is_lost, status) = callee("my.absent", own);
    assert_eq!((is_lost, status), (false, Value::from("undecided")));
}

#[test]
fn a_library_that_nothing_has_is_a_need() {
    let top = folder();
    let dep = library(top.path(), "libdep.so", ANY, &["-Wl,-soname,libdep.so"]);
    let flags = ["-Wl,--no-as-needed", dep.to_str().expect("text")];
    let own = "int other(void) { return 1; }\n";
    let file = model(top.path(), "model.so", own, &flags);
    std::fs::remove_file(dep).expect("removed");
    let said = loader(&file).expect("the loader refuses it");
    assert!(
        said.contains("libdep.so: cannot open shared object file"),
        "{said}"
    );
    let (report, found) = on_0_27(&file, "AC205");
    assert_eq!(found.len(), 1, "{report}");
    let message = found[0]["message"].as_str().expect("a message");
    assert_eq!(message, "needs `libdep.so` of the machine");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn webassembly_that_no_engine_compiles_is_told() {
    let top = folder();
    let sound = std::fs::read(corpus("tvm-0.27/embedding-webgpu.wasm")).expect("read");
    let compiles = |file: &Path| {
        let script = "new WebAssembly.Module(require('fs').readFileSync(process.argv[1]))";
        let node = Command::new("node").args(["-e", script]).arg(file).output();
        node.expect("node").status.success()
    };
    let whole = put(top.path(), "whole.wasm", &sound);
    assert!(compiles(&whole));
    assert_eq!(on_0_27(&whole, "AC001").1, [Value::Null; 0]);
    // The form of the first type.
    let form = sound.iter().skip(8).position(|byte| *byte == 0x60);
    let mut bytes = sound;
    bytes[8 + form.expect("a type")] = 0x61;
    let damaged = put(top.path(), "damaged.wasm", bytes);
    assert!(!compiles(&damaged));
    assert_eq!(on_0_27(&damaged, "AC001").1.len(), 1);
}
