//! Names and run paths of ELF libraries that the system's compiler linked.

use crate::common;
use crate::corpus;
use artcheck_patch::inplace::relocate;

use super::*;

fn gcc(folder: &Path, args: &[&str]) {
    common::succeed(Command::new("gcc").args(args).current_dir(folder));
}

fn dynamic(file: &Path) -> String {
    common::succeed(Command::new("readelf").args(["-d", "-V", "-W"]).arg(file))
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn moved_libraries_find_each_other_after_the_folders_are_taken_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let built = folder.path().join("built-here");
    std::fs::create_dir(&built).expect("a folder");
    write_sources(&built);
    // With a version, so that the needs name the library a second time.
    std::fs::write(built.join("dep.map"), "DEP_1 { TVMFFIDep; };\n").expect("a file");
    let (dep, used) = (built.join("libdep.so"), built.join("libuse.so"));
    let soname = format!("-Wl,-soname,{}", dep.display());
    gcc(
        &built,
        &[
            "-shared",
            "-fPIC",
            "dep.c",
            "-o",
            "libdep.so",
            &soname,
            "-Wl,--version-script=dep.map",
        ],
    );
    let soname = format!("-Wl,-soname,{}", used.display());
    let run_path = format!("-Wl,-rpath,{}:/opt/x/lib:/nowhere", built.display());
    let dep_path = dep.display().to_string();
    gcc(
        &built,
        &[
            "-shared",
            "-fPIC",
            "use.c",
            &dep_path,
            "-o",
            "libuse.so",
            &soname,
            &run_path,
        ],
    );
    assert!(dynamic(&used).contains(&format!("File: {dep_path}")));

    let mut edits = 0;
    for file in [&dep, &used] {
        let old = std::fs::read(file).expect("the library");
        let plan = relocate::plan(&old, None, Resign::Keep).expect("a plan");
        let new = there_and_back(file, &plan);
        assert_eq!(new.len(), old.len());
        edits += plan.edits.len();
        assert!(
            relocate::plan(&new, None, Resign::Keep)
                .expect("a plan")
                .is_empty()
        );
        let mut less = plan.clone();
        less.names.pop();
        assert!(inplace::recheck::check(&old, &new, &less).is_err());
    }
    assert_eq!(
        edits,
        1 + 4,
        "two names, a version need, a run path; one soname"
    );
    let seen = dynamic(&used);
    for wanted in [
        "Shared library: [libdep.so]",
        "Library soname: [libuse.so]",
        "[$ORIGIN:/opt/x/lib]",
        "File: libdep.so",
    ] {
        assert!(seen.contains(wanted), "no {wanted} in {seen}");
    }

    let moved = folder.path().join("moved");
    std::fs::rename(&built, &moved).expect("moved");
    let call = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).TVMFFIUse())";
    let mut python = Command::new("python3");
    let answer = common::succeed(python.args(["-c", call]).arg(moved.join("libuse.so")));
    assert_eq!(answer, "8\n");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_run_path_that_cannot_be_overwritten_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write_sources(folder);
    let refused = |args: &[&str]| {
        gcc(
            folder,
            &[&["-shared", "-fPIC", "dep.c", "-o", "lib.so"], args].concat(),
        );
        let bytes = std::fs::read(folder.join("lib.so")).expect("the library");
        relocate::plan(&bytes, None, Resign::Keep)
            .expect_err("refused")
            .to_string()
    };
    let error = refused(&["-Wl,-rpath,/b"]);
    assert!(
        error.contains("the run path \"$ORIGIN\" instead of \"/b\" needs 5 more bytes"),
        "{error}"
    );
    assert!(error.contains("patchelf --set-rpath '$ORIGIN'"), "{error}");
    // The linker lets a soname be the end of a longer string.
    let error = refused(&["-Wl,-rpath,/home/me/build/out.so", "-Wl,-soname,out.so"]);
    assert!(
        error.contains("another entry of the dynamic section reads the same bytes"),
        "{error}"
    );
    // And a symbol.
    std::fs::write(folder.join("dep.c"), "int TVMFFIDep(void) { return 7; }\n").expect("a file");
    let error = refused(&["-Wl,-rpath,/home/me/build/TVMFFIDep"]);
    assert!(
        error.contains("the name of a symbol reads the same bytes"),
        "{error}"
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn cut_and_changed_files_never_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write_sources(folder);
    gcc(
        folder,
        &[
            "-shared",
            "-fPIC",
            "dep.c",
            "-o",
            "lib.so",
            "-Wl,-rpath,/home/me/build",
            "-Wl,-soname,/home/me/build/lib.so",
        ],
    );
    let bytes = std::fs::read(folder.join("lib.so")).expect("the library");
    assert!(
        !relocate::plan(&bytes, None, Resign::Keep)
            .expect("a plan")
            .is_empty()
    );
    for end in (0..bytes.len()).step_by(13) {
        let _ = relocate::plan(&bytes[..end], None, Resign::Keep);
    }
    for at in 0..bytes.len() {
        let byte = [0, 0x7f, 0xff][at % 3];
        let changed = corpus::with(&bytes, at..at + 1, &[byte]);
        if let Ok(plan) = relocate::plan(&changed, None, Resign::Keep) {
            assert!(plan.apply_to(&changed).is_some());
        }
    }
}
