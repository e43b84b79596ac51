//! Where the real parts are that tests run on. Every test program of the workspace includes
//! this file. A part that is absent fails the test: nothing is skipped.

#![allow(dead_code, reason = "not every program uses all of it")]

use std::path::PathBuf;
use std::process::Command;

/// The folder that `tools/parts.py` fills.
pub fn root() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("artcheck/parts"));
    variable("ARTCHECK_PARTS").or(cache).expect("a home folder")
}

/// A file or folder of it.
pub fn part(path: &str) -> PathBuf {
    let part = root().join(path);
    assert!(
        part.exists(),
        "{} is missing: run python3 tools/parts.py",
        part.display()
    );
    part
}

/// A file or folder of an unpacked wheel.
pub fn unpacked(path: &str) -> PathBuf {
    part(&format!("unpacked/{path}"))
}

/// A virtual environment.
pub fn venv(name: &str) -> PathBuf {
    part(&format!("venv/{name}"))
}

/// Whether the call that a script makes works: it ends with 3 where the runtime refuses it.
pub fn works(command: &mut Command) -> bool {
    let output = command.output().expect("Python starts");
    match output.status.code() {
        Some(0) => true,
        Some(3) => false,
        _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// `site-packages` of a virtual environment.
pub fn site_packages(name: &str) -> PathBuf {
    std::fs::read_dir(venv(name).join("lib"))
        .expect("the environment has a lib folder")
        .filter_map(|entry| entry.ok().map(|entry| entry.path().join("site-packages")))
        .find(|path| path.is_dir())
        .expect("site-packages")
}
