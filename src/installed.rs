//! The Python environments of this machine that a TVM process would use: the active
//! one, those of conda, uv and this folder, and that of the Python on PATH.
//!
//! Nothing is executed: an environment is told by its files.

use std::path::{Path, PathBuf};

/// Folders of site-packages that hold parts of the load set.
const PACKAGES: [&str; 5] = ["tvm", "tvm_ffi", "mlc_llm", "xgrammar", "tvm_tirx"];

/// An environment, and how it was found.
pub struct Environment {
    /// In a user's words.
    pub found: &'static str,
    /// Its `site-packages` folder.
    pub site: PathBuf,
}

/// The environments, the one that Python would use first.
pub fn environments() -> Vec<Environment> {
    let mut roots: Vec<(&'static str, PathBuf)> = Vec::new();
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT"] {
        roots.extend(std::env::var_os(name).map(|root| (name, PathBuf::from(root))));
    }
    roots.push(("./.venv", PathBuf::from(".venv")));
    roots.extend(python_on_path().map(|root| ("Python on PATH", root)));
    let mut found: Vec<Environment> = Vec::new();
    for (how, root) in roots {
        for site in site_packages(&root) {
            let same =
                |known: &Environment| known.site.canonicalize().ok() == site.canonicalize().ok();
            if !found.iter().any(same) {
                found.push(Environment { found: how, site });
            }
        }
    }
    found
}

/// The parts of the first environment that has any.
pub fn active() -> Option<Vec<PathBuf>> {
    let mut all = environments().into_iter().map(|one| packages(&one.site));
    all.find(|packages| !packages.is_empty())
}

/// The packages, with the `*.dist-info` that says where they came from read on the way.
pub fn packages(site: &Path) -> Vec<PathBuf> {
    let folders = PACKAGES.iter().map(|package| site.join(package));
    folders.filter(|folder| folder.is_dir()).collect()
}

fn site_packages(root: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.join("Lib/site-packages")];
    for base in [root.join("lib"), root.join("local/lib")] {
        let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
        for python in entries.map(|entry| entry.path()) {
            folders.extend(["site-packages", "dist-packages"].map(|site| python.join(site)));
        }
    }
    folders.sort();
    folders.retain(|site| site.is_dir());
    folders
}

/// The folder that the Python on PATH is installed in, or its environment's.
fn python_on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["python3", "python", "python.exe"];
    let mut files =
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    let python = files.find(|file| file.is_file())?;
    let around = |file: &Path| Some(file.parent()?.parent()?.to_owned());
    // An environment's own Python is a link to another's.
    let environment = around(&python).filter(|root| root.join("pyvenv.cfg").is_file());
    environment.or_else(|| around(&python.canonicalize().ok()?))
}
