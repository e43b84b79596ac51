//! What importing some modules imports: the modules of one `site-packages` folder, file by
//! file, along the imports that run whatever happens ([`super::steps`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Interpreter;
use super::action::Action;
use super::flow::Line;
use super::folder::{Folder, Module};
use super::names::Names;
use super::program::{Led, Loaded};
use super::reading::Reading;
use super::stack::{Running, Stack};
use super::step::absolute;
use super::steps::{Import, Step};
use super::text::{Statement, statements};
use super::value::value;
use crate::limits::MAX_PYTHON_SOURCE;
use crate::source::beginning::first_bytes;

/// What an import leads to.
#[derive(Default)]
pub(crate) struct Closure {
    /// Modules that are imported and not in the folder, with the first file that asks, and
    /// how many of them are asked for before.
    pub(crate) absent: BTreeMap<String, (String, usize)>,
    /// Names that are taken from modules in the folder, with the first module that asks, its
    /// file, and how many of them are asked for before.
    pub(crate) names: BTreeMap<(String, String), Taken>,
    /// Types that are registered, with the file.
    pub(crate) types: BTreeMap<String, String>,
    /// Modules that are imported.
    pub(crate) reached: BTreeSet<String>,
    /// Files of compiled modules that are imported.
    pub(crate) compiled: BTreeSet<PathBuf>,
    /// Modules that are tried: their absence is foreseen.
    pub(crate) tried: BTreeSet<String>,
    /// A file that holds more than is read.
    pub(crate) not_read: Option<String>,
}

/// Who takes a name from a module.
pub(crate) struct Taken {
    /// The module that asks first.
    pub(crate) by: String,
    /// Its file.
    pub(crate) file: String,
    /// How many names are asked for before.
    pub(crate) order: usize,
    /// Whether the module that is asked has begun and has not ended.
    pub(crate) is_begun: bool,
}

struct Walk<'a> {
    site: &'a Folder,
    python: Interpreter,
    /// The modules whose functions are followed are in these.
    own: &'a [String],
    /// Modules that packages brought and that are gone.
    lost: &'a BTreeSet<String>,
    found: Closure,
    stack: Stack,
    /// Modules that were looked for.
    known: HashMap<String, Option<Module>>,
    /// Names of modules that were asked for.
    names: HashMap<String, Option<Names>>,
    /// Modules that say to `sys.meta_path` how others in them are found.
    finders: BTreeSet<String>,
    /// Packages that add folders to `sys.path`.
    movers: BTreeSet<String>,
    /// Files that make modules up.
    makers: BTreeSet<String>,
}

impl Closure {
    /// What importing `modules` leads to. The modules `lost` were brought and are gone.
    pub(crate) fn of(
        site: &Folder,
        modules: &[String],
        lost: &BTreeSet<String>,
        python: Interpreter,
    ) -> Self {
        let mut walk = Walk {
            site,
            python,
            own: modules,
            lost,
            found: Self::default(),
            stack: Stack::default(),
            known: HashMap::new(),
            names: HashMap::new(),
            finders: BTreeSet::new(),
            movers: BTreeSet::new(),
            makers: BTreeSet::new(),
        };
        for module in modules {
            walk.begin(module);
            // As Python does: what a statement imports is imported before the next.
            while walk.go_on() {}
        }
        walk.leave_out_foreseen();
        walk.found
    }

