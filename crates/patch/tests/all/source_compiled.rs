//! The patched `attn_backend.cc`, compiled against each wheel and asked for its tags.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{RELEASES, Release, fixture, succeed};
use artcheck_patch::source::{SourceOptions, run};

const ATTN: &str = "src/runtime/vm/attn_backend.cc";
const HEADER: &str = "include/tvm/runtime/device_api.h";

/// Compiles and links the five-site program with an `attn_backend.cc`, runs it.
fn ask_five_sites(release: Release, attn_backend: &Path, dir: &Path) -> String {
    let (tvm, ffi) = (release.tvm("linux-x86_64"), release.ffi("linux-x86_64"));
    let program = dir.join("five_sites");
    let mut compile = Command::new("g++");
    compile
        .args(["-std=c++20", "-O0", "-w", "-o"])
        .arg(&program);
    for include in [
        tvm.join("include"),
        tvm.join("src/runtime/vm"),
        ffi.join("include"),
    ] {
        compile.arg("-I").arg(include);
    }
    compile.arg("-I").arg(ffi.join("3rdparty/dlpack/include"));
    compile.arg("-I").arg(fixture("programs/stand_ins"));
    compile
        .arg(fixture("programs/five_sites.cc"))
        .arg(attn_backend);
    for lib in [
        tvm.join("lib/libtvm_runtime.so"),
        ffi.join("lib/libtvm_ffi.so"),
    ] {
        compile.arg(&lib);
        compile.arg(format!(
            "-Wl,-rpath,{}",
            lib.parent().expect("a folder").display()
        ));
    }
    succeed(&mut compile);
    succeed(Command::new(&program).args(["tir", "tirx", "tvm"]))
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_compiled_patch_accepts_both_tags_at_all_five_sites() {
    for release in RELEASES.iter().copied() {
        let tree = tempfile::tempdir().expect("a temporary folder");
        for path in [ATTN, HEADER] {
            let copy = tree.path().join(path);
            fs::create_dir_all(copy.parent().expect("a parent")).expect("a folder");
            fs::copy(release.tvm("linux-x86_64").join(path), copy).expect("the wheel's file");
        }
        let path = tree.path().join(ATTN);
        let before = ask_five_sites(release, &path, tree.path());
        let options = SourceOptions {
            tvm_dir: tree.path().to_owned(),
            out: None,
            apply: true,
        };
        run(&options).expect("applied");
        let after = ask_five_sites(release, &path, tree.path());
        let count = |text: &str, wanted: &str| text.matches(wanted).count();
        assert_eq!(
            count(&before, " tir rejected: Cannot reach here\n"),
            5,
            "{before}"
        );
        assert_eq!(count(&before, " tirx accepted\n"), 5, "{before}");
        assert_eq!(count(&after, " tir accepted\n"), 5, "{after}");
        assert_eq!(count(&after, " tirx accepted\n"), 5, "{after}");
        assert_eq!(
            count(&after, " tvm rejected: Cannot reach here\n"),
            5,
            "{after}"
        );
    }
}
