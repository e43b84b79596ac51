//! Rows of another system: its program, by its emulator.

use std::path::{Path, PathBuf};

use artcheck_verify::{Class, parse};

use crate::common::{
    Matrix, artifact, child, failure, not_run, part, passed, reference, text, wheels,
};

/// A runtime of another system, as a matrix has it.
fn other(name: &str, paths: &[PathBuf], program: &str, emulator: &[&str]) -> String {
    format!(
        "[runtimes.{name:?}]\npaths = {paths:?}\nprogram = {program:?}\nemulator = {emulator:?}\n"
    )
}

fn on(name: &str) -> (&'static str, String) {
    ("runtime", format!("{name:?}"))
}

#[test]
fn without_the_emulator_the_row_is_not_run_and_the_reason_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().to_owned()];
    let program = child().program.display().to_string();
    let report = Matrix::new()
        .text(&other(
            "away",
            &paths,
            &program,
            &["no-such-emulator", "-L", "/"],
        ))
        .text(&other("unbuilt", &paths, "/no/such/program", &["env"]))
        .row("away", &[on("away")])
        .row("unbuilt", &[on("unbuilt")])
        .run();
    let reason = not_run(&report, "away");
    assert!(
        reason.starts_with("no-such-emulator: could not be started: "),
        "{reason}"
    );
    assert_eq!(not_run(&report, "unbuilt"), "no program /no/such/program");
}

/// `env` runs a program, as an emulator does.
#[cfg(unix)]
#[test]
fn the_emulator_runs_the_program_with_its_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().to_owned()];
    let program = child().program.display().to_string();
    let report = Matrix::new()
        .text(&other("here", &paths, &program, &["env", "LC_ALL=C"]))
        .text(&other("broken", &paths, &program, &["false"]))
        .row("here", &[on("here")])
        .row("broken", &[on("broken")])
        .run();
    // The child looked into the empty folder and said what it lacks.
    let message = &failure(&report, "here").message;
    assert!(message.contains("libtvm_ffi"), "{message}");
    assert_eq!(failure(&report, "broken").class, Class::Exit);
}

#[test]
fn an_emulator_without_a_program_is_refused() {
    let matrix = "schema = 1\n[runtimes.x]\npaths = []\nemulator = [\"wine\"]\n\
        [[row]]\nname = \"a\"\nmodel = \"m\"\nlibrary = \"l\"\nweights = \"random:1\"\n\
        device = \"cpu\"\nruntime = \"x\"\nprompt = [{ tokens = [1] }]\n";
    let error = parse(Path::new("m.toml"), matrix).unwrap_err().to_string();
    assert!(error.contains("`emulator` needs a `program`"), "{error}");
}

/// The wheels for arm64 Linux run their libraries here and give the reference's values.
/// tests/systems has all the rows.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn rows_of_the_aarch64_wheels_pass_in_the_emulator() {
    let program = child().program;
    let target = program.ancestors().nth(3).expect("the target folder");
    // Only where Rust's library for the system could not be had; tests/run says it too.
    if let Ok(reason) = std::fs::read_to_string(target.join("aarch64-not-run")) {
        return eprintln!("{reason}");
    }
    let program = target.join("aarch64-unknown-linux-gnu/debug/examples/verify");
    assert!(
        program.is_file(),
        "no {}: run tools/aarch64-needs",
        program.display()
    );
    let program = program.display().to_string();
    let emulator = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"];
    let mut matrix = Matrix::new();
    for (release, ffi) in wheels() {
        let name = format!("aarch64-{release}");
        let paths = [
            part(&format!("unpacked/tvm-{release}-linux-aarch64")),
            part(&format!("unpacked/tvm-ffi-{ffi}-linux-aarch64")),
        ];
        let library = artifact(&format!("tvm-{release}/embedding-cpu-aarch64.so"));
        matrix = matrix.text(&other(&name, &paths, &program, &emulator)).row(
            release,
            &[
                on(&name),
                ("library", text(&library)),
                ("prompt", reference("embedding", "short")),
            ],
        );
    }
    let report = matrix.run();
    for (release, _) in wheels() {
        assert!(passed(&report, release), "{report:#?}");
    }
}