    /// Who imports a module of this name, or one in it, that is not there.
    pub(crate) fn asks_for(&self, module: &str) -> Option<(&str, &str, usize)> {
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
    /// Does what comes next.
    fn go_on(&mut self) -> bool {
        let Some(running) = self.stack.running.last_mut() else {
            return false;
        };
        if let Some(step) = running.reading.found.pop_front() {
            self.step(step);
            return true;
        }
        if running.at >= running.end {
            match running.reading.end() {
                Some(start) => running.at = start,
                None => self.stack.end(),
            }
            return true;
        }
        let mut reading = std::mem::take(&mut running.reading);
        let view = running.view(self.site, &self.stack.program);
        let line = Line {
            statements: &running.statements,
            at: running.at,
            scope: self
                .stack
                .program
                .contains_key(&running.name)
                .then_some(&view),
        };
        let again = reading.take(line);
        running.reading = reading;
        running.at = again.unwrap_or(running.at.saturating_add(1));
        if running.reading.is_full() {
            let file = running.file.clone();
            running.at = running.end;
            self.found.not_read = Some(more_than_read(&file));
        }
        true
    }

    fn step(&mut self, step: Step) {
        let Some(running) = self.stack.running.last() else {
            return;
        };
        let (module, file) = (running.name.clone(), running.file.clone());
        let is_package = running.is_package;
        let target = |import: &Import| absolute(&module, is_package, import.level, &import.module);
        match step {
            Step::Call(_) => {}
            Step::Act(action) => self.act(action),
            Step::More => self.found.not_read = Some(more_than_read(&file)),
            Step::Type(key) => drop(self.found.types.entry(key).or_insert(file)),
            Step::Import(import) => {
                if let Some(target) = target(&import) {
                    self.import(&module, &target, &import.names, &file);
                }
            }
            Step::Try(import) => {
                if let Some(target) = target(&import) {
                    let inner = import.names.iter();
                    let inner = inner.map(|name| format!("{target}.{name}"));
                    self.found.tried.extend(inner);
                    self.found.tried.insert(target);
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        let Some(view) = self.stack.view(self.site) else {
            return;
        };
        match action {
            Action::Call(called) => {
                let led = view.led(&called);
                self.call(called.into, led);
            }
            Action::Ask(module, name) => {
                let led = view.asked(&module, &name);
                self.call(String::new(), led);
            }
            Action::Each(name, list, done) => {
                let all = view.each(&name, &list, &done);
                if let Some(running) = self.stack.running.last_mut() {
                    let all = all.into_iter().rev().map(Step::Act);
                    all.for_each(|step| running.reading.found.push_front(step));
                }
            }
            Action::Return(text) => {
                let gives = value(&text, &view);
                self.stack.give(gives);
            }
            other => {
                for (name, value) in view.bound(other) {
                    self.stack.set(name, value);
                }
            }
        }
    }

    fn call(&mut self, into: String, led: Led) {
        match led {
            Led::Nowhere => self.stack.set(into, None),
            Led::Changes(list) => {
                self.stack.set(list, None);
                self.stack.set(into, None);
            }
            Led::Import(target, given) => {
                self.stack.set(into, Some(given));
                if let Some(running) = self.stack.running.last() {
                    let (module, file) = (running.name.clone(), running.file.clone());
                    self.import(&module, &target, &[], &file);
                }
            }
            Led::Enter(entered) => {
                if let Some(Module::Source(file, _)) = self.module(&entered.key.0) {
                    let file = self.shown(&file);
                    self.stack.enter(entered, into, file, self.python);
                }
            }
        }
    }

    fn shown(&self, file: &Path) -> String {
        let shown = file.strip_prefix(self.site.place()).unwrap_or(file);
        shown.display().to_string()
    }

    fn module(&mut self, name: &str) -> Option<Module> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let found = self.site.module(name);
        self.known.insert(name.to_owned(), found.clone());
        found
    }

    /// Begins the import of a module that was not imported before.
    fn begin(&mut self, module: &str) {
        let reached = &mut self.found.reached;
        if !reached.insert(module.to_owned()) {
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
        let Some(bytes) = first_bytes(&file, MAX_PYTHON_SOURCE) else {
            return;
        };
        let source = String::from_utf8_lossy(&bytes);
        let shown = self.shown(&file);
        if bytes.len() as u64 >= MAX_PYTHON_SOURCE {
            self.found.not_read = Some(more_than_read(&shown));
        }
        if source.contains("sys.meta_path") {
            self.finders.insert(module.to_owned());
        }
        if moves_path(&source) {
            self.movers.insert(top(module).to_owned());
        }
        if makes_modules(&source) {
            self.makers.insert(shown.clone());
        }
        let statements: Arc<[Statement]> = statements(&source).0.into();
        let is_own = self.own.iter().any(|own| own == top(module));
        if is_own {
            let loaded = Loaded::new(statements.clone(), is_package);
            self.stack.program.insert(module.to_owned(), loaded);
        }
        self.stack.running.push(Running {
            name: module.to_owned(),
            is_package,
            file: shown,
            at: 0,
            end: statements.len(),
            reading: match is_own {
                true => Reading::following(self.python, None),
                false => Reading::of(self.python),
            },
            statements,
            call: None,
        });
    }

    /// What is not there and what a package finds in its own way is tried.
    fn leave_out_foreseen(&mut self) {
        let (finders, movers, makers) = (&self.finders, &self.movers, &self.makers);
        let lost = self.lost;
        let is_foreseen = |module: &str, file: &str| {
            let is_in = |finder: &String| {
                let rest = module.strip_prefix(finder.as_str());
                rest.is_some_and(|rest| rest.starts_with('.'))
            };
            let asks = file.split(['/', '\\', '.']).next().unwrap_or(file);
            let is_moved = movers.contains(asks) && top(module) != asks;
            is_moved || makers.contains(file) || finders.iter().any(is_in)
        };
        let tried = &mut self.found.tried;
        self.found.absent.retain(|module, (file, _)| {
            // What was brought as a file is found as one.
            let is_tried = !lost.contains(module) && is_foreseen(module, file);
            if is_tried {
                tried.insert(module.clone());
            }
            !is_tried
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
                if self.lost.contains(&inner)
                    && let Some(running) = self.stack.running.last_mut()
                {
                    let asked = Action::Ask(target.to_owned(), name.clone());
                    running.reading.found.push_front(Step::Act(asked));
                }
                let key = (target.to_owned(), name.clone());
                let order = self.found.names.len();
                let is_begun = self
                    .stack
                    .running
                    .iter()
                    .any(|one| one.call.is_none() && one.name == target);
                let names = self.found.names.entry(key);
                names.or_insert_with(|| Taken {
                    by: module.to_owned(),
                    file: file.to_owned(),
                    order,
                    is_begun,
                });
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
            // What a package takes from itself is a module that it has not mentioned before.
            Module::Source(..) => {
                inner.filter(|_| target == module || !self.may_have(target, name))
            }
        }
    }

    /// Whether a module may have a name.
    fn may_have(&mut self, module: &str, name: &str) -> bool {
        let site = self.site;
        let names = self.names.entry(module.to_owned());
        let names = names.or_insert_with(|| Names::with_taken(site, module));
        names.as_ref().is_none_or(|names| names.may_have(name))
    }
}

/// Whether a source adds folders to those in which Python looks for modules.
fn moves_path(source: &str) -> bool {
    let mut used = source.match_indices("sys.path").map(|(at, found)| {
        let behind = source.get(at.saturating_add(found.len())..);
        behind.unwrap_or_default().trim_start()
    });
    let is_changed = |behind: &str| {
        let is_given = behind.starts_with('=') && !behind.starts_with("==");
        is_given || behind.starts_with(['.', '[', '+'])
    };
    let is_renamed = source.contains("= sys.path\n");
    used.any(is_changed)
        || is_renamed
        || source.contains("addsitedir(")
        || source.contains("sys import path")
}

/// Whether a source tells Python of modules that are no files.
fn makes_modules(source: &str) -> bool {
    let ways = [
        "sys.modules.setdefault(",
        "sys.modules.update(",
        "sys.modules |=",
        "sys import modules",
        "sys.meta_path.",
        "sys.meta_path[",
        "sys.path_hooks",
    ];
    // One that is read is there already.
    let mut used = source.split("sys.modules[").skip(1);
    let is_given = |behind: &str| {
        let behind = behind.split_once(']').map_or("", |(_, behind)| behind);
        let behind = behind.trim_start();
        behind.starts_with('=') && !behind.starts_with("==")
    };
    used.any(is_given) || ways.iter().any(|way| source.contains(way))
}

fn top(module: &str) -> &str {
    module.split('.').next().unwrap_or(module)
}

/// Why a file does not tell what it imports.
fn more_than_read(file: &str) -> String {
    format!("{file} holds more than is read")
}
