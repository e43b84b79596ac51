//! Names that the Python files of a package import from tvm-ffi and that the tvm-ffi
//! beside it does not have.
//!
//! The files are those of the package's `RECORD`. Packages that are a release with the
//! tvm-ffi of the release are not looked through.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::packages::MAX_SOURCES;
use crate::limits::{MAX_PYTHON_SOURCE, MAX_RECORD};
use crate::place::Place;
use crate::python::Interpreter;
use crate::python::folder::Folder;
use crate::python::names::Names;
use crate::python::steps::{Import, Step, steps};
use crate::runtime::distribution::{self, Distribution, Lacking};
use crate::runtime::grouping::Installed;
use crate::runtime::{installation, release};
use crate::source::beginning::{beginning, first_bytes};

const FFI: &str = "apache-tvm-ffi";
/// What a file that imports from tvm-ffi holds.
const SIGN: &[u8] = b"from tvm_ffi";

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
        .filter(|file| {
            file.ends_with(".py") && !installation::is_aside(file) && !file.contains("..")
        })
        .take(MAX_SOURCES)
        .collect();
    let python = Interpreter::of_version(distribution::python_of(&Place::file(metadata)));
    let imports: Vec<(&str, Vec<Import>)> = files
        .into_par_iter()
        .filter_map(|file| {
            let source = first_bytes(&site.join(file), MAX_PYTHON_SOURCE)?;
            memchr::memmem::find(&source, SIGN)?;
            Some((file, of_ffi(&String::from_utf8_lossy(&source), python)))
        })
        .collect();
    let folder = Folder::new(site, python.minor);
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    let mut modules: BTreeMap<String, Option<Names>> = BTreeMap::new();
    let mut found = Vec::new();
    let taken = imports.into_iter().flat_map(|(file, imports)| {
        let names = imports.into_iter().flat_map(|import| {
            let module = import.module;
            let names = import.names.into_iter();
            names.map(move |name| (module.clone(), name))
        });
        names.map(move |(module, name)| (file, module, name))
    });
    for (file, module, name) in taken {
        if name == "*" || !seen.insert((module.clone(), name.clone())) {
            continue;
        }
        let names = modules
            .entry(module.clone())
            .or_insert_with(|| Names::in_folder(&folder, &module));
        let lacks = names.as_ref().is_some_and(|names| {
            !names.may_have(&name) && folder.module(&format!("{module}.{name}")).is_none()
        });
        if lacks {
            found.push(Lacking {
                file: file.to_owned(),
                module,
                name,
            });
        }
    }
    found
}

/// What a source imports from tvm-ffi by name.
fn of_ffi(source: &str, python: Interpreter) -> Vec<Import> {
    let steps = steps(source, python).into_iter();
    let imports = steps.filter_map(|step| match step {
        Step::Import(import) => Some(import),
        Step::Try(_) | Step::Type(_) => None,
    });
    let is_ffi = |import: &Import| {
        let rest = import.module.strip_prefix("tvm_ffi");
        import.level == 0 && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    imports.filter(is_ffi).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_read_in_every_spelling() {
        let source = "import tvm_ffi\n'''\nfrom tvm_ffi import InText\n'''\n\
            from tvm_ffi import Object, register_object as register\n\
            from tvm_ffi.dataclasses import (  # two\n    Enum,  # one, of many\n    py_class as c,\n)\n\
            from tvm_ffi.core import (A, B)\n\
            try:\n    from tvm_ffi.later import New\nexcept ImportError:\n    pass\n\
            from tvm_ffix import No\nfrom .tvm_ffi import No\nfrom tvm_ffi.libinfo import \\\n    load\n";
        let imports = of_ffi(source, Interpreter::default()).into_iter();
        let named = imports.filter(|import| !import.names.is_empty());
        let found: Vec<String> = named
            .map(|import| format!("{}:{}", import.module, import.names.join(",")))
            .collect();
        assert_eq!(
            found,
            [
                "tvm_ffi:Object,register_object",
                "tvm_ffi.dataclasses:Enum,py_class",
                "tvm_ffi.core:A,B",
                "tvm_ffi.libinfo:load",
            ]
        );
    }
}
