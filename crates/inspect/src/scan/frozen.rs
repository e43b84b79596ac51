//! What an import of tvm-ffi needs in the folder of an application that PyInstaller made. Its
//! Python is in the program; its libraries lie in the folder, without a list of them.

use std::path::{Path, PathBuf};

use super::ffi_package::{Files, PACKAGE};
use super::lost_needs::unlinked;
use crate::container::pyinstaller;
use crate::place::Place;
use crate::runtime::installation::{Brings, Installation, Unmet};
use crate::source::beginning::children;
use crate::source::map;

/// What a program has that imports it: names stand as they are in its table of modules.
const SIGN: &[u8] = b"tvm_ffi.registry";
/// A module that each release of tvm-ffi imports.
const REQUIRED: &str = "typing_extensions";

/// Whether a folder is that of a frozen application.
pub(super) fn is_frozen(folder: &Path) -> bool {
    folder.join("base_library.zip").exists()
}

/// What is wrong with tvm-ffi in such a folder.
pub(super) fn look(folder: &Path) -> Option<Installation> {
    let package = folder.join(PACKAGE);
    let own = Files::in_folder(&package);
    if own.is_empty() {
        return None;
    }
    let shown = format!("{PACKAGE} of this application");
    let mut found = Installation::new(Place::file(&package), shown, Brings::Ffi);
    found.is_frozen = true;
    found.missing = own.missing();
    // The program sets the loader's own variable to its folder.
    found.unlinked = unlinked(files(&package).into_iter(), folder, Some(folder));
    let programs = importing(folder);
    let there = [REQUIRED.to_owned(), format!("{REQUIRED}.py")];
    let is_there = there.iter().any(|name| folder.join(name).exists());
    if !is_there && !programs.iter().any(|program| has_required(program)) {
        found.unmet.push(unmet());
    }
    found.vital = found.missing.first().cloned();
    (!programs.is_empty() && found.faults() > 0).then_some(found)
}

/// The module that is not among a program's.
pub(super) fn unmet() -> Unmet {
    let says = format!("ModuleNotFoundError: No module named '{REQUIRED}'");
    Unmet {
        name: REQUIRED.to_owned(),
        specification: String::new(),
        installed: None,
        may_be_elsewhere: false,
        fails: Some((PACKAGE.to_owned(), says)),
    }
}

/// Files of a folder, links to files among them.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = children(folder);
    files.retain(|path| path.is_file());
    files
}

/// The programs of an application, or archives beside them, that have tvm-ffi's Python.
/// They lie in the folder, or above it; above a folder that has one lie others.
fn importing(folder: &Path) -> Vec<map::FileBytes> {
    let mut is_program = false;
    let open = |file: PathBuf| map::open(&file).ok();
    let own: Vec<_> = files(folder).into_iter().filter_map(open).collect();
    let mut found = Vec::new();
    for bytes in own {
        is_program |= pyinstaller::archive(&bytes).is_some();
        if imports(&bytes) {
            found.push(bytes);
        }
    }
    if found.is_empty() && !is_program {
        let above = folder.parent().into_iter().flat_map(files);
        found.extend(above.filter_map(open).filter(|bytes| imports(bytes)));
    }
    found
}

/// Whether a program has the module that an import of tvm-ffi asks for.
pub(super) fn has_required(program: &[u8]) -> bool {
    memchr::memmem::find(program, REQUIRED.as_bytes()).is_some()
}

/// Whether a program imports tvm-ffi.
pub(super) fn imports(program: &[u8]) -> bool {
    memchr::memmem::find(program, SIGN).is_some()
}
