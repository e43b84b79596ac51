//! The modules of a folder that Python imports from.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A module of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Module {
    /// Its source, and whether it is a package.
    Source(PathBuf, bool),
    /// A package without a file of its own.
    Namespace,
    /// Compiled code, or a source that has been compiled.
    Compiled(PathBuf),
}

/// A folder, `site-packages`, whose folders are listed once.
#[derive(Debug)]
pub(crate) struct Folder {
    place: PathBuf,
    /// Folders that are looked through after it.
    more: Vec<PathBuf>,
    /// 11 of Python 3.11.
    minor: Option<u32>,
    listed: Mutex<HashMap<PathBuf, Arc<BTreeSet<String>>>>,
}

impl Folder {
    pub(crate) fn new(place: &Path, minor: Option<u32>) -> Self {
        Self {
            place: place.to_owned(),
            more: Vec::new(),
            minor,
            listed: Mutex::default(),
        }
    }

    /// The same with the folders that its environment adds.
    pub(crate) fn and(mut self, more: Vec<PathBuf>) -> Self {
        self.more = more;
        self
    }

    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    /// The first folder that has something of a name.
    fn of_top(&self, top: &str) -> &Path {
        let has = |folder: &&PathBuf| {
            let names = self.names(folder);
            let modules = format!("{top}.");
            let mut after = names.range(modules.clone()..);
            names.contains(top) || after.next().is_some_and(|name| name.starts_with(&modules))
        };
        let all = || std::iter::once(&self.place).chain(&self.more);
        match self.more.is_empty() {
            true => &self.place,
            false => all().find(has).unwrap_or(&self.place),
        }
    }

    /// What Python takes for a module of this dotted name.
    pub(crate) fn module(&self, name: &str) -> Option<Module> {
        let top = name.split('.').next().unwrap_or(name);
        let place = self.of_top(top).join(name.replace('.', "/"));
        let stem = place.file_name()?.to_str()?;
        let folder = place.parent()?;
        let names = self.names(folder);
        let is_folder = names.contains(stem);
        let first = place.join("__init__.py");
        if is_folder && first.is_file() {
            return Some(Module::Source(first, true));
        }
        let first = place.join("__init__.pyc");
        if is_folder && first.is_file() {
            return Some(Module::Compiled(first));
        }
        let there = |end: &str| {
            let file = names.contains(&format!("{stem}{end}"));
            let file = file.then(|| place.with_file_name(format!("{stem}{end}")));
            file.filter(|file| file.is_file())
        };
        // Compiled modules are looked for before sources.
        if let Some(file) = self.compiled(folder, stem, &names) {
            return Some(Module::Compiled(file));
        }
        if let Some(file) = there(".py") {
            return Some(Module::Source(file, false));
        }
        if let Some(file) = there(".pyc") {
            return Some(Module::Compiled(file));
        }
        (is_folder && place.is_dir()).then_some(Module::Namespace)
    }

    /// The modules that a listing of a package gives.
    pub(crate) fn modules_in(&self, package: &str) -> Option<Vec<String>> {
        let Some(Module::Source(first, true)) = self.module(package) else {
            return None;
        };
        let names = self.names(first.parent()?);
        let stems = names
            .iter()
            .map(|name| name.split('.').next().unwrap_or(name));
        let stems: BTreeSet<&str> = stems.filter(|stem| !stem.starts_with("__")).collect();
        let is_module = |stem: &&str| {
            let module = self.module(&format!("{package}.{stem}"));
            !matches!(module, None | Some(Module::Namespace))
        };
        Some(
            stems
                .into_iter()
                .filter(is_module)
                .map(str::to_owned)
                .collect(),
        )
    }

    /// The file that Python loads as a compiled module, of several that are called so, in
    /// its order: `core.cpython-311-x86_64-linux-gnu.so`, `core.abi3.so`, `core.so`.
    fn compiled(&self, folder: &Path, stem: &str, names: &BTreeSet<String>) -> Option<PathBuf> {
        let start = format!("{stem}.");
        let named = names.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
        let named = named.take_while(|name| name.starts_with(&start));
        let loaded = named.filter_map(|name| {
            let tags = name.get(start.len()..)?;
            is_loaded(tags, self.minor).then_some((order(tags), name))
        });
        let (_, name) = loaded.min()?;
        Some(folder.join(name)).filter(|file| file.is_file())
    }

