//! What importing some modules imports: the modules of one `site-packages` folder, file by
//! file, along the imports that run whatever happens ([`python_load`]).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};

use super::packages::{MAX_SOURCE, first_bytes};
use crate::runtime::installation;
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
    /// Modules that are imported.
    pub(super) reached: BTreeSet<String>,
    /// Files of compiled modules that are imported.
    pub(super) compiled: BTreeSet<PathBuf>,
    /// Modules that are tried: their absence is foreseen.
    pub(super) tried: BTreeSet<String>,
}

/// A module of the folder.
#[derive(Clone)]
enum Module {
    /// Its source, and whether it is a package.
    Source(PathBuf, bool),
    /// A package without a file of its own.
    Namespace,
    /// Compiled code, or a source that has been compiled.
    Compiled(PathBuf),
}

struct Walk<'a> {
    site: &'a Path,
    python: Interpreter,
    /// Modules that packages brought and that are gone.
    lost: &'a BTreeSet<String>,
    found: Closure,
    left: VecDeque<String>,
    /// Modules that were looked for.
    known: HashMap<String, Option<Module>>,
}

impl Closure {
    /// What importing `modules` leads to. The modules `lost` were brought and are gone.
    pub(super) fn of(
        site: &Path,
        modules: &[String],
        lost: &BTreeSet<String>,
        python: Interpreter,
    ) -> Self {
        let mut walk = Walk {
            site,
            python,
            lost,
            found: Self::default(),
            left: modules.iter().cloned().collect(),
            known: HashMap::new(),
        };
        let mut files = 0usize;
        while let Some(module) = walk.left.pop_front() {
            if !walk.found.reached.insert(module.clone()) {
                continue;
            }
            match walk.module(&module) {
                Some(Module::Source(file, is_package)) => {
                    files = files.saturating_add(1);
                    if files > MAX_FILES {
                        break;
                    }
                    walk.file(&module, &file, is_package);
                }
                Some(Module::Compiled(file)) => {
                    walk.found.compiled.insert(file);
                }
                Some(Module::Namespace) | None => {}
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
        let compiled = [place.join("__init__.pyc"), place.with_extension("pyc")];
        if let Some(file) = compiled.into_iter().find(|file| file.is_file()) {
            return Some(Module::Compiled(file));
        }
        if let Some(file) = installation::extension(&place, self.python.minor) {
            return Some(Module::Compiled(file));
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
                        self.import(module, &target, &names, &shown);
                    }
                }
                Step::Try {
                    level,
                    module: named,
                    names,
                } => {
                    if let Some(target) = absolute(module, is_package, level, &named) {
                        let inner = names.iter().map(|name| format!("{target}.{name}"));
                        self.found.tried.extend(inner);
                        self.found.tried.insert(target);
                    }
                }
            }
        }
    }

    fn absent(&mut self, module: String, file: &str) {
        let absent = self.found.absent.entry(module);
        absent.or_insert_with(|| file.to_owned());
    }

    /// What a statement of `module` imports.
    fn import(&mut self, module: &str, target: &str, names: &[String], file: &str) {
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
                (None, Some(Module::Compiled(_) | Module::Namespace)) => return,
                (None, _) => return self.absent(whole, file),
            }
        }
        let names = names.iter().filter(|name| *name != "*");
        let text = match self.module(target) {
            Some(Module::Source(source, _)) => {
                let text = first_bytes(&source, MAX_SOURCE).unwrap_or_default();
                String::from_utf8_lossy(&text).into_owned()
            }
            // A package that has lost its first module has nothing but modules.
            Some(Module::Namespace) if self.lost.contains(target) => String::new(),
            _ => return,
        };
        for name in names {
            let inner = format!("{target}.{name}");
            // What a package imports from itself is a module that it has not mentioned before.
            let is_defined = target != module && python_names::may_define(&text, name);
            if !is_defined && self.module(&inner).is_some() {
                self.left.push_back(inner);
                continue;
            }
            if !is_defined && self.lost.contains(&inner) {
                self.absent(inner, file);
                continue;
            }
            if text.is_empty() && self.lost.contains(target) {
                self.absent(target.to_owned(), file);
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
