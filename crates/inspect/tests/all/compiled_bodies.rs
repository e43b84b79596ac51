//! VM functions compiled to host code, against the same program as bytecode: compiled by
//! every release that can, for both architectures that are read, they make the same calls
//! of builtins, with the same arguments.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use artcheck_inspect::container;
use artcheck_inspect::module::{ModelLibrary, locate};
use artcheck_inspect::rules::Facts;
use artcheck_inspect::vm::calls::all_calls;
use artcheck_inspect::vm::{Argument, ConstantValue, Executable};

const KINDS: &str = "cache-compiled branch loop closure helpers tag-from-function \
                     config-from-function match-cast application nested-tuples scalars shapes \
                     symbolic branch-in-branch packed-parameters dynamic-call nothing-passed \
                     float-scalar bool-parameters dynamic-batch copies-and-results";

fn parts() -> PathBuf {
    let home = std::env::var_os("HOME").expect("a home");
    std::env::var_os("ARTCHECK_PARTS").map_or_else(
        || Path::new(&home).join(".cache/artcheck/parts"),
        PathBuf::from,
    )
}

fn library(path: &Path) -> ModelLibrary {
    let bytes = std::fs::read(path).expect("a library");
    let parsed = container::parse(&bytes).expect("an image");
    let mut found = locate::find(&parsed[0]);
    assert_eq!(found.len(), 1, "{}", path.display());
    found.remove(0)
}

/// What kernels call is read of a library that was linked without a table of its functions.
#[test]
fn functions_are_found_without_a_table_of_them() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts");
    let folder = tempfile::tempdir().expect("a folder");
    for name in [
        "tvm-0.25/extcall-cpu-x86_64.so",
        "tvm-0.27/dense-ext-cpu-x86_64.so",
    ] {
        let sound = corpus.join(name);
        let mut bytes = std::fs::read(&sound).expect("the corpus");
        let table = 0x6474_e550_u32.to_le_bytes();
        let headers = (64..64 + 56 * usize::from(bytes[56])).step_by(56);
        let mut headers = headers.filter(|at| bytes[*at..at + 4] == table);
        let at = headers.next().expect("PT_GNU_EH_FRAME");
        bytes[at..at + 4].fill(0);
        let file = folder.path().join("m.so");
        std::fs::write(&file, bytes).expect("written");
        let calls = library(&file).host_calls;
        assert!(!calls.is_empty(), "{name}");
        assert_eq!(calls, library(&sound).host_calls, "{name}");
    }
}

