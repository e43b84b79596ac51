//! Names that the Python files of a package import from tvm-ffi and that the tvm-ffi
//! beside it does not have, arguments that its functions do not take, and a class that it
//! refuses.
//!
//! The files are those of the package's `RECORD`. Packages that are a release with the
//! tvm-ffi of the release are not looked through.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::threads::prelude::*;

use super::packages::listed_sources;
use crate::limits::{MAX_PYTHON_SOURCE, MAX_RECORD};
use crate::place::Place;
use crate::python::calls::{self, Taken, is_bound_once};
use crate::python::folder::{Folder, Module};
use crate::python::names::Names;
use crate::python::steps::{Import, Step, absolute, steps};
use crate::python::{Interpreter, text};
use crate::runtime::distribution::{self, Distribution, FFI, Lacking, TVM};
use crate::runtime::ffi_version::{self, RefusedClass};
use crate::runtime::grouping::Installed;
use crate::runtime::{installation, release};
use crate::source::beginning::{beginning, first_bytes};
use crate::source::map;

/// What a file that imports from tvm-ffi holds.
const SIGN: &[u8] = b"from tvm_ffi";
/// Modules from which a name is taken, one from the other.
const MOST_HOPS: usize = 8;

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
        let known = known.filter(|version| !belong_together(&package.distribution, version));
        if let Some(version) = known {
            let files = listed_sources(package.path.path());
            let mut classes = ffi_version::refused_classes(version);
            let metadata = package.path.path();
            package.distribution.refused = classes.find_map(|class| {
                let refused = refused(&files, site, class);
                refused.filter(|_| has_field(metadata, site, &class.attribute))
            });
            package.distribution.lacking = lacking(&files, package.path.path(), site);
        }
    }
}

fn belong_together(package: &Distribution, ffi: &str) -> bool {
    package.name == TVM
        && release::by_name(&package.version)
            .is_some_and(|known| known.ffi_version.value.as_deref() == Some(ffi))
}

/// The file of a class that tvm-ffi refuses, if it is among some.
fn refused(
    files: &[String],
    site: &Path,
    class: &'static RefusedClass,
) -> Option<(String, &'static RefusedClass)> {
    let found = files.par_iter().find_first(|file| {
        let source = first_bytes(&site.join(file), MAX_PYTHON_SOURCE).unwrap_or_default();
        memchr::memmem::find(&source, class.key.as_bytes()).is_some()
            && is_silent(&String::from_utf8_lossy(&source), class)
    });
    found.map(|file| (file.clone(), class))
}

/// Whether a library of a package has a field of this name: that one a class is to say.
fn has_field(metadata: &Path, site: &Path, name: &str) -> bool {
    let text = format!("\0{name}\0");
    let finder = memchr::memmem::Finder::new(text.as_bytes());
    let record = beginning(&metadata.with_file_name("RECORD"), MAX_RECORD).unwrap_or_default();
    let libraries =
        installation::listed(&record).filter(|(file, _)| installation::is_library(file));
    let mut opened = libraries.filter_map(|(file, _)| map::open(&site.join(file)).ok());
    opened.any(|bytes| finder.find(&bytes).is_some())
}

/// Whether a source registers the type with a class that says nothing of the attribute.
fn is_silent(source: &str, refused: &RefusedClass) -> bool {
    let (statements, _) = text::statements(source);
    let registers = |text: &str| text.contains("register_object") && text.contains(&refused.key);
    let mut rest = statements
        .iter()
        .skip_while(|one| !(one.text.starts_with('@') && registers(&one.text)))
        .skip_while(|one| one.text.starts_with('@'));
    let Some(class) = rest.next().filter(|one| one.text.starts_with("class ")) else {
        return false;
    };
    let mut body = rest.take_while(|one| one.indent > class.indent);
    !body.any(|one| one.text.contains(&refused.attribute))
}

