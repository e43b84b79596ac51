//! Names that the Python files of a package import from tvm-ffi and that the tvm-ffi
//! beside it does not have.
//!
//! The files are those of the package's `RECORD`. Packages that are a release with the
//! tvm-ffi of the release are not looked through.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::packages::{MAX_SOURCE, MAX_SOURCES, beginning, first_bytes};
use crate::runtime::distribution::{Distribution, Lacking};
use crate::runtime::grouping::Installed;
use crate::runtime::python_names::{self, Import};
use crate::runtime::release;

const FFI: &str = "apache-tvm-ffi";
/// Bytes of a RECORD that are read: a line of a hundred bytes per file.
const MAX_RECORD: u64 = 4 << 20;

/// Adds to each package that asks for tvm-ffi what the tvm-ffi of its folder lacks.
pub(super) fn add_lacking(packages: &mut [Installed]) {
    let mut versions: BTreeMap<PathBuf, String> = BTreeMap::new();
    for package in packages.iter().filter(|one| one.distribution.name == FFI) {
        if let Some(site) = package.path.path().ancestors().nth(2) {
            versions.insert(site.to_owned(), package.distribution.version.clone());
        }
    }
    for package in packages.iter_mut() {
        let Some(site) = package.path.path().ancestors().nth(2) else {
            continue;
        };
        let asks = package
            .distribution
            .requires
            .iter()
            .any(|one| one.name == FFI);
        let known = versions.get(site).filter(|_| asks);
        if known.is_some_and(|version| !belong_together(&package.distribution, version)) {
            package.distribution.lacking = lacking(package.path.path(), site);
        }
    }
}

fn belong_together(package: &Distribution, ffi: &str) -> bool {
    package.name == "apache-tvm"
        && release::by_name(&package.version)
            .is_some_and(|known| known.ffi_version.value.as_deref() == Some(ffi))
}

fn lacking(metadata: &Path, site: &Path) -> Vec<Lacking> {
    let record = beginning(&metadata.with_file_name("RECORD"), MAX_RECORD).unwrap_or_default();
    let files: Vec<&str> = record
        .lines()
        .filter_map(|line| line.split(',').next())
        .filter(|file| file.ends_with(".py") && !is_for_tests(file) && !file.contains(".."))
        .take(MAX_SOURCES)
        .collect();
    let imports: Vec<(&str, Vec<Import>)> = files
        .into_par_iter()
        .filter_map(|file| {
            let source = first_bytes(&site.join(file), MAX_SOURCE)?;
            memchr::memmem::find(&source, python_names::SIGN)?;
            let found = python_names::imports(&String::from_utf8_lossy(&source));
            (!found.is_empty()).then_some((file, found))
        })
        .collect();
    let mut seen: BTreeSet<Import> = BTreeSet::new();
    let mut modules: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut found = Vec::new();
    for (file, imports) in imports {
        for import in imports {
            if !seen.insert(import.clone()) {
                continue;
            }
            let source = modules
                .entry(import.module.clone())
                .or_insert_with(|| source_of(site, &import.module));
            let lacks = source.as_ref().is_some_and(|source| {
                !python_names::may_define(source, &import.name) && !is_module(site, &import)
            });
            if lacks {
                found.push(Lacking {
                    file: file.to_owned(),
                    module: import.module,
                    name: import.name,
                });
            }
        }
    }
    found
}

fn is_for_tests(file: &str) -> bool {
    file.split('/')
        .any(|part| matches!(part, "testing" | "tests" | "benchmarks" | "examples"))
}

/// The text of a module; `None` where it is not a Python file, or too long to be read.
fn source_of(site: &Path, module: &str) -> Option<String> {
    let place = site.join(module.replace('.', "/"));
    let file = Some(place.join("__init__.py")).filter(|file| file.is_file());
    let file = file.unwrap_or_else(|| place.with_extension("py"));
    let bytes = first_bytes(&file, MAX_SOURCE)?;
    let is_whole = (bytes.len() as u64) < MAX_SOURCE;
    is_whole.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether the name is that of a module in the package: a folder, a Python file, or a
/// compiled one, whose name goes on.
fn is_module(site: &Path, import: &Import) -> bool {
    let folder = site.join(import.module.replace('.', "/"));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.any(|name| name.split('.').next() == Some(&import.name))
}
