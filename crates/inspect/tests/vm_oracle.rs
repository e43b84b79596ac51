//! What TVM itself says of an executable, against what artcheck says: listing,
//! statistics, module tree, functions. The corpus keeps TVM's word beside each
//! artifact.

use std::fs;
use std::path::{Path, PathBuf};

use artcheck_inspect::container;
use artcheck_inspect::module::locate;
use artcheck_inspect::vm::disassemble::disassemble;
use artcheck_inspect::vm::stats::stats;
use artcheck_inspect::vm::{ConstantValue, Executable, FunctionKind};
use serde_json::Value as Json;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts")
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{} is not readable: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Artifacts with TVM's word beside them.
fn artifacts() -> Vec<PathBuf> {
    let mut all = Vec::new();
    files_below(&corpus(), &mut all);
    let mut artifacts: Vec<PathBuf> = all
        .iter()
        .filter_map(|path| path.to_str()?.strip_suffix(".as_text").map(PathBuf::from))
        // The system library's objects are read through their archive.
        .filter(|path| path.extension().is_some_and(|suffix| suffix != "tar"))
        .collect();
    artifacts.sort();
    assert!(!artifacts.is_empty(), "the corpus has no oracles");
    artifacts
}

fn beside(artifact: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", artifact.display()))
}

fn with_executable(artifact: &Path, check: impl Fn(&Executable, &Json)) {
    let bytes = fs::read(artifact).unwrap();
    let parsed = container::parse(&bytes).unwrap();
    let libraries = locate::find(&parsed[0]);
    assert_eq!(libraries.len(), 1, "{}", artifact.display());
    let blob = libraries[0].blob.as_ref().unwrap();
    let executables: Vec<_> = blob.executables().collect();
    assert_eq!(executables.len(), 1, "{}", artifact.display());
    let oracle = fs::read(beside(artifact, ".oracle.json")).unwrap();
    check(executables[0].1, &serde_json::from_slice(&oracle).unwrap());
}

#[test]
fn listing_is_tvms() {
    for artifact in artifacts() {
        with_executable(&artifact, |executable, _| {
            let expected = fs::read_to_string(beside(&artifact, ".as_text")).unwrap();
            let listing = disassemble(executable).unwrap();
            assert!(
                listing == expected,
                "{}: the listing differs from TVM's at byte {:?}",
                artifact.display(),
                listing
                    .bytes()
                    .zip(expected.bytes())
                    .position(|(ours, theirs)| ours != theirs)
            );
        });
    }
}

/// TVM throws at the first float constant; with none, the text must be equal.
#[test]
fn statistics_are_tvms() {
    let mut equal = 0;
    for artifact in artifacts() {
        with_executable(&artifact, |executable, oracle| {
            let floats = executable
                .constants
                .iter()
                .any(|constant| matches!(constant.value, ConstantValue::Float(_)));
            match oracle["stats"].as_str() {
                Some(expected) => assert_eq!(stats(executable), expected, "{}", artifact.display()),
                None => assert!(floats, "{}: TVM failed without a float", artifact.display()),
            }
        });
        equal += 1;
    }
    assert!(equal > 0);
}

#[test]
fn functions_are_tvms() {
    for artifact in artifacts() {
        with_executable(&artifact, |executable, oracle| {
            let expected: Vec<(String, Vec<String>)> = oracle["functions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|function| {
                    let parameters = function["parameters"].as_array().unwrap().iter();
                    (
                        function["name"].as_str().unwrap().to_owned(),
                        parameters
                            .map(|name| name.as_str().unwrap().to_owned())
                            .collect(),
                    )
                })
                .collect();
            let found: Vec<(String, Vec<String>)> = executable
                .functions
                .iter()
                .filter(|function| function.kind == FunctionKind::Vm)
                .map(|function| (function.name.clone(), function.parameters.clone()))
                .collect();
            assert_eq!(found, expected, "{}", artifact.display());
        });
    }
}
