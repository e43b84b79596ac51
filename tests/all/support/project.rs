//! A project as a pipeline sees it: a policy and a build folder with one good
//! and three bad artifacts.

use std::path::Path;

use super::root;

/// The bad artifacts by the name they get in the build folder, with their rule.
pub const BAD: [(&str, &str, &str); 3] = [
    (
        "chat-tag.so",
        "dense-ext-0.26-tir-tag-cpu-x86_64.so",
        "AC101",
    ),
    (
        "chat-call.so",
        "dense-ext-0.26-arguments-27-cpu-x86_64.so",
        "AC104",
    ),
    (
        "chat-function.so",
        "dense-ext-0.26-missing-function-cpu-x86_64.so",
        "AC103",
    ),
];

/// A project with a policy and a build folder.
pub fn project(policy: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dist = folder.path().join("dist");
    std::fs::create_dir(&dist).expect("made");
    let artifacts = root().join("corpus/artifacts");
    let copy = |from: &str, to: &str| {
        std::fs::copy(artifacts.join(from), dist.join(to)).expect("the corpus holds it");
    };
    copy("tvm-0.27/dense-cpu-x86_64.so", "chat-good.so");
    for (name, source, _) in BAD {
        copy(&format!("synthetic/{source}"), name);
    }
    write(folder.path(), "artcheck.toml", policy);
    folder
}

/// A file in a folder.
pub fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("written");
}
