//! Functions that are there under a condition: Python's, those of the part for a device,
//! those of TVM's compiler.

use std::path::{Path, PathBuf};

use crate::support::make::{corpus, folder, put, renamed};
use crate::support::{rules, scan, venv};

/// The dense library with another function in the place of one whose name is as long.
fn calling(folder: &Path, name: &str) -> PathBuf {
    let bytes = std::fs::read(corpus("tvm-0.27/dense-ext-cpu-x86_64.so")).expect("the corpus");
    let known = [
        "transpose",
        "vm.builtin.copy",
        "vm.builtin.match_shape",
        "vm.builtin.check_tuple_info",
    ];
    let old = known.iter().find(|old| old.len() == name.len());
    let written = |name: &str| [&(name.len() as u64).to_le_bytes(), name.as_bytes()].concat();
    let bytes = renamed(bytes, &written(old.expect("one as long")), &written(name));
    put(folder, "m.so", bytes)
}

/// The status on a runtime of a library that calls a function, what it needs there, and the
/// rules that it breaks.
fn said(name: &str, runtime: &Path) -> (String, String, Vec<String>) {
    let folder = folder();
    let file = calling(folder.path(), name);
    let (report, _) = scan([file.as_os_str(), "-r".as_ref(), runtime.as_os_str()]);
    let verdict = &report["verdicts"][0];
    let status = verdict["status"].as_str().expect("a status").to_owned();
    let needs = verdict["needs"].to_string();
    (status, needs, rules(&report, &["error"]))
}

#[test]
fn what_a_release_registers_under_a_condition_is_one() {
    for (name, brought_by) in [
        ("vm.builtin.debug_print", "the Python package apache-tvm"),
        ("vm.builtin.hexagon.dma_copy", "libtvm_runtime_hexagon"),
        ("device_api.cuda", "libtvm_runtime_cuda"),
        ("topi.asin", "libtvm_compiler"),
    ] {
        let (status, needs, _) = said(name, Path::new("tvm-0.27"));
        assert_eq!(status, "fits-if", "{name}: {needs}");
        assert!(needs.contains(brought_by), "{name}: {needs}");
    }
    for name in [
        "topa.asin",
        "vm.builtin.hexagon.dma_COPY",
        "topi.azin",
        "relax.Var",
    ] {
        let (status, _, errors) = said(name, Path::new("tvm-0.27"));
        assert_eq!(
            (status.as_str(), errors),
            ("breaks", vec!["AC103".to_owned()])
        );
    }
}

/// What the compilers of other releases register is told, and of what is not known nothing.
#[test]
fn a_name_that_begins_as_a_compilers_is_looked_up() {
    for (name, runtime, words) in [
        ("relax.Var", "tvm-0.27", "has `relax.Var` in TVM's compiler"),
        (
            "topi.azin",
            "tvm-0.27",
            "that of no known release registers this one",
        ),
        ("topi.asin", "tvm-0.24", "registers `topi.asin`"),
        ("topi.azin", "tvm-0.24", "registers `topi.azin`"),
    ] {
        let folder = folder();
        let file = calling(folder.path(), name);
        let (report, _) = scan([file.as_os_str(), "-r".as_ref(), runtime.as_ref()]);
        assert!(report.to_string().contains(words), "{name}, {runtime}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_real_runtime_has_what_its_parts_have() {
    let runtime = venv("tvm-0.27");
    for (name, expected, need) in [
        ("vm.builtin.debug_print", "fits", ""),
        ("vm.builtin.hexagon.dma_copy", "breaks", ""),
        // In the wheel, whose part for CUDA loads where CUDA is.
        ("device_api.cuda", "fits-if", "libcuda.so.1"),
        ("topi.asin", "fits-if", "libtvm_compiler"),
        ("topi.azin", "breaks", ""),
        ("relax.Var", "breaks", ""),
    ] {
        let (status, needs, errors) = said(name, &runtime);
        assert_eq!(status, expected, "{name}: {needs} {errors:?}");
        assert!(needs.contains(need), "{name}: {needs}");
    }
}
