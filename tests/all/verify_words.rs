//! What `verify` says where nothing can be run, and that a reader who goes away changes no
//! result.

use std::io::Read as _;
use std::process::Stdio;

use crate::support::{artcheck, root, text, venv};
use tempfile::TempDir;

/// `artcheck verify` on a matrix with this text.
fn verify(matrix: &str, more: &[&str]) -> (String, i32) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("m.toml");
    std::fs::write(&file, matrix).expect("written");
    text(artcheck().arg("verify").arg(&file).args(more))
}

#[test]
fn a_matrix_without_rows_says_so_and_so_do_options_that_leave_none() {
    let (said, status) = verify("schema = 1\n", &[]);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("m.toml has no rows"), "{said}");
    let row = "schema = 1\n[runtimes.r]\npaths = [\"r\"]\n[[row]]\nname = \"a\"\nmodel = \"m\"\n\
               library = \"l\"\nweights = \"random:1\"\ndevice = \"cpu\"\nruntime = \"r\"\n\
               prompt = [{ tokens = [1] }]\n";
    let (said, status) = verify(row, &["--only", "other"]);
    assert_eq!(status, 3, "{said}");
    assert!(
        said.contains("m.toml: none of its rows is chosen by --only and --device"),
        "{said}"
    );
}

#[test]
fn a_variable_that_is_not_set_is_named_once() {
    let mut asked = artcheck();
    asked.args(["verify", "matrix/mission.toml"]);
    asked
        .env_remove("ARTCHECK_MODELS")
        .env_remove("ARTCHECK_RUNTIME");
    let (said, status) = text(&mut asked);
    assert_eq!(status, 3, "{said}");
    for name in ["ARTCHECK_MODELS is not set", "ARTCHECK_RUNTIME is not set"] {
        assert_eq!(said.matches(name).count(), 1, "{said}");
    }
}

#[test]
fn weights_that_are_no_seed_are_named_without_a_temporary_file() {
    let library = "corpus/artifacts/tvm-0.26/dense-cpu-x86_64.so";
    let mut asked = artcheck();
    asked.args(["verify", library, "--weights", "random:x", "--runtime", "."]);
    let (said, status) = text(&mut asked);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("`x` is not a seed"), "{said}");
    assert!(!said.contains("matrix.toml"), "{said}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_without_kernels_for_the_device_is_named_before_it_runs() {
    let mut asked = artcheck();
    asked.args(["verify", "corpus/artifacts/tvm-0.26/dense-cpu-x86_64.so"]);
    asked.args([
        "--weights",
        "random:7",
        "--device",
        "metal-sim",
        "--runtime",
    ]);
    let (said, status) = text(asked.arg(venv("tvm-0.26")));
    assert_eq!(status, 1, "{said}");
    for words in ["no kernels for metal-sim", "compiled for the CPU"] {
        assert!(said.contains(words), "{said}");
    }
}

/// The status of a command whose reader is gone before it writes, and what it says on
/// standard error.
fn unread(args: &[&str]) -> (String, Option<i32>) {
    let mut child = artcheck()
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("artcheck starts");
    drop(child.stdout.take());
    let mut said = String::new();
    let mut errors = child.stderr.take().expect("piped");
    errors.read_to_string(&mut said).expect("text");
    (said, child.wait().expect("ended").code())
}

#[test]
fn a_reader_that_goes_away_changes_no_status() {
    let broken = root().join("corpus/artifacts/synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    let broken = broken.to_str().expect("UTF-8");
    for format in ["human", "json", "sarif"] {
        let args = ["scan", broken, "--runtime", "tvm-0.26", "--format", format];
        assert_eq!(unread(&args), (String::new(), Some(1)), "{format}");
    }
    for args in [
        &["rules"][..],
        &["explain", "AC101"],
        &["schema"],
        &["dump", broken],
    ] {
        assert_eq!(unread(args), (String::new(), Some(0)), "{args:?}");
    }
    let both = [
        "diff",
        broken,
        "corpus/artifacts/tvm-0.26/dense-cpu-x86_64.so",
    ];
    assert_eq!(unread(&both), (String::new(), Some(1)));
    // Nor does one of standard error.
    let mut child = artcheck()
        .args(["scan", "no-such-file"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("artcheck starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("ended").code(), Some(2));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_failed_run_fails_for_a_reader_that_went_away() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("m.toml");
    let library = root().join("corpus/artifacts/tvm-0.26/dense-cpu-x86_64.so");
    let matrix = format!(
        "schema = 1\n[runtimes.r]\npaths = [{:?}]\n[[row]]\nname = \"a\"\nmodel = \"m\"\n\
         library = {library:?}\nweights = \"random:7\"\ndevice = \"cpu\"\nruntime = \"r\"\n\
         prompt = [{{ tokens = [1], expect = {{ tokens = [-1] }} }}]\n",
        venv("tvm-0.26")
    );
    std::fs::write(&file, matrix).expect("written");
    let file = file.to_str().expect("UTF-8");
    for format in ["human", "json", "junit", "markdown"] {
        let ended = unread(&["verify", file, "--format", format]);
        assert_eq!(ended, (String::new(), Some(1)), "{format}");
    }
}

#[test]
fn braces_on_the_command_line_mean_themselves() {
    let folder = TempDir::new().expect("a folder");
    let models = folder.path().join("models ${HOME}");
    let model = models.join("{model} ${HOME}");
    std::fs::create_dir_all(&model).expect("made");
    let library = model.join("{name}.so");
    for file in [&library, &model.join("tensor-cache.json")] {
        std::fs::write(file, "nothing").expect("written");
    }
    let row = |command: &mut std::process::Command| {
        command.arg("--runtime").arg(folder.path());
        command.args(["--no-precheck", "--format", "json"]);
        let output = command.output().expect("artcheck starts");
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        let row = &report["rows"][0];
        let place = row["library"].as_str().expect("a path");
        assert!(
            place.ends_with("models ${HOME}/{model} ${HOME}/{name}.so"),
            "{row}"
        );
        row["name"].clone()
    };
    let mut one = artcheck();
    one.arg("verify").arg(&library);
    one.args(["--weights", "random:1", "--prompt", "{name} {prompt}"]);
    assert_eq!(row(&mut one), "{name}");
    let mut mission = artcheck();
    mission.args(["verify", "--device", "cpu", "--mission"]);
    assert_eq!(row(mission.arg(&models)), "{model} ${HOME}");
}