/// Calls of builtins, by function, each as text; the order within one is that of the code,
/// which the compiler may change where the ways part, so it is not compared.
fn calls(executable: &Executable) -> Vec<String> {
    let name = |index: i64| {
        let index = usize::try_from(index).expect("an index");
        executable.functions[index].name.as_str()
    };
    let argument = |argument: Argument| match argument {
        Argument::Constant(index) => {
            let index = usize::try_from(index).expect("an index");
            match &executable.constants[index].value {
                // Not where its bytes are in the file.
                ConstantValue::Tensor { dtype, shape, .. } => format!("{dtype:?} {shape:?}"),
                other => format!("{other:?}"),
            }
        }
        Argument::Function(index) => name(index).to_owned(),
        // Registers are numbered by either compiler as it likes.
        Argument::Register(_) => String::from("register"),
        other => format!("{other:?}"),
    };
    let mut calls: Vec<String> = all_calls(executable)
        .filter(|call| name(call.callee).starts_with("vm.builtin."))
        // Compiled code copies a result where bytecode names its register, and calls a VM
        // function by this builtin where bytecode calls it as it is.
        .filter(|call| {
            !["vm.builtin.copy", "vm.builtin.invoke_closure"].contains(&name(call.callee))
        })
        .map(|call| {
            let args: Vec<String> = call.args.iter().map(argument).collect();
            let function = &executable.functions[call.function].name;
            format!("{function}: {}({})", name(call.callee), args.join(", "))
        })
        .collect();
    calls.sort();
    // The compiler may put one call's code in two places, or that of two in one.
    calls.dedup();
    calls
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn compiled_bodies_make_the_calls_of_the_bytecode() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut compared = 0;
    let mut differing = Vec::new();
    for release in ["0.25", "0.26", "0.27"] {
        let folder = tempfile::tempdir().expect("a folder");
        let python = parts().join(format!("venv/tvm-{release}/bin/python"));
        let status = Command::new(python)
            .arg(root.join("tests/pairs/both_modes.py"))
            .arg(folder.path())
            .args(KINDS.split_whitespace())
            .status()
            .expect("the compiler");
        assert!(status.success());
        for kind in KINDS.split_whitespace() {
            for architecture in ["x86_64", "aarch64"] {
                let path = |mode| {
                    folder
                        .path()
                        .join(format!("{kind}-{architecture}-{mode}.so"))
                };
                if !path("compiled").exists() || !path("bytecode").exists() {
                    continue; // the release cannot compile it
                }
                let (bytecode, compiled) = (library(&path("bytecode")), library(&path("compiled")));
                let what = format!("{kind}, {architecture}, {release}");
                if let Some(why) = compiled.unread() {
                    differing.push(format!("{what}: {why}"));
                    continue;
                }
                let blob = bytecode.blob.as_ref().expect("a blob");
                let (_, wanted) = blob.executables().next().expect("an executable");
                let read = &compiled.recovered[0].executable;
                let (read, wanted) = (calls(read), calls(wanted));
                let missing: Vec<_> = wanted.iter().filter(|it| !read.contains(it)).collect();
                let more: Vec<_> = read.iter().filter(|it| !wanted.contains(it)).collect();
                if read != wanted {
                    differing.push(format!("{what}: missing {missing:?}, more {more:?}"));
                }
                compared += 1;
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(compared >= 90, "only {compared} pairs were compared");
}

/// Checks of parameters part the compiled code where the bytecode has no branch: a call that
/// fails on every run is seen behind them all the same.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn calls_that_fail_are_seen_behind_checks() {
    const KINDS: [&str; 4] = ["wrong-view", "wrong-item", "wrong-type", "wrong-condition"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut compared = 0;
    for release in ["0.25", "0.26", "0.27"] {
        let folder = tempfile::tempdir().expect("a folder");
        let status = Command::new(parts().join(format!("venv/tvm-{release}/bin/python")))
            .arg(root.join("tests/pairs/both_modes.py"))
            .arg(folder.path())
            .args(KINDS)
            .status();
        assert!(status.expect("the compiler").success());
        let misfits = |name: String| {
            let library = library(&folder.path().join(name));
            let provides = BTreeSet::new();
            let blob = library.blob.as_ref().expect("a blob");
            let facts = Facts::of(&library, blob, &provides);
            let all = facts.programs[0].misfits.keys();
            all.map(|misfit| format!("{misfit:?}")).collect::<Vec<_>>()
        };
        for kind in KINDS {
            let wanted = misfits(format!("{kind}-x86_64-bytecode.so"));
            assert!(!wanted.is_empty(), "{kind}, {release}");
            for architecture in ["x86_64", "aarch64"] {
                let found = misfits(format!("{kind}-{architecture}-compiled.so"));
                assert_eq!(found, wanted, "{kind}, {architecture}, {release}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 24);
}

/// Kernels that became part of the functions that call them: loops, and copies by C's
/// library, stand between the calls.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_whole_model_is_read() {
    const KIND: &str = "model-dense";
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = tempfile::tempdir().expect("a folder");
    let status = Command::new(parts().join("venv/tvm-0.27/bin/python"))
        .arg(root.join("tests/pairs/both_modes.py"))
        .args([folder.path(), Path::new(KIND)])
        .status();
    assert!(status.expect("the compiler").success());
    for architecture in ["x86_64", "aarch64"] {
        let of_mode = |mode| {
            let name = format!("{KIND}-{architecture}-{mode}.so");
            library(&folder.path().join(name))
        };
        let (bytecode, compiled) = (of_mode("bytecode"), of_mode("compiled"));
        assert_eq!(compiled.unread(), None, "{architecture}");
        let blob = bytecode.blob.as_ref().expect("a blob");
        let (_, wanted) = blob.executables().next().expect("an executable");
        let caches = |executable: &Executable| {
            let all = calls(executable).into_iter();
            let caches = all.filter(|call| call.contains("kv_cache_create"));
            caches.collect::<Vec<_>>()
        };
        let read = caches(&compiled.recovered[0].executable);
        assert!(!read.is_empty());
        assert_eq!(read, caches(wanted), "{architecture}");
    }
}
