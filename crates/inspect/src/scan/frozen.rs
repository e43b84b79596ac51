//! What an import of tvm-ffi needs in an application that PyInstaller made. Its Python is in
//! the program; its libraries lie in the folder, or in the program too, without a list of
//! them. And applications that are a zip archive, of which Python loads no library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::lost_needs::unlinked;
use crate::container::pyinstaller;
use crate::parts::stem;
use crate::place::Place;
use crate::runtime::installation::{Brings, Installation, Unmet};
use crate::source::beginning::children;
use crate::source::{all_members, map};

/// The folder of the package, and of its libraries.
const PACKAGE: &str = "tvm_ffi";
/// Its library on Linux.
pub(super) const LIBRARY: &str = "lib/libtvm_ffi.so";
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
    let programs = importing(folder);
    let there = [REQUIRED.to_owned(), format!("{REQUIRED}.py")];
    let has_required = there.iter().any(|name| folder.join(name).exists());
    if !has_required && !programs.iter().any(|program| has(program, REQUIRED)) {
        found.unmet.push(unmet());
    }
    found.vital = found.missing.first().cloned();
    (!programs.is_empty() && found.faults() > 0).then_some(found)
}

/// What is wrong with tvm-ffi in programs and archives that have it in themselves.
pub(super) fn in_files<'a>(members: impl Iterator<Item = &'a Place>) -> Vec<Installation> {
    let mut of_files: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    for member in members {
        let Some(file) = member.archive().filter(|file| !file.is_member()) else {
            continue;
        };
        let inside = member.inside().replace('\\', "/");
        let name = inside.trim_start_matches('!').to_owned();
        if name.starts_with("tvm_ffi/") {
            of_files.entry(file).or_default().insert(name);
        }
    }
    let found = of_files.iter();
    found
        .filter_map(|(file, names)| in_file(file, names))
        .collect()
}

fn in_file(file: &Place, names: &BTreeSet<String>) -> Option<Installation> {
    let new = |what: &str| {
        let place = file.member(PACKAGE.as_bytes(), 1);
        let mut found = Installation::new(place, format!("{PACKAGE} of this {what}"), Brings::Ffi);
        found.is_frozen = true;
        found
    };
    let is_zip = [".pyz", ".pyzw"]
        .iter()
        .any(|end| file.name().ends_with(end));
    if is_zip {
        let mut is_run = false;
        all_members(file, &mut |member| {
            is_run = member.name == b"__main__.py";
            !is_run
        });
        let mut found = new("archive");
        found.is_zipped = true;
        return is_run.then_some(found);
    }
    let program = map::open(file.path()).ok()?;
    if pyinstaller::archive(&program).is_none() || !has_sign(&program) {
        return None;
    }
    let mut found = new("application");
    for (start, shown) in [
        ("core.", "core.*.so"),
        ("lib/libtvm_ffi.", "lib/libtvm_ffi.so"),
    ] {
        let is_there = |name: &String| {
            let name = name.strip_prefix("tvm_ffi/").unwrap_or(name);
            let name = name.replace("lib/tvm_ffi.dll", "lib/libtvm_ffi.dll");
            name.starts_with(start)
        };
        if !names.iter().any(is_there) {
            found.missing.push(format!("{PACKAGE}/{shown}"));
        }
    }
    found.vital = found.missing.first().cloned();
    if !has(&program, REQUIRED) {
        found.unmet.push(unmet());
    }
    (found.faults() > 0).then_some(found)
}

/// The module that is not among a program's.
fn unmet() -> Unmet {
    let says = format!("ModuleNotFoundError: No module named '{REQUIRED}'");
    Unmet {
        name: REQUIRED.to_owned(),
        specification: String::new(),
        installed: None,
        may_be_elsewhere: false,
        fails: Some((PACKAGE.to_owned(), says)),
    }
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

/// The programs of an application, or archives beside them, that have tvm-ffi's Python.
/// They lie in the folder, or above it; above a folder that has one lie others.
fn importing(folder: &Path) -> Vec<map::FileBytes> {
    let mut is_program = false;
    let open = |file: PathBuf| map::open(&file).ok();
    let own: Vec<_> = files(folder).into_iter().filter_map(open).collect();
    let mut found = Vec::new();
    for bytes in own {
        is_program |= pyinstaller::archive(&bytes).is_some();
        if has_sign(&bytes) {
            found.push(bytes);
        }
    }
    if found.is_empty() && !is_program {
        let above = folder.parent().into_iter().flat_map(files);
        found.extend(above.filter_map(open).filter(|bytes| has_sign(bytes)));
    }
    found
}

fn has(program: &[u8], module: &str) -> bool {
    memchr::memmem::find(program, module.as_bytes()).is_some()
}

fn has_sign(program: &[u8]) -> bool {
    memchr::memmem::find(program, SIGN).is_some()
}
