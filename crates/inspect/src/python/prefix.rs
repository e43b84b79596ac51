//! The folders for packages that a Python itself has, which is no virtual environment: those
//! of an installation, or of a conda environment.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::source::beginning::children;

/// The folders for packages of a Python that is installed in a folder, those of its
/// versions that are meant: of `python3.11`, or on Windows of all.
pub fn sites(root: &Path, is_meant: impl Fn(&OsStr) -> bool) -> Vec<PathBuf> {
    let libraries = ["lib", "lib64", "local/lib"].iter();
    let versions = libraries.flat_map(|lib| children(&root.join(lib)));
    let versions = versions.filter(|one| one.file_name().is_some_and(&is_meant));
    let all = versions.chain([root.join("Lib")]);
    let sites = all.flat_map(|lib| ["site-packages", "dist-packages"].map(|one| lib.join(one)));
    sites.filter(|one| one.is_dir()).collect()
}

/// The folders of the user's own packages, which Python sees unless a variable or an
/// environment says no.
pub fn users_own(is_meant: impl Fn(&OsStr) -> bool) -> Vec<PathBuf> {
    let is_seen = std::env::var_os("PYTHONNOUSERSITE").is_none();
    let home = std::env::home_dir().filter(|_| is_seen);
    home.map_or_else(Vec::new, |home| sites(&home.join(".local"), is_meant))
}

/// Whether a folder, in no virtual environment, is the one that a Python has for packages, and
/// nothing lies in the others that it looks in: those beside it, as Fedora's has, and its
/// users' own (Python's `site`).
pub(crate) fn is_all_of_python(site: &Path, within: Option<&Path>) -> bool {
    let Some(lib) = site.parent() else {
        return false;
    };
    let own = lib.file_name().unwrap_or_default();
    // On Windows the modules lie in `Lib` itself.
    let up = if own == "Lib" { 1 } else { 2 };
    let Some(prefix) = lib.ancestors().nth(up) else {
        return false;
    };
    let has_modules = lib.join("os.py").is_file();
    let is_own = has_modules || prefix.join("conda-meta").is_dir();
    let name = site.file_name().unwrap_or_default();
    if !is_own || name != "site-packages" {
        return false;
    }
    let others = others(prefix, own, within.is_none());
    let is_empty = |folder: &PathBuf| folder == site || children(folder).is_empty();
    others.iter().all(is_empty)
}

/// The folders for packages that a Python of a version may look in.
fn others(prefix: &Path, own: &OsStr, is_of_machine: bool) -> Vec<PathBuf> {
    let is_meant = |python: &OsStr| python == own;
    let mut others = sites(prefix, is_meant);
    others.extend(sites(&prefix.join("local"), is_meant));
    let usr = ["usr", "usr/local"].into_iter();
    let mut roots = usr.filter(|usr| prefix.ends_with(usr));
    // Where a whole system lies in a folder, its users do too.
    if let Some(root) = roots
        .next_back()
        .and_then(|usr| prefix.ancestors().nth(Path::new(usr).iter().count()))
    {
        let homes = children(&root.join("home")).into_iter();
        for home in homes.chain([root.join("root")]) {
            others.extend(sites(&home.join(".local"), is_meant));
        }
    }
    if is_of_machine {
        others.extend(users_own(is_meant));
    }
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_with_one_folder_has_its_packages_there() {
        let top = tempfile::tempdir().unwrap();
        let put = |file: &str| {
            let file = top.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        };
        let is_all = |site: &str| is_all_of_python(&top.path().join(site), Some(top.path()));
        put("conda/conda-meta/history");
        put("conda/lib/python3.11/site-packages/a.py");
        assert!(is_all("conda/lib/python3.11/site-packages"));
        put("usr/lib64/python3.11/os.py");
        put("usr/lib64/python3.11/site-packages/a.py");
        assert!(is_all("usr/lib64/python3.11/site-packages"));
        put("root/.local/lib/python3.12/site-packages/b.py");
        assert!(is_all("usr/lib64/python3.11/site-packages"));
        put("root/.local/lib/python3.11/site-packages/b.py");
        assert!(!is_all("usr/lib64/python3.11/site-packages"));
        std::fs::remove_dir_all(top.path().join("root")).unwrap();
        put("usr/lib/python3.11/site-packages/c.py");
        assert!(!is_all("usr/lib64/python3.11/site-packages"));
        put("venv/lib/python3.11/site-packages/a.py");
        assert!(!is_all("venv/lib/python3.11/site-packages"));
    }
}
