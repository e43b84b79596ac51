//! What an import of tvm-ffi needs in the folder of an application that PyInstaller made.
//! Its Python is in the program; its libraries lie in the folder, without a list of them.

use std::path::{Path, PathBuf};

use super::lost_needs::unlinked;
use crate::container::pyinstaller;
use crate::parts::stem;
use crate::place::Place;
use crate::runtime::installation::{Brings, Installation};
use crate::source::beginning::children;
use crate::source::map;

/// The folder of the package, and of its libraries.
const PACKAGE: &str = "tvm_ffi";
/// Its library on Linux.
pub(super) const LIBRARY: &str = "lib/libtvm_ffi.so";
/// What a program has that imports it.
const SIGN: &[u8] = b"tvm_ffi.registry";

/// Whether a folder is that of a frozen application.
pub(super) fn is_frozen(folder: &Path) -> bool {
    folder.join("base_library.zip").exists()
}

/// What is wrong with tvm-ffi in such a folder.
pub(super) fn look(folder: &Path) -> Option<Installation> {
    let package = folder.join(PACKAGE);
    let has_library = has_library(&package);
    let bindings: Vec<PathBuf> = files(&package)
        .into_iter()
        .filter(|file| is_named(file, "core", &["so", "pyd"]))
        .collect();
    if bindings.is_empty() && files(&package.join("lib")).is_empty() {
        return None;
    }
    let shown = format!("{PACKAGE} of this application");
    let mut found = Installation::new(Place::file(&package), shown, Brings::Ffi);
    found.is_frozen = true;
    if bindings.is_empty() {
        found.missing.push(format!("{PACKAGE}/core.*.so"));
    }
    if !has_library {
        found.missing.push(format!("{PACKAGE}/{LIBRARY}"));
    }
    // The program sets the loader's own variable to its folder.
    found.unlinked = unlinked(bindings.into_iter(), folder, Some(folder));
    let is_damaged = !found.missing.is_empty() || found.unlinked.is_some();
    if !is_damaged || !is_imported(folder) {
        return None;
    }
    found.vital = found.missing.first().cloned();
    Some(found)
}

/// Whether tvm-ffi's own library is in the folder of its package.
pub(super) fn has_library(package: &Path) -> bool {
    let libraries = files(&package.join("lib"));
    let mut libraries = libraries.iter();
    libraries.any(|file| is_named(file, "tvm_ffi", &["so", "dylib", "dll"]))
}

fn is_named(file: &Path, wanted: &str, ends: &[&str]) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let end = name.rsplit('.').next().unwrap_or_default();
    stem(&name) == wanted && ends.contains(&end)
}

/// Files of a folder, links to files among them.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = children(folder);
    files.retain(|path| path.is_file());
    files
}

/// Whether a program of the application, or the archive beside it, has tvm-ffi's Python.
/// The program lies in the folder, or above it; above a folder that has one lie others.
fn is_imported(folder: &Path) -> bool {
    let mut is_program = false;
    let own = files(folder).into_iter().any(|file| {
        let Ok(bytes) = map::open(&file) else {
            return false;
        };
        is_program |= pyinstaller::archive(&bytes).is_some();
        has_sign(&bytes)
    });
    let mut above = folder.parent().into_iter().flat_map(files);
    own || !is_program && above.any(|file| map::open(&file).is_ok_and(|bytes| has_sign(&bytes)))
}

fn has_sign(program: &[u8]) -> bool {
    memchr::memmem::find(program, SIGN).is_some()
}
