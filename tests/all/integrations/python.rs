//! The Python package: its typed layer over the program that is built here.

use std::process::Command;

use super::{tools, words};
use crate::support::root;

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_python_layer_passes_its_own_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Command::new("python3")
        .args(["-m", "unittest", "discover", "-s", "python/tests"])
        .current_dir(root())
        .env("PATH", tools(folder.path()))
        .env("PYTHONPATH", "python")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 starts");
    assert!(run.status.success(), "{}", words(&run));
    assert!(words(&run).contains("Ran 3 tests"), "{}", words(&run));
}