    /// What Python takes for modules instead of their sources, files below the folder: a
    /// package or compiled code of the name. Files of one folder follow on each other.
    pub(crate) fn hidden<'a>(
        &self,
        sources: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = (&'a str, PathBuf)> {
        let mut last: Option<(&str, PathBuf, Arc<BTreeSet<String>>)> = None;
        sources.filter_map(move |source| {
            let stem = source.strip_suffix(".py")?;
            let (below, stem) = stem.rsplit_once('/').unwrap_or(("", stem));
            let (_, folder, names) = match last.take() {
                Some(known) if known.0 == below => last.insert(known),
                _ => {
                    let folder = self.place.join(below);
                    let names = self.names(&folder);
                    last.insert((below, folder, names))
                }
            };
            let is_package = names.contains(stem);
            let firsts = ["__init__.py", "__init__.pyc"].into_iter();
            let firsts = firsts.filter(|_| is_package);
            let mut firsts = firsts.map(|first| folder.join(stem).join(first));
            let first = firsts.find(|first| first.is_file());
            let hides = first.or_else(|| self.compiled(folder, stem, names))?;
            Some((source, hides))
        })
    }

    fn names(&self, folder: &Path) -> Arc<BTreeSet<String>> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = listed.get(folder) {
            return names.clone();
        }
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names: Arc<BTreeSet<String>> = Arc::new(names.collect());
        listed.insert(folder.to_owned(), names.clone());
        names
    }
}

/// Whether Python loads another file for the compiled module that a file is named as:
/// `core.cpython-311-x86_64-linux-gnu.so` and not `core.abi3.so`.
pub(crate) fn is_passed_by(file: &Path, minor: u32) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    let (Some(folder), Some((stem, tags))) = (file.parent(), name.and_then(|n| n.split_once('.')))
    else {
        return false;
    };
    if !is_loaded(tags, Some(minor)) {
        return false;
    }
    let module = Folder::new(folder, Some(minor)).module(stem);
    let is_earlier = |other: &Path| {
        let name = other.file_name().and_then(|name| name.to_str());
        let other = name.and_then(|name| name.split_once('.'));
        other.is_some_and(|(_, other)| order(other) < order(tags))
    };
    matches!(module, Some(Module::Compiled(other)) if is_earlier(&other))
}

/// How early Python looks for a compiled module of these endings.
fn order(tags: &str) -> u8 {
    match tags {
        "so" | "pyd" => 2,
        _ if tags.starts_with("abi3") => 1,
        _ => 0,
    }
}

/// Whether Python 3.`minor` loads a module of these endings. What is not CPython's is
/// taken for good.
fn is_loaded(tags: &str, minor: Option<u32>) -> bool {
    let Some((tag, _)) = tags.rsplit_once('.') else {
        return matches!(tags, "so" | "pyd");
    };
    let is_library = tags.ends_with(".so") || tags.ends_with(".pyd");
    let own = tag
        .strip_prefix("cpython-")
        .or_else(|| tag.strip_prefix("cp"));
    let own = own.map(|own| own.split('-').next().unwrap_or(own));
    let is_own = match (own, minor) {
        (Some(own), Some(minor)) => own == format!("3{minor}"),
        _ => true,
    };
    is_library && is_own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_loads_modules_of_its_own_tags() {
        let taken = |tags| is_loaded(tags, Some(11));
        let own = [
            "so",
            "pyd",
            "abi3.so",
            "cpython-311-darwin.so",
            "cp311-win_amd64.pyd",
        ];
        assert!(own.into_iter().all(taken));
        let others = [
            "py",
            "cpython-312-x86_64-linux-gnu.so",
            "cp39-win32.pyd",
            "so.1",
        ];
        assert!(!others.into_iter().any(taken));
    }

    #[test]
    fn the_first_that_python_looks_for_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "a.so",
            "a.abi3.so",
            "a.cpython-311-x86_64-linux-gnu.so",
            "a.cpython-312-x86_64-linux-gnu.so",
            "a.py",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let of = |minor| match Folder::new(folder.path(), Some(minor)).module("a") {
            Some(Module::Compiled(file)) => file.file_name().unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(11), names[2]);
        assert_eq!(of(12), names[3]);
        assert_eq!(of(13), names[1]);
    }
}