fn lacking(files: &[String], metadata: &Path, site: &Path) -> Vec<Lacking> {
    let python = Interpreter::of_version(distribution::python_of(&Place::file(metadata)));
    let uses: Vec<(&str, Uses)> = files
        .par_iter()
        .filter_map(|file| {
            let source = first_bytes(&site.join(file), MAX_PYTHON_SOURCE)?;
            memchr::memmem::find(&source, SIGN)?;
            Some((
                file.as_str(),
                of_ffi(&String::from_utf8_lossy(&source), python),
            ))
        })
        .collect();
    let mut ffi = Ffi {
        folder: Folder::new(site, python.minor),
        python,
        names: BTreeMap::new(),
        taken: BTreeMap::new(),
    };
    let mut seen: BTreeSet<Use> = BTreeSet::new();
    let mut found = Vec::new();
    // An import stands before the calls of what it brings.
    let sorts: [fn(&Uses) -> &[Use]; 2] = [|uses| &uses.names, |uses| &uses.arguments];
    for sort in sorts {
        let all = uses.iter();
        let all = all.flat_map(|(file, uses)| sort(uses).iter().map(move |one| (file, one)));
        for (file, one) in all {
            if seen.insert(one.clone()) && ffi.lacks(one) {
                found.push(Lacking {
                    file: (*file).to_owned(),
                    module: one.module.clone(),
                    name: one.name.clone(),
                    argument: one.argument.clone(),
                });
            }
        }
    }
    found
}

/// A name that is taken from a module of tvm-ffi, and an argument that it is called with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    module: String,
    name: String,
    argument: Option<String>,
}

/// What a file uses of tvm-ffi when it is imported.
#[derive(Default)]
struct Uses {
    names: Vec<Use>,
    arguments: Vec<Use>,
}

/// The Python half of the tvm-ffi of a folder.
struct Ffi {
    folder: Folder,
    python: Interpreter,
    names: BTreeMap<String, Option<Names>>,
    taken: BTreeMap<(String, String), Taken>,
}

impl Ffi {
    fn lacks(&mut self, one: &Use) -> bool {
        let Some(argument) = &one.argument else {
            let (folder, module) = (&self.folder, &one.module);
            let names = self.names.entry(module.clone());
            let names = names.or_insert_with(|| Names::in_folder(folder, module));
            return names.as_ref().is_some_and(|names| {
                let inner = format!("{module}.{}", one.name);
                !names.may_have(&one.name) && folder.module(&inner).is_none()
            });
        };
        let key = (one.module.clone(), one.name.clone());
        let known = self.taken.get(&key).cloned();
        let taken = known.unwrap_or_else(|| self.taken_by(&one.module, &one.name, 0));
        let lacks = matches!(&taken, Taken::Names(names) if !names.contains(argument));
        self.taken.insert(key, taken);
        lacks
    }

    /// What a function takes that a module defines, or has from another.
    fn taken_by(&self, module: &str, name: &str, hops: usize) -> Taken {
        let (Some(Module::Source(file, is_package)), true) =
            (self.folder.module(module), hops < MOST_HOPS)
        else {
            return Taken::Any;
        };
        let source = first_bytes(&file, MAX_PYTHON_SOURCE).unwrap_or_default();
        let source = String::from_utf8_lossy(&source);
        if let Some(taken) = calls::taken(&source, name) {
            return taken;
        }
        let is_meant = |import: &Import| import.names.iter().any(|one| one == name);
        let from = imports(steps(&source, self.python)).find(is_meant);
        let from = from.filter(|_| is_bound_once(&text::code(&source), name));
        let from = from.and_then(|from| absolute(module, is_package, from.level, &from.module));
        from.map_or(Taken::Any, |from| {
            self.taken_by(&from, name, hops.saturating_add(1))
        })
    }
}

fn imports(steps: Vec<Step>) -> impl Iterator<Item = Import> {
    steps.into_iter().filter_map(|step| match step {
        Step::Import(import) => Some(import),
        _ => None,
    })
}

