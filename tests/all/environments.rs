//! Several environments, and several runtimes in one: what lies in an environment
//! runs there, and each runtime is held against a model by itself.

use std::path::{Path, PathBuf};

use crate::support::{root, rules, scan, unpacked};
use serde_json::Value;

const MODEL: &str = "corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so";
const RUNTIME: &str = "tvm/lib/libtvm_runtime.so";
const FFI: &str = "tvm_ffi/lib/libtvm_ffi.so";

/// Puts a file of a wheel, or of the repository, below an environment's packages.
fn put(environment: &Path, from: PathBuf, to: &str) -> PathBuf {
    let file = environment.join("lib/python3.11/site-packages").join(to);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::copy(from, &file).expect("copied");
    file
}

fn of_wheel(wheel: &str, file: &str) -> PathBuf {
    unpacked(&format!("{wheel}-linux-x86_64")).join(file)
}

/// Statuses by the end of the runtime's name.
fn verdicts(report: &Value) -> Vec<(String, String)> {
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let end = |name: String| {
        name.split("site-packages/")
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    let of = |verdict: &Value| (end(text(&verdict["runtime"])), text(&verdict["status"]));
    verdicts.iter().map(of).collect()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_model_in_an_environment_runs_in_that_one() {
    let top = tempfile::tempdir().expect("a folder");
    let (old, new) = (top.path().join("old"), top.path().join("new"));
    put(&old, of_wheel("tvm-0.26", RUNTIME), RUNTIME);
    put(&old, of_wheel("tvm-ffi-0.1.13.post2", FFI), FFI);
    put(&new, of_wheel("tvm-0.27", RUNTIME), RUNTIME);
    put(&new, of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
    let model = put(&new, root().join(MODEL), "app/model.so");
    for order in [[&old, &new], [&new, &old]] {
        let (report, status) = scan(order);
        assert_eq!(rules(&report, &["error", "warning"]), [""; 0]);
        assert_eq!(status, 0);
        let verdicts = verdicts(&report);
        assert_eq!(verdicts.len(), 1, "{verdicts:?}");
        assert_eq!(verdicts[0].1, "fits");
    }
    // The same model in the other one is wrong there.
    put(&old, model, "app/model.so");
    let (report, status) = scan([&old, &new]);
    assert_eq!(status, 1);
    let findings = report["findings"].as_array().expect("findings");
    let elsewhere = |finding: &Value| {
        let file = finding["artifact"].as_str().expect("a file");
        !file.contains("/old/")
    };
    assert!(!findings.iter().any(elsewhere), "{findings:#?}");
    // A file outside is held against both.
    let outside = top.path().join("model.so");
    std::fs::copy(root().join(MODEL), &outside).expect("copied");
    let (report, _) = scan([&outside, &old, &new]);
    assert_eq!(verdicts(&report).len(), 4);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn two_runtimes_of_one_environment_are_no_chimera() {
    let top = tempfile::tempdir().expect("a folder");
    let environment = top.path().join("v");
    put(&environment, of_wheel("tvm-0.27", RUNTIME), RUNTIME);
    put(
        &environment,
        of_wheel("tvm-0.26", RUNTIME),
        "fork/lib/libtvm_runtime.so",
    );
    put(&environment, of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
    let given = [root().join(MODEL), "--runtime".into(), environment.clone()];
    let (report, _) = scan(given);
    assert_eq!(rules(&report, &["error", "warning"]), [""; 0]);
    assert_eq!(verdicts(&report), [("tvm".to_owned(), "fits".to_owned())]);
    // Where neither runs it, both say why.
    let other =
        root().join("corpus/artifacts/synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so");
    let (report, status) = scan([other, "--runtime".into(), environment.clone()]);
    assert_eq!(status, 1);
    assert_eq!(verdicts(&report).len(), 2);
    // What lies in a package runs on that package's runtime.
    put(&environment, root().join(MODEL), "fork/model.so");
    let (report, status) = scan([&environment]);
    assert_eq!(status, 1);
    assert_eq!(
        verdicts(&report),
        [("fork".to_owned(), "breaks".to_owned())]
    );
}
