//! What importing some modules imports: the modules of one `site-packages` folder, file by
//! file, along the imports that run whatever happens ([`python_load`]).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};

use super::packages::{MAX_SOURCE, first_bytes};
use crate::runtime::installation;
use crate::runtime::python_load::{self, Import, Interpreter, Step};
use crate::runtime::python_names;

/// Files that are read for one import.
const MAX_FILES: usize = 8192;

/// What an import leads to.
#[derive(Default)]
pub(super) struct Closure {
    /// Modules that are imported and not in the folder, with the first file that asks, and
    /// how many of them are asked for before.
    pub(super) absent: BTreeMap<String, (String, usize)>,
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

/// A module whose import has begun.
struct Running {
    name: String,
    is_package: bool,
    /// Its file below the folder.
    file: String,
    steps: VecDeque<Step>,
}

struct Walk<'a> {
    site: &'a Path,
    python: Interpreter,
    /// Modules that packages brought and that are gone.
    lost: &'a BTreeSet<String>,
    found: Closure,
    /// Modules that are being imported, and what each has still to do.
    running: Vec<Running>,
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
            running: Vec::new(),
            known: HashMap::new(),
        };
        for module in modules {
            walk.begin(module);
            // As Python does: what a statement imports is imported before the next.
            while let Some(running) = walk.running.last_mut() {
                let Some(step) = running.steps.pop_front() else {
                    walk.running.pop();
                    continue;
                };
                let file = running.file.clone();
                let target = |import: &Import| {
                    absolute(
                        &running.name,
                        running.is_package,
                        import.level,
                        &import.module,
                    )
                };
                match step {
                    Step::Type(key) => drop(walk.found.types.entry(key).or_insert(file)),
                    Step::Import(import) => {
                        if let Some(target) = target(&import) {
                            let module = running.name.clone();
                            walk.import(&module, &target, &import.names, &file);
                        }
                    }
                    Step::Try(import) => {
                        if let Some(target) = target(&import) {
                            let inner = import.names.iter();
                            let inner = inner.map(|name| format!("{target}.{name}"));
                            walk.found.tried.extend(inner);
                            walk.found.tried.insert(target);
                        }
                    }
                }
            }
        }
        walk.found
    }

    /// Who imports a module of this name, or one in it, that is not there.
    pub(super) fn asks_for(&self, module: &str) -> Option<(&str, &str, usize)> {
        let is_in = |name: &str| {
            let rest = name.strip_prefix(module);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let absent = self.absent.iter().filter(|(name, _)| is_in(name));
        let (name, (file, order)) = absent.min_by_key(|(_, (_, order))| *order)?;
        Some((name, file, *order))
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

    /// Begins the import of a module that was not imported before.
    fn begin(&mut self, module: &str) {
        let reached = &mut self.found.reached;
        if reached.len() > MAX_FILES || !reached.insert(module.to_owned()) {
            return;
        }
        let (file, is_package) = match self.module(module) {
            Some(Module::Source(file, is_package)) => (file, is_package),
            Some(Module::Compiled(file)) => {
                self.found.compiled.insert(file);
                return;
            }
            Some(Module::Namespace) | None => return,
        };
        let Some(bytes) = first_bytes(&file, MAX_SOURCE) else {
            return;
        };
        let source = String::from_utf8_lossy(&bytes);
        let shown = file.strip_prefix(self.site).unwrap_or(&file);
        self.running.push(Running {
            name: module.to_owned(),
            is_package,
            file: shown.display().to_string(),
            steps: python_load::steps(&source, self.python).into(),
        });
    }

    fn absent(&mut self, module: String, file: &str) {
        let order = self.found.absent.len();
        let absent = self.found.absent.entry(module);
        absent.or_insert_with(|| (file.to_owned(), order));
    }

    /// What a statement of `module` imports.
    fn import(&mut self, module: &str, target: &str, names: &[String], file: &str) {
        // The packages around a module are imported first, and what is taken from it last.
        let mut modules: Vec<String> = Vec::new();
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
                (Some(_), _) => modules.push(whole.clone()),
                // What compiled code, or a package that makes modules up, has is not known.
                (None, Some(Module::Compiled(_) | Module::Namespace)) => break,
                (None, _) => {
                    self.absent(whole.clone(), file);
                    break;
                }
            }
        }
        if modules.last().is_some_and(|last| last == target) {
            for name in names.iter().filter(|name| *name != "*") {
                let inner = format!("{target}.{name}");
                // Where the module has such a name itself, it has mostly imported this one.
                if self.module(&inner).is_some() {
                    modules.push(inner);
                    continue;
                }
                if let Some(lost) = self.lost_with(module, target, name) {
                    self.absent(lost, file);
                    continue;
                }
                let key = (target.to_owned(), name.clone());
                let names = self.found.names.entry(key);
                names.or_insert_with(|| file.to_owned());
            }
        }
        // The last to begin is the first to run.
        for module in modules.iter().rev() {
            self.begin(module);
        }
    }

    /// The module that is gone and that a name which `module` takes from another is, or was in.
    fn lost_with(&mut self, module: &str, target: &str, name: &str) -> Option<String> {
        let is_lost = |name: &String| self.lost.contains(name);
        let inner = Some(format!("{target}.{name}")).filter(is_lost);
        let of_namespace = Some(target.to_owned()).filter(is_lost);
        match self.module(target)? {
            // It has nothing but modules.
            Module::Namespace => of_namespace,
            Module::Compiled(_) => None,
            Module::Source(source, _) => inner.filter(|_| {
                // What a package takes from itself is a module that it has not mentioned before.
                let text = first_bytes(&source, MAX_SOURCE).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                target == module || !python_names::may_define(&text, name)
            }),
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
