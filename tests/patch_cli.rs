//! `patch`, `unpatch` and `fix` as a user runs them; what they do to a file is
//! tested in the patch crate.

mod support;

use std::path::Path;
use std::process::Command;

use support::{artcheck, root, scan, venv};

const TIR: &str = "corpus/artifacts/synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so";

fn text(command: &mut Command) -> (String, i32) {
    let output = command.output().expect("artcheck starts");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (
        text,
        output.status.code().expect("artcheck exits by itself"),
    )
}

fn verdict(file: &Path, runtime: &str) -> String {
    let (report, _) = scan([
        file.as_os_str(),
        "--runtime".as_ref(),
        venv(runtime).as_os_str(),
    ]);
    report["verdicts"][0]["status"]
        .as_str()
        .expect("a status")
        .to_owned()
}

#[test]
fn retag_mends_and_unpatch_restores() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.so");
    std::fs::copy(root().join(TIR), &file).expect("copied");
    let before = std::fs::read(&file).expect("read");
    assert_eq!(verdict(&file, "tvm-0.26"), "breaks");

    let (plan, code) = text(
        artcheck()
            .args(["patch", "retag"])
            .arg(&file)
            .args(["--to", "tirx"]),
    );
    assert_eq!(code, 0, "{plan}");
    assert!(plan.contains("nothing written"), "{plan}");
    assert_eq!(std::fs::read(&file).expect("read"), before);

    let (done, code) =
        text(
            artcheck()
                .args(["patch", "retag"])
                .arg(&file)
                .args(["--to", "tirx", "--in-place"]),
        );
    assert_eq!(code, 0, "{done}");
    assert_eq!(verdict(&file, "tvm-0.26"), "fits");
    let changed = std::fs::read(&file).expect("read");
    assert_eq!(changed.len(), before.len());

    let (again, code) =
        text(
            artcheck()
                .args(["patch", "retag"])
                .arg(&file)
                .args(["--to", "tirx", "--in-place"]),
        );
    assert_eq!(code, 0, "{again}");
    assert_eq!(std::fs::read(&file).expect("read"), changed);

    let (undone, code) = text(artcheck().arg("unpatch").arg(&file));
    assert_eq!(code, 0, "{undone}");
    assert_eq!(std::fs::read(&file).expect("read"), before);
}

#[test]
fn convert_makes_a_0_27_model_fit_0_26() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("model.so");
    let source = root().join("corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so");
    assert_eq!(verdict(&source, "tvm-0.26"), "breaks");
    let (done, code) = text(
        artcheck()
            .args(["patch", "convert"])
            .arg(&source)
            .args(["--for", "tvm-0.26", "--out"])
            .arg(&out),
    );
    assert_eq!(code, 0, "{done}");
    assert_eq!(verdict(&out, "tvm-0.26"), "fits");
}

#[test]
fn fix_plans_first_and_refuses_in_plain_words() {
    let (plan, code) = text(
        artcheck()
            .arg("fix")
            .arg(root().join(TIR))
            .args(["--runtime", "tvm-0.26"]),
    );
    assert_eq!(code, 1, "{plan}");
    assert!(plan.contains("AC101"), "{plan}");
    let classic = root().join("corpus/artifacts/tvm-0.27/embedding-cpu-x86_64.so");
    let (refused, code) = text(
        artcheck()
            .arg("fix")
            .arg(classic)
            .args(["--runtime", "tvm-0.20"]),
    );
    assert_eq!(code, 1, "{refused}");
    assert!(refused.contains("AC102"), "{refused}");
}

#[test]
fn a_shim_is_chosen_from_the_findings_and_makes_the_model_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let shim = folder.path().join("libshim.so");
    let runtime = venv("tvm-0.26");
    let (done, code) = text(
        artcheck()
            .args(["patch", "shim", "--runtime"])
            .arg(&runtime)
            .arg("--for")
            .arg(root().join(TIR))
            .arg("--out")
            .arg(&shim),
    );
    assert_eq!(code, 0, "{done}");
    assert!(
        done.contains("attention-tag") && !done.contains("cache-config: the same wrapper"),
        "{done}"
    );
    let model = |preload: Option<&Path>| {
        let mut python = Command::new(runtime.join("bin/python"));
        if let Some(shim) = preload {
            python.env("LD_PRELOAD", shim);
        }
        python
            .arg(root().join("corpus/build/run_pair.py"))
            .arg(root().join(TIR))
            .args(["--steps", "2"]);
        let output = python.output().expect("the environment's Python starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(model(None).contains("Cannot reach here"));
    let mended = model(Some(&shim));
    assert!(!mended.contains("\"ok\": false"), "{mended}");
    assert!(mended.contains("\"decode\""), "{mended}");
}

#[test]
fn source_patches_are_written_for_the_tree_that_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let (done, code) = text(
        artcheck()
            .args(["patch", "source", "--tvm"])
            .arg(support::unpacked("tvm-0.27-linux-x86_64"))
            .arg("--out")
            .arg(folder.path()),
    );
    assert_eq!(code, 0, "{done}");
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names[0].starts_with("0001-") && names[1].starts_with("0002-"),
        "{names:?}"
    );
}
