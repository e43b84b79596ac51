//! The Python packages of the environments that runtime members lie in: the
//! `*.dist-info/METADATA` files beside the folders that hold them, and what TVM's
//! Python source registers.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::binding;
use crate::place::Place;
use crate::runtime::distribution::Distribution;
use crate::runtime::grouping::Installed;
use crate::runtime::member::Member;
use crate::runtime::python_source;

/// Folders above a library in which its package may be named:
/// `site-packages/tvm/lib/libtvm_runtime.so` is three below.
const LEVELS: usize = 3;
/// Bytes of a METADATA file that are read; the header fields come first.
const MAX_METADATA: u64 = 256 << 10;
/// Python files of a package that are read, how deep they lie, and bytes of each.
pub(super) const MAX_SOURCES: usize = 4096;
const MAX_SOURCE_DEPTH: usize = 12;
pub(super) const MAX_SOURCE: u64 = 1 << 20;

/// The folders in which the packages of the members may be named.
pub(super) fn folders(members: &[Member]) -> BTreeSet<PathBuf> {
    around(members.iter().map(|member| &member.path))
}

/// The folders in which the packages of some files may be named.
pub(super) fn around<'a>(files: impl Iterator<Item = &'a Place>) -> BTreeSet<PathBuf> {
    files
        .filter(|file| !file.is_member())
        .flat_map(|file| file.path().ancestors().skip(1).take(LEVELS))
        .map(Path::to_owned)
        .collect()
}

/// The package that a wheel's own `METADATA` names.
pub(super) fn in_wheel(place: &Place, bytes: &[u8]) -> Option<Installed> {
    let folder = place.folder()?;
    let is_metadata = place.raw_name() == b"METADATA" && folder.raw_name().ends_with(b".dist-info");
    if !is_metadata || !folder.folder()?.raw_name().ends_with(b".whl") {
        return None;
    }
    let most = usize::try_from(MAX_METADATA).ok()?;
    let text = String::from_utf8_lossy(bytes.get(..most).unwrap_or(bytes));
    Some(Installed {
        distribution: Distribution::parse(&text)?,
        path: place.clone(),
    })
}

/// The packages of some folders that are TVM's or ask for one of its; with `sources`,
/// and what their Python source registers.
pub(super) fn named_in(folders: &BTreeSet<PathBuf>, sources: bool) -> Vec<Installed> {
    let mut found: Vec<Installed> = folders
        .iter()
        .flat_map(|folder| in_folder(folder, sources))
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn in_folder(folder: &Path, sources: bool) -> Vec<Installed> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "dist-info"))
        .filter_map(|path| installed(path.join("METADATA"), sources))
        .collect()
}

fn installed(path: PathBuf, sources: bool) -> Option<Installed> {
    // A README that is cut in the middle of a letter is no reason to stop.
    let mut distribution = Distribution::parse(&beginning(&path, MAX_METADATA)?)?;
    if sources && let Some(environment) = path.ancestors().nth(2) {
        if distribution.holds_tvm() {
            distribution.registers = registered_below(&environment.join("tvm"));
        } else if distribution.name == "apache-tvm-ffi" {
            distribution.registers = binding::registers(&environment.join("tvm_ffi"));
        }
    }
    Some(Installed {
        distribution,
        path: Place::file(path),
    })
}

pub(super) fn beginning(path: &Path, bytes: u64) -> Option<String> {
    let text = String::from_utf8(first_bytes(path, bytes)?);
    Some(text.unwrap_or_else(|read| String::from_utf8_lossy(read.as_bytes()).into_owned()))
}

pub(super) fn first_bytes(path: &Path, bytes: u64) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len().min(bytes).saturating_add(1);
    let mut read = Vec::with_capacity(usize::try_from(length).ok()?);
    file.take(bytes).read_to_end(&mut read).ok()?;
    Some(read)
}

/// The functions that the Python files of a package register when they are imported.
/// Those of its tests are not: nothing but tests imports them.
fn registered_below(package: &Path) -> BTreeSet<String> {
    let is_for_tests = |entry: &walkdir::DirEntry| {
        let name = entry.file_name();
        name == "testing" || name == "tests"
    };
    let files: Vec<PathBuf> = walkdir::WalkDir::new(package)
        .max_depth(MAX_SOURCE_DEPTH)
        .into_iter()
        .filter_entry(|entry| !is_for_tests(entry))
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|end| end == "py"))
        .take(MAX_SOURCES)
        .collect();
    let names = files.par_iter().filter_map(|file| {
        let source = first_bytes(file, MAX_SOURCE)?;
        // Most files register nothing, which is told without reading them as Python.
        memchr::memmem::find(&source, python_source::SIGN)?;
        let source = String::from_utf8_lossy(&source);
        let names = python_source::registered(&source).into_iter();
        Some(names.map(str::to_owned).collect::<Vec<String>>())
    });
    names.flatten_iter().collect()
}
