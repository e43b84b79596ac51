//! What importing some modules imports: the modules of one `site-packages` folder, file by
//! file, along the imports that run whatever happens ([`python_load`]).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};

use super::packages::{MAX_SOURCE, first_bytes};
use crate::runtime::python_load::{self, Interpreter, Step};
use crate::runtime::python_names;

/// Files that are read for one import.
const MAX_FILES: usize = 8192;

/// What an import leads to.
#[derive(Default)]
pub(super) struct Closure {
    /// Modules that are imported and not in the folder, with the first file that asks.
    pub(super) absent: BTreeMap<String, String>,
    /// Names that are taken from modules in the folder, with the first file that asks.
    pub(super) names: BTreeMap<(String, String), String>,
    /// Types that are registered, with the file.
    pub(super) types: BTreeMap<String, String>,
}

/// A module of the folder.
#[derive(Clone)]
enum Module {
    /// Its source, and whether it is a package.
    Source(PathBuf, bool),
    /// A package without a file of its own.
    Namespace,
    /// Compiled code, or a source that has been compiled.
    Compiled,
}

struct Walk<'a> {
    site: &'a Path,
    python: Interpreter,
    found: Closure,
    seen: BTreeSet<String>,
    left: VecDeque<String>,
    /// Modules that were looked for.
    known: HashMap<String, Option<Module>>,
}

impl Closure {
    /// What importing `modules` leads to.
    pub(super) fn of(site: &Path, modules: &[String], python: Interpreter) -> Self {
        let mut walk = Walk {
            site,
            python,
            found: Self::default(),
            seen: BTreeSet::new(),
            left: modules.iter().cloned().collect(),
            known: HashMap::new(),
        };
        let mut files = 0usize;
        while let Some(module) = walk.left.pop_front() {
            if !walk.seen.insert(module.clone()) {
                continue;
            }
            if let Some(Module::Source(file, is_package)) = walk.module(&module) {
                files = files.saturating_add(1);
                if files > MAX_FILES {
                    break;
                }
                walk.file(&module, &file, is_package);
            }
        }
        walk.found
    }

    /// Who imports a module of this name, or one in it, that is not there.
    pub(super) fn asks_for(&self, module: &str) -> Option<(&str, &str)> {
        let is_in = |name: &str| {
            let rest = name.strip_prefix(module);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let mut absent = self.absent.iter();
        let (name, file) = absent.find(|(name, _)| is_in(name))?;
        Some((name, file))
    }
}

impl Walk<'_> {
    fn module(&mut self, name: &str) -> Option<Module> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let found = self.look_for(name);
        self.known.insert(name.to_owned(), found.clone());
        found
    }

    fn look_for(&self, name: &str) -> Option<Module> {
        let place = self.site.join(name.replace('.', "/"));
        let package = place.join("__init__.py");
        let single = place.with_extension("py");
        if package.is_file() {
            return Some(Module::Source(package, true));
        }
        if single.is_file() {
            return Some(Module::Source(single, false));
        }
        if place.join("__init__.pyc").is_file() || place.with_extension("pyc").is_file() {
            return Some(Module::Compiled);
        }
        let last = name.rsplit('.').next().unwrap_or(name);
        let entries = place
            .parent()
            .and_then(|folder| std::fs::read_dir(folder).ok());
        let mut names = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        let is_library = |file: &String| {
            let is_named = file
                .strip_prefix(last)
                .is_some_and(|rest| rest.starts_with('.'));
            is_named && (file.ends_with(".so") || file.ends_with(".pyd"))
        };
        if names.any(|file| is_library(&file)) {
            return Some(Module::Compiled);
        }
        place.is_dir().then_some(Module::Namespace)
    }

    fn file(&mut self, module: &str, file: &Path, is_package: bool) {
        let Some(bytes) = first_bytes(file, MAX_SOURCE) else {
            return;
        };
        let source = String::from_utf8_lossy(&bytes);
        let shown = file
            .strip_prefix(self.site)
            .unwrap_or(file)
            .display()
            .to_string();
        for step in python_load::steps(&source, self.python) {
            match step {
                Step::Type(key) => {
                    self.found.types.entry(key).or_insert_with(|| shown.clone());
                }
                Step::Import {
                    level,
                    module: named,
                    names,
                } => {
                    if let Some(target) = absolute(module, is_package, level, &named) {
                        self.import(&target, &names, &shown);
                    }
                }
            }
        }
    }

    fn import(&mut self, target: &str, names: &[String], file: &str) {
        // The packages around a module are imported first.
        let mut whole = String::new();
        for part in target.split('.') {
            if !whole.is_empty() {
                whole.push('.');
            }
            whole.push_str(part);
            let around = match whole.rsplit_once('.') {
                Some((around, _)) => self.module(around),
                None => None,
            };
            match (self.module(&whole), around) {
                (Some(_), _) => self.left.push_back(whole.clone()),
                // What compiled code, or a package that makes modules up, has is not known.
                (None, Some(Module::Compiled | Module::Namespace)) => return,
                (None, _) => {
                    let absent = self.found.absent.entry(whole);
                    absent.or_insert_with(|| file.to_owned());
                    return;
                }
            }
        }
        let source = match self.module(target) {
            Some(Module::Source(source, _)) if !names.is_empty() => source,
            _ => return,
        };
        let text = first_bytes(&source, MAX_SOURCE).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for name in names.iter().filter(|name| *name != "*") {
            let inner = format!("{target}.{name}");
            if !python_names::may_define(&text, name) && self.module(&inner).is_some() {
                self.left.push_back(inner);
                continue;
            }
            let key = (target.to_owned(), name.clone());
            let names = self.found.names.entry(key);
            names.or_insert_with(|| file.to_owned());
        }
    }
}

/// The module that an import names, from inside of another.
fn absolute(module: &str, is_package: bool, level: usize, named: &str) -> Option<String> {
    if level == 0 {
        return (!named.is_empty()).then(|| named.to_owned());
    }
    let mut base = module;
    let up = level.saturating_sub(usize::from(is_package));
    for _ in 0..up {
        base = base.rsplit_once('.')?.0;
    }
    match named {
        "" => Some(base.to_owned()),
        named => Some(format!("{base}.{named}")),
    }
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn dots_lead_up_from_where_they_are() {
        let of = |module, is_package, level, named| absolute(module, is_package, level, named);
        assert_eq!(of("a.b", false, 1, "c").as_deref(), Some("a.c"));
        assert_eq!(of("a.b", true, 1, "c").as_deref(), Some("a.b.c"));
        assert_eq!(of("a.b.c", false, 2, "").as_deref(), Some("a"));
        assert_eq!(of("a", true, 1, "").as_deref(), Some("a"));
        assert_eq!(of("a", false, 2, "c"), None);
        assert_eq!(of("a", false, 0, "c.d").as_deref(), Some("c.d"));
    }
}
