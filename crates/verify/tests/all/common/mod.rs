//! What the tests share: real parts, the child program, matrices in a temporary folder.

use std::path::{Path, PathBuf};

use artcheck_verify::{
    ChildCommand, Failure, MatrixOptions, MatrixReport, Outcome, Quiet, RowReport, run_matrix,
};
use tempfile::TempDir;

#[path = "../../../../../tests/all/support/parts.rs"]
mod parts;
#[path = "../../../../../tests/all/support/wheels.rs"]
mod wheels;

pub use parts::part;
pub use wheels::wheels;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A library of the corpus.
pub fn artifact(path: &str) -> PathBuf {
    let found = root().join("corpus/artifacts").join(path);
    assert!(found.exists(), "{} is missing", found.display());
    found
}

/// The program that serves as child process: cargo builds the examples of a
/// crate before it runs the crate's tests.
pub fn child() -> ChildCommand {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let program = profile
        .join("examples")
        .join(format!("verify{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is missing: run cargo build --examples",
        program.display()
    );
    ChildCommand {
        program,
        arguments: vec!["verify-row".into()],
    }
}

pub fn options(matrix: PathBuf) -> MatrixOptions<'static> {
    MatrixOptions {
        require_all: true,
        ..MatrixOptions::new(matrix, child())
    }
}

/// A matrix of a test: runtimes for the wheels, the corpus as base.
pub struct Matrix {
    pub folder: TempDir,
    text: String,
}

impl Matrix {
    pub fn new() -> Matrix {
        let mut text = "schema = 1\n".to_owned();
        for (version, _) in wheels() {
            let path = part(&format!("venv/tvm-{version}"));
            text.push_str(&format!(
                "[runtimes.\"tvm-{version}\"]\npaths = [{path:?}]\n"
            ));
        }
        Matrix {
            folder: TempDir::new().unwrap(),
            text,
        }
    }

    pub fn runtime(mut self, name: &str, paths: &[PathBuf]) -> Matrix {
        self.text
            .push_str(&format!("[runtimes.{name}]\npaths = {paths:?}\n"));
        self
    }

    /// More of the matrix, as it is written.
    pub fn text(mut self, text: &str) -> Matrix {
        self.text.push_str(text);
        self
    }

    /// A row on the CPU; `keys` overrides what it begins with.
    pub fn row(mut self, name: &str, keys: &[(&str, String)]) -> Matrix {
        let library = artifact("tvm-0.26/dense-cpu-x86_64.so");
        let mut all = vec![
            ("name", format!("{name:?}")),
            ("model", "\"test\"".to_owned()),
            ("library", format!("{library:?}")),
            ("weights", "\"random:7\"".to_owned()),
            ("tokenizer", "\"bytes\"".to_owned()),
            ("device", "\"cpu\"".to_owned()),
            ("runtime", "\"tvm-0.26\"".to_owned()),
            ("max_tokens", "64".to_owned()),
            ("prompt", reference("dense", "short")),
        ];
        for (key, value) in keys {
            all.retain(|(known, _)| known != key);
            all.push((key, value.clone()));
        }
        self.text.push_str("[[row]]\n");
        for (key, value) in all {
            self.text.push_str(&format!("{key} = {value}\n"));
        }
        self
    }

    pub fn options(&self) -> MatrixOptions<'static> {
        let path = self.folder.path().join("matrix.toml");
        std::fs::write(&path, &self.text).unwrap();
        options(path)
    }

    pub fn run(&self) -> MatrixReport {
        run_matrix(&self.options(), &mut Quiet).unwrap()
    }
}

/// One prompt with a case of the committed references as expectation.
pub fn reference(model: &str, case: &str) -> String {
    let file = root().join(format!("corpus/reference/expected/{model}.json"));
    let name = format!("{}#{case}", file.display());
    format!("[{{ expect = {{ reference = {name:?} }} }}]")
}

pub fn text(path: &Path) -> String {
    format!("{path:?}")
}

pub fn row<'a>(report: &'a MatrixReport, name: &str) -> &'a RowReport {
    report.rows.iter().find(|r| r.name == name).unwrap()
}

pub fn failure<'a>(report: &'a MatrixReport, name: &str) -> &'a Failure {
    match &row(report, name).outcome {
        Outcome::Failed { failure } => failure,
        other => panic!("{name}: {other:?}"),
    }
}

pub fn passed(report: &MatrixReport, name: &str) -> bool {
    matches!(row(report, name).outcome, Outcome::Passed)
}

pub fn not_run<'a>(report: &'a MatrixReport, name: &str) -> &'a str {
    match &row(report, name).outcome {
        Outcome::NotRun { reason } => reason,
        other => panic!("{name}: {other:?}"),
    }
}
