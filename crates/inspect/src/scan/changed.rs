//! Python files that are not those that a package brought: edited, emptied, cut off, never
//! written to the disk.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::limits::{MAX_PYTHON_SOURCE, MAX_RECORD};
use crate::python::closure::Closure;
use crate::python::damage;
use crate::python::folder::{Folder, Module};
use crate::python::names::Names;
use crate::runtime::installation::{self, Changed, Replaced};
use crate::source::beginning::{beginning, first_bytes};

/// A first module of so few bytes may have been emptied, whatever `RECORD` says.
const SHORT: u64 = 64;
/// Bytes of the longest end of a line.
const LINE_END: u64 = 2;
/// What tvm-ffi's binding takes of a package when it is imported, where that is there.
const OF_BINDING: (&str, &str) = ("numpy", "dtype");

/// Whether a file ends in a zero byte: a crash leaves sources of their whole size whose
/// last blocks were never written.
pub(super) fn ends_in_zero(path: &Path) -> bool {
    let last = File::open(path).and_then(|mut file| {
        let mut last = [1];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(last)
    });
    last.is_ok_and(|last| last == [0])
}

/// What a Python file is now. One that is too long to be read is taken for good.
pub(super) fn changed(path: &Path, file: Replaced) -> Changed {
    let source = first_bytes(path, MAX_PYTHON_SOURCE).unwrap_or_default();
    let is_whole = (source.len() as u64) < MAX_PYTHON_SOURCE;
    // An editor may have taken the end of the last line away.
    let is_shorter = file.found.saturating_add(LINE_END) < file.recorded;
    Changed {
        says: damage::refusal(&source).filter(|_| is_whole),
        is_cut: is_shorter && (source.is_empty() || damage::is_cut(&source)) && is_whole,
        is_reached: false,
        hides: None,
        file,
    }
}

/// Files that no package brought, and that Python takes for modules that one did.
pub(super) fn hiding(modules: &Folder, listed: &[(&str, Option<u64>)]) -> Vec<Changed> {
    let known = LazyCell::new(|| -> HashSet<&str> {
        let files = listed.iter().map(|(file, _)| *file);
        files.collect()
    });
    let sources = listed
        .iter()
        .map(|(file, _)| *file)
        .filter(|file| !installation::is_aside(file));
    let hidden = modules.hidden(sources);
    let hidden = hidden.filter_map(|(file, path)| {
        let below = path.strip_prefix(modules.place()).ok()?.to_str()?;
        let below = below.replace('\\', "/");
        let found = std::fs::metadata(&path).ok()?.len();
        let is_own = known.contains(below.as_str());
        let one = Replaced {
            file: below,
            recorded: found,
            found,
        };
        (!is_own).then(|| Changed {
            hides: Some(file.to_owned()),
            ..changed(&path, one)
        })
    });
    hidden.collect()
}

/// The first modules of a package that may not be what it brought.
pub(super) fn first_modules(modules: &Folder, info: &Path) -> Vec<(String, Changed)> {
    let record = beginning(&info.join("RECORD"), MAX_RECORD).unwrap_or_default();
    let site = info.parent().unwrap_or(info);
    let mut found = Vec::new();
    for module in installation::modules(&record) {
        let Some((path, size)) = source_of(modules, &module) else {
            continue;
        };
        let below = path.strip_prefix(site).ok().map(Path::to_string_lossy);
        let Some(file) = below.map(|file| file.replace('\\', "/")) else {
            continue;
        };
        let mut listed = installation::listed(&record);
        let recorded = listed.find(|(name, _)| *name == file);
        let recorded = recorded.and_then(|(_, size)| size).unwrap_or(size);
        if recorded != size || size < SHORT || ends_in_zero(&path) {
            let file = Replaced {
                file,
                recorded,
                found: size,
            };
            found.push((module, changed(&path, file)));
        }
    }
    found
}

fn source_of(modules: &Folder, module: &str) -> Option<(PathBuf, u64)> {
    let Some(Module::Source(path, _)) = modules.module(module) else {
        return None;
    };
    let size = std::fs::metadata(&path).ok()?.len();
    Some((path, size))
}

/// What tvm-ffi's binding says of a module that lacks what it takes of it.
pub(super) fn refused_by_binding(
    modules: &Folder,
    closure: &Closure,
    module: &str,
) -> Option<(String, String)> {
    let (own, name) = OF_BINDING;
    let mut compiled = closure.compiled.iter();
    let is_binding = |file: &&PathBuf| {
        file.parent()
            .is_some_and(|folder| folder.ends_with("tvm_ffi"))
    };
    let binding = compiled.find(is_binding).filter(|_| module == own)?;
    let lacks = Names::in_folder(modules, own).is_some_and(|names| !names.may_have(name));
    let file = binding.file_name()?.to_string_lossy();
    lacks.then(|| {
        (
            format!("tvm_ffi/{file}"),
            format!("AttributeError: module '{own}' has no attribute '{name}'"),
        )
    })
}
