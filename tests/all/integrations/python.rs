//! The Python package: its typed layer over the program that is built here, and the examples
//! of `docs/install.md`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::{blocks, read, tools, words};
use crate::support::project::project;
use crate::support::root;

/// Python with the package and the program under test, in a folder.
fn python(folder: &Path, path: &str, arguments: &[&str]) -> Output {
    Command::new("python3")
        .args(arguments)
        .current_dir(folder)
        .env("PATH", path)
        .env(
            "PYTHONPATH",
            std::env::join_paths([root().join("python"), ".".into()]).expect("text"),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 starts")
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_python_layer_passes_its_own_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = tools(folder.path());
    let run = python(
        root(),
        &path,
        &["-m", "unittest", "discover", "-s", "python/tests"],
    );
    assert!(run.status.success(), "{}", words(&run));
    assert!(words(&run).contains("Ran 4 tests"), "{}", words(&run));
}

/// The first example is a test, which fails in a project with bad libraries.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_documented_test_fails_where_a_library_does_not_run() {
    let folder = project("");
    let path = tools(folder.path());
    let test = blocks(&read("docs/install.md"), "python").remove(0);
    let script = format!("{test}\ntest_the_libraries_run_on_what_we_ship()\n");
    let run = python(folder.path(), &path, &["-c", &script]);
    assert_eq!(run.status.code(), Some(1));
    assert!(words(&run).contains("FindingsError: AC"), "{}", words(&run));
    for (name, ..) in crate::support::project::BAD {
        fs::remove_file(folder.path().join("dist").join(name)).expect("removed");
    }
    let run = python(folder.path(), &path, &["-c", &script]);
    assert!(run.status.success(), "{}", words(&run));
}

/// The second is a build script. In the place of mlc-llm stands what it would write.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_documented_build_script_keeps_what_runs() {
    let build = blocks(&read("docs/install.md"), "python").remove(1);
    let run = |compiled: &str| {
        let folder = project("");
        let path = tools(folder.path());
        let model = folder.path().join("dist/qwen3-q4f16_1-MLC");
        fs::create_dir(model).expect("made");
        let compiler =
            format!("import shutil, sys\nshutil.copy('dist/{compiled}', sys.argv[-1])\n");
        fs::write(folder.path().join("mlc_llm.py"), compiler).expect("written");
        let run = python(folder.path(), &path, &["-c", &build]);
        let kept = folder
            .path()
            .join("dist/libs/qwen3-q4f16_1-cpu.so")
            .exists();
        (run.status.code(), kept, words(&run))
    };
    let (status, kept, said) = run("chat-good.so");
    assert_eq!((status, kept), (Some(0), true), "{said}");
    let (status, kept, said) = run("chat-tag.so");
    assert_eq!((status, kept), (Some(1), false), "{said}");
    assert!(
        said.contains("does not run on what we ship (status 1)"),
        "{said}"
    );
}