/// What a source uses of tvm-ffi by name when it is imported.
fn of_ffi(source: &str, python: Interpreter) -> Uses {
    let is_ffi = |import: &Import| {
        let rest = import.module.strip_prefix("tvm_ffi");
        import.level == 0 && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let steps = steps(source, python);
    let mut uses = Uses::default();
    for import in imports(steps.clone()).filter(is_ffi) {
        let names = import.names.iter().filter(|name| *name != "*");
        uses.names.extend(names.map(|name| Use {
            module: import.module.clone(),
            name: name.clone(),
            argument: None,
        }));
    }
    let code = LazyCell::new(|| text::code(source));
    for step in steps {
        let Step::Call(call) = step else { continue };
        let imported = uses.names.iter().find(|one| one.name == call.callee);
        let Some(imported) = imported.filter(|one| is_bound_once(&code, &one.name)) else {
            continue;
        };
        uses.arguments
            .extend(call.keywords.into_iter().map(|argument| Use {
                argument: Some(argument),
                ..imported.clone()
            }));
    }
    uses
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
        let uses = of_ffi(source, Interpreter::default()).names.into_iter();
        let found: Vec<String> = uses
            .map(|one| format!("{}:{}", one.module, one.name))
            .collect();
        assert_eq!(
            found,
            [
                "tvm_ffi:Object",
                "tvm_ffi:register_object",
                "tvm_ffi.dataclasses:Enum",
                "tvm_ffi.dataclasses:py_class",
                "tvm_ffi.core:A",
                "tvm_ffi.core:B",
                "tvm_ffi.libinfo:load",
            ]
        );
    }

    #[test]
    fn a_class_must_say_what_its_dict_is() {
        let class = ffi_version::refused_classes("0.1.12").next().unwrap();
        let head = "@tvm_ffi.register_object(\"ir.DictAttrs\")\nclass DictAttrs(Attrs):\n";
        let body = "    def _dict(self):\n        return 1\n";
        assert!(is_silent(&format!("{head}{body}x = __dict__\n"), class));
        let own = "    @property\n    def __dict__(self):\n        return 1\n";
        assert!(!is_silent(&format!("{head}{body}{own}"), class));
        assert!(!is_silent(
            "class DictAttrs: ...\nX = \"ir.DictAttrs\"\n",
            class
        ));
    }

    /// A fork may have called the field otherwise.
    #[test]
    fn a_class_is_refused_for_a_field_that_is_there() {
        let site = tempfile::tempdir().unwrap();
        let info = site.path().join("p-1.dist-info");
        std::fs::create_dir_all(&info).unwrap();
        std::fs::write(info.join("RECORD"), "p.so,sha256=x,9\n").unwrap();
        let has = |bytes: &str| {
            std::fs::write(site.path().join("p.so"), bytes).unwrap();
            has_field(&info.join("METADATA"), site.path(), "__dict__")
        };
        assert!(has("a\0__dict__\0"));
        assert!(!has("a\0dict\0 __dict__ "));
    }

    #[test]
    fn arguments_are_held_against_the_definition() {
        let site = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let path = site.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put(
            "tvm_ffi/__init__.py",
            "from .libinfo import load, any\nfrom .core import made\n",
        );
        put(
            "tvm_ffi/libinfo.py",
            "def load(a, b=1):\n    ...\ndef any(**rest): ...\n",
        );
        put("p-1.dist-info/RECORD", "p/__init__.py,,\n");
        let lacks = |source: &str| {
            put("p/__init__.py", source);
            let metadata = site.path().join("p-1.dist-info/METADATA");
            let found = lacking(&listed_sources(&metadata), &metadata, site.path());
            let arguments = found.into_iter().filter_map(|one| one.argument);
            arguments.collect::<Vec<_>>()
        };
        let of = "from tvm_ffi.libinfo import load, any\n";
        assert_eq!(
            lacks(&format!("{of}X = load(1, b=2, c=3, d=4)\n")),
            ["c", "d"]
        );
        assert_eq!(lacks("from tvm_ffi import load\nload(a=1, c=3)\n"), ["c"]);
        for sound in [
            "X = load(a=1, b=2)",
            "any(c=3)",
            "def f():\n    load(c=3)",
            "if x():\n    load(c=3)",
            "def load(c): ...\nload(c=3)",
        ] {
            assert_eq!(lacks(&format!("{of}{sound}\n")), [""; 0], "{sound}");
        }
        assert_eq!(lacks("from tvm_ffi import made\nmade(c=3)\n"), [""; 0]);
    }
}
