//! What the end-to-end tests share: the program under test, the corpus, and
//! the real runtimes.

pub mod child;
pub mod damage;
pub mod dll;
pub mod dylib;
pub mod make;
pub mod parts;
pub mod project;
pub mod wheels;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use artcheck_inspect::runtime::release;
use serde_json::Value;

pub use parts::{part, site_packages, unpacked, venv, works};
pub use wheels::wheels;

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The releases that compiled the corpus, by the table, oldest first. Their wheels are fetched.
pub fn releases() -> Vec<&'static str> {
    let names = release::releases().iter().map(|known| known.name.as_str());
    let corpus = root().join("corpus/artifacts");
    let names: Vec<&str> = names.filter(|name| corpus.join(name).is_dir()).collect();
    assert!(names.len() > 2, "{names:?}");
    names
}

/// What a command prints on both streams, and its exit status.
pub fn text(command: &mut Command) -> (String, i32) {
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

/// The program under test, in the repository's root.
pub fn artcheck() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_artcheck"));
    command.current_dir(root());
    command.env_remove("NO_COLOR").env_remove("COLUMNS");
    command
}

/// Runs the program; its output with status.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    artcheck().args(args).output().expect("artcheck starts")
}

/// Runs `scan ... --format json`; the report and the exit status.
pub fn scan<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> (Value, i32) {
    let output = artcheck()
        .arg("scan")
        .args(args)
        .args(["--format", "json"])
        .output()
        .expect("artcheck starts");
    let status = output.status.code().expect("artcheck exits by itself");
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "no JSON report ({error}); standard error: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    (report, status)
}

/// Rule codes of the findings of at least `severity` in a report, sorted, each once.
pub fn rules(report: &Value, severities: &[&str]) -> Vec<String> {
    let mut codes: Vec<String> = report["findings"]
        .as_array()
        .expect("findings is a list")
        .iter()
        .filter(|finding| severities.contains(&finding["severity"].as_str().unwrap_or("")))
        .map(|finding| finding["rule"].as_str().expect("a rule code").to_owned())
        .collect();
    codes.sort();
    codes.dedup();
    codes
}

/// Every file below a folder of the repository, sorted.
pub fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(root().join(folder))
        .into_iter()
        .map(|entry| entry.expect("the corpus can be read"))
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    files.sort();
    files
}

/// What a Python script with the packages of the `reports` environment says of a
/// file, as JSON.
pub fn told_by_python(script: &str, file: &Path) -> Value {
    let output = Command::new(venv("reports").join("bin/python"))
        .args(["-c", script])
        .arg(file)
        .output()
        .expect("python starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Codes among `of` that a scan of `path` reports as error or warning.
pub fn found(path: &Path, of: &[&str], extra: &[&str]) -> Vec<String> {
    let mut args = vec![path.as_os_str().to_owned()];
    args.extend(extra.iter().map(|arg| (*arg).into()));
    let (report, _) = scan(args);
    let mut codes = rules(&report, &["error", "warning"]);
    codes.retain(|code| of.contains(&code.as_str()));
    codes
}
