//! What artcheck ships for pipelines, run as far as one Linux machine can: the
//! action's steps, the snippets of `docs/ci.md`, the pre-commit hook, the
//! release's packaging; and all YAML against the services' own schemas.
//!
//! Not run here: what the services do between the steps, uploads, and installing from a
//! registry, for which the program under test stands in.

mod action;
mod documents;
mod hook;
mod pages;
mod pipelines;
mod python;
mod release;
mod schemas;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{root, venv};
use serde_json::Value;

/// The policy of these tests: nothing but the runtime.
const POLICY: &str = "runtimes = ['tvm-0.27']\n";

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// YAML as JSON, by PyYAML.
fn yaml(text: &str) -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.argv[1]), sys.stdout)";
    let output = Command::new(venv("ci").join("bin/python"))
        .args(["-c", script, text])
        .output()
        .expect("Python starts");
    let words = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no YAML: {words}\n{text}"))
}

/// The code blocks of a language in a document.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    text.split(&start)
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned())
        .collect()
}

/// A folder first on PATH that holds the program under test as `artcheck`, and a `pip` and a
/// `pipx` that know it under its version, and fail otherwise.
fn tools(folder: &Path) -> String {
    let bin = folder.join("tools");
    fs::create_dir_all(&bin).expect("made");
    let program = Path::new(env!("CARGO_BIN_EXE_artcheck"));
    std::os::unix::fs::symlink(program, bin.join("artcheck")).expect("linked");
    let asked = concat!("artcheck==", env!("CARGO_PKG_VERSION"));
    let script = format!(
        "case \"$*\" in\n  'install {asked}' | 'install --quiet {asked}') ;;\n  \
         'run {asked} '*) shift 2; exec artcheck \"$@\" ;;\n  *) exit 9 ;;\nesac"
    );
    for name in ["pip", "pipx"] {
        executable(&bin.join(name), &script);
    }
    format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH"))
}

/// Writes a program for `sh`.
fn executable(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(path, mode).expect("executable");
}

/// A step of a workflow, with the shell GitHub uses for `shell: bash`.
fn step(folder: &Path, script: &str, env: &BTreeMap<String, String>) -> Output {
    Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
        .current_dir(folder)
        .envs(env)
        .stdin(Stdio::null())
        .output()
        .expect("bash starts")
}

fn words(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Runs shell lines of the document in a project.
fn run_lines<'a>(folder: &Path, lines: impl IntoIterator<Item = &'a str>) -> Output {
    let script: Vec<&str> = lines.into_iter().collect();
    assert!(!script.is_empty());
    let env = BTreeMap::from([("PATH".to_owned(), tools(folder))]);
    step(folder, &script.join("\n"), &env)
}
