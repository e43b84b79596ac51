//! What names mean in modules that an import runs, and what a call of their functions leads
//! to: as far as the text tells.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::action::{Action, Called, target};
use super::condition::is_never;
use super::flow::has_word;
use super::folder::Folder;
use super::is_of_name;
use super::step::absolute;
use super::text::{Statement, parts, without_strings};
use super::value::{Scope, Value, value};

/// Names and what they mean; nothing where that is not known.
pub(super) type Names = HashMap<String, Option<Value>>;
/// A function, and what it is called with.
pub(super) type Key = (String, usize, Vec<Option<Value>>);

/// What changes a list.
const CHANGERS: [&str; 11] = [
    "add",
    "append",
    "appendleft",
    "clear",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "setdefault",
    "update",
];

/// A module whose names are followed.
pub(super) struct Loaded {
    pub(super) statements: Arc<[Statement]>,
    pub(super) is_package: bool,
    pub(super) names: Names,
    /// Statements of its functions that change names.
    changes: HashMap<String, Vec<usize>>,
}

/// The modules whose names are followed.
pub(super) type Program = HashMap<String, Loaded>;

/// Where something stands: what is known there.
#[derive(Clone)]
pub(super) struct View<'a> {
    pub(super) folder: &'a Folder,
    pub(super) program: &'a Program,
    pub(super) module: &'a str,
    /// Names of the function that it is in.
    pub(super) locals: Option<&'a Names>,
    /// The statements of that function.
    pub(super) range: Range<usize>,
}

/// What a call leads to.
pub(super) enum Led {
    /// To nothing that is known.
    Nowhere,
    /// A list of this name is changed.
    Changes(String),
    /// A module is imported, and this is what the call gives.
    Import(String, Value),
    /// A function runs.
    Enter(Entered),
}

/// A function that is called.
pub(super) struct Entered {
    pub(super) key: Key,
    pub(super) names: Names,
    /// Its statements.
    pub(super) range: Range<usize>,
    /// The column of its head.
    pub(super) indent: usize,
}

impl Scope for View<'_> {
    fn name(&self, name: &str) -> Option<Value> {
        if let Some(known) = self.locals.and_then(|locals| locals.get(name)) {
            return known.clone();
        }
        let module = self.program.get(self.module)?;
        match name {
            "__name__" => Some(Value::Text(self.module.to_owned())),
            "__package__" if module.is_package => Some(Value::Text(self.module.to_owned())),
            "__package__" => {
                let around = self
                    .module
                    .rsplit_once('.')
                    .map_or("", |(around, _)| around);
                Some(Value::Text(around.to_owned()))
            }
            _ => steady(module, name, &self.range),
        }
    }

    fn attribute(&self, of: &Value, name: &str) -> Option<Value> {
        match of {
            Value::Module(module) => {
                let loaded = self.program.get(module)?;
                let inner = format!("{module}.{name}");
                match loaded.names.contains_key(name) {
                    true => steady(loaded, name, &(0..0)),
                    false => self.folder.module(&inner).map(|_| Value::Module(inner)),
                }
            }
            Value::Code(module, class) => {
                let at = method(&self.program.get(module)?.statements, *class, name)?;
                Some(Value::Code(module.clone(), at))
            }
            // What a listing gives is here its name.
            Value::Text(_) if name == "name" => Some(of.clone()),
            _ => None,
        }
    }

    fn listing(&self) -> Option<Value> {
        let modules = self.folder.modules_in(self.module)?;
        Some(Value::List(modules.into_iter().map(Value::Text).collect()))
    }
}

/// The value of a name of a module, where no function but the one of these statements
/// changes it.
fn steady(module: &Loaded, name: &str, range: &Range<usize>) -> Option<Value> {
    let value = module.names.get(name)?.clone()?;
    if matches!(value, Value::Module(_) | Value::Code(..)) {
        return Some(value);
    }
    let changes = module.changes.get(name);
    let mut changes = changes.into_iter().flatten();
    changes.all(|at| range.contains(at)).then_some(value)
}

/// The names that functions give another value, or whose lists they change, and where.
fn changes(statements: &[Statement]) -> HashMap<String, Vec<usize>> {
    let mut found: HashMap<String, Vec<usize>> = HashMap::new();
    let inner = statements
        .iter()
        .enumerate()
        .filter(|(_, one)| one.indent > 0);
    let inner: Vec<(usize, String)> = inner
        .map(|(at, one)| (at, without_strings(one.text.trim())))
        .collect();
    // Others are names of the functions themselves.
    let declared = inner
        .iter()
        .filter_map(|(_, text)| text.strip_prefix("global "));
    let declared: HashSet<&str> = declared
        .flat_map(|names| names.split(',').map(str::trim))
        .collect();
    for (at, text) in &inner {
        let given = target(text).map(|(names, _)| names);
        let given = given.or_else(|| text.strip_prefix("del ")).unwrap_or("");
        let given = parts(given, '=')
            .into_iter()
            .flat_map(|side| parts(side, ','));
        let given = given.filter_map(|one| {
            let one = one.trim().trim_start_matches('(');
            let end = one.find(|c| !is_of_name(c)).unwrap_or(one.len());
            let (name, rest) = one.split_at_checked(end)?;
            (rest.starts_with('[') || declared.contains(name)).then_some(name)
        });
        let called = text.split('(').filter_map(|call| {
            let (list, change) = call.rsplit_once('.')?;
            let is_change = CHANGERS.contains(&change);
            list.rsplit(|c| !is_of_name(c)).next().filter(|_| is_change)
        });
        for name in given.chain(called).filter(|name| !name.is_empty()) {
            found.entry(name.to_owned()).or_default().push(*at);
        }
    }
    found
}

impl Loaded {
    /// A module that is about to run.
    pub(super) fn new(statements: Arc<[Statement]>, is_package: bool) -> Self {
        Self {
            changes: changes(&statements),
            statements,
            is_package,
            names: Names::new(),
        }
    }
}

impl View<'_> {
    /// What a call leads to.
    pub(super) fn led(&self, called: &Called) -> Led {
        let of = |text: &str| value(text, self);
        let function = called.function.as_str();
        if let Some((list, change)) = function.rsplit_once('.')
            && matches!(of(list), Some(Value::List(_)))
        {
            return match CHANGERS.contains(&change) {
                true => Led::Changes(list.to_owned()),
                false => Led::Nowhere,
            };
        }
        match of(function) {
            Some(Value::Code(module, at)) => self
                .enter(&module, at, called)
                .map_or(Led::Nowhere, Led::Enter),
            _ => self.imported(function, called).unwrap_or(Led::Nowhere),
        }
    }

    /// `importlib.import_module(f"{__name__}.a")`
    fn imported(&self, function: &str, called: &Called) -> Option<Led> {
        let name = function.rsplit('.').next().unwrap_or(function);
        if !matches!(name, "import_module" | "__import__") {
            return None;
        }
        let argument = |place: usize, name: &str| {
            let named = called
                .arguments
                .iter()
                .find(|(own, _)| own.as_deref() == Some(name));
            let placed = called.arguments.get(place).filter(|(own, _)| own.is_none());
            match value(&named.or(placed)?.1, self)? {
                Value::Text(text) => Some(text),
                _ => None,
            }
        };
        let asked = argument(0, "name")?;
        let own = asked.trim_start_matches('.');
        let level = asked.len().saturating_sub(own.len());
        let target = match level {
            0 => asked.clone(),
            _ => absolute(&argument(1, "package")?, true, level, own)?,
        };
        let top = target.split('.').next().unwrap_or(&target);
        let given = if name == "__import__" { top } else { &target };
        let given = Value::Module(given.to_owned());
        Some(Led::Import(target, given))
    }

    fn enter(&self, module: &str, at: usize, called: &Called) -> Option<Entered> {
        let statements = &self.program.get(module)?.statements;
        let mut at = at;
        if statements.get(at)?.text.trim().starts_with("class ") {
            at = method(statements, at, "__init__")?;
        }
        let head = statements.get(at)?;
        let range = at.checked_add(1)?..body_end(statements, at);
        // What gives values one by one runs when it is asked for them.
        let mut body = statements.get(range.clone())?.iter();
        if !called.is_with && body.any(|one| has_word(&one.text, &["yield"])) {
            return None;
        }
        let names = self.arguments(module, head.text.trim(), called)?;
        let mut given: Vec<_> = names.iter().collect();
        given.sort_by_key(|(name, _)| *name);
        let given = given.into_iter().map(|(_, value)| value.clone()).collect();
        Some(Entered {
            key: (module.to_owned(), at, given),
            names,
            range,
            indent: head.indent,
        })
    }

    /// The names of a function's parameters, and what a call gives them.
    fn arguments(&self, module: &str, head: &str, called: &Called) -> Option<Names> {
        let there = View {
            module,
            locals: None,
            range: 0..0,
            ..self.clone()
        };
        let (_, rest) = head.split_once('(')?;
        let inner = parts(rest, ')').first().copied()?;
        let mut placed = called.arguments.iter().filter(|(name, _)| name.is_none());
        let is_open = called
            .arguments
            .iter()
            .any(|(name, _)| name.as_deref() == Some("*"));
        let mut found = Names::new();
        for parameter in parts(inner, ',').into_iter().map(str::trim) {
            let end = parameter
                .find(|c| !is_of_name(c))
                .unwrap_or(parameter.len());
            let name = parameter.get(..end)?;
            // Of which object it is called is not known.
            if name.is_empty() || matches!(name, "self" | "cls") {
                continue;
            }
            let named = called
                .arguments
                .iter()
                .find(|(own, _)| own.as_deref() == Some(name));
            let given = named.or_else(|| placed.next());
            let sides = parts(parameter, '=');
            let known = match given {
                Some((_, text)) => value(text, self),
                None if sides.len() > 1 && !is_open => value(sides.last()?, &there),
                None => None,
            };
            found.insert(name.to_owned(), known);
        }
        Some(found)
    }

    /// What names are given by an action that is no call.
    pub(super) fn bound(&self, action: Action) -> Vec<(String, Option<Value>)> {
        match action {
            Action::Bind {
                local,
                level,
                module,
                name,
            } => {
                let is_package = self
                    .program
                    .get(self.module)
                    .is_some_and(|one| one.is_package);
                let Some(from) = absolute(self.module, is_package, level, &module) else {
                    return Vec::new();
                };
                let module = Value::Module(from.clone());
                match name.as_deref() {
                    None => vec![(local, Some(module))],
                    Some("*") => self.all_of(&from),
                    Some(name) if is_never(name) => vec![(local, Some(Value::Flag(false)))],
                    Some(name) => vec![(local, self.attribute(&module, name))],
                }
            }
            Action::Define(name, at) => vec![(name, Some(Value::Code(self.module.to_owned(), at)))],
            Action::Assign(name, text) => vec![(name, value(&text, self))],
            Action::Let(name, value) => vec![(name, Some(value))],
            Action::Forget(name) => vec![(name, None)],
            Action::Call(_) | Action::Ask(..) | Action::Each(..) | Action::Return(_) => Vec::new(),
        }
    }

    /// What a module leads to that is asked for a name: its `__getattr__`.
    pub(super) fn asked(&self, module: &str, name: &str) -> Led {
        let there = View {
            module,
            locals: None,
            range: 0..0,
            ..self.clone()
        };
        there.led(&Called {
            function: "__getattr__".to_owned(),
            arguments: vec![(None, format!("'{name}'"))],
            into: String::new(),
            is_with: false,
        })
    }

    /// What is done for each item of a list that is known.
    pub(super) fn each(&self, name: &str, list: &str, done: &[Action]) -> Vec<Action> {
        let Some(Value::List(items)) = value(list, self) else {
            return Vec::new();
        };
        let of = |item: Value| {
            let named = Action::Let(name.to_owned(), item);
            std::iter::once(named).chain(done.iter().cloned())
        };
        items.into_iter().flat_map(of).collect()
    }

    fn all_of(&self, module: &str) -> Vec<(String, Option<Value>)> {
        let names = self
            .program
            .get(module)
            .into_iter()
            .flat_map(|one| one.names.keys());
        let names: HashSet<&String> = names.filter(|name| !name.starts_with(['_', '0'])).collect();
        let of = Value::Module(module.to_owned());
        let names = names
            .into_iter()
            .map(|name| (name.clone(), self.attribute(&of, name)));
        names.collect()
    }
}

/// Where the body of what a statement defines ends.
fn body_end(statements: &[Statement], at: usize) -> usize {
    let indent = statements.get(at).map_or(0, |one| one.indent);
    let body = statements.iter().skip(at.saturating_add(1));
    let body = body.take_while(|one| one.indent > indent).count();
    at.saturating_add(1).saturating_add(body)
}

/// The statement that defines a method of a class.
fn method(statements: &[Statement], class: usize, name: &str) -> Option<usize> {
    let range = class.checked_add(1)?..body_end(statements, class);
    let indent = statements.get(range.start)?.indent;
    let mut body = range.filter(|at| statements.get(*at).is_some_and(|one| one.indent == indent));
    body.find(|at| {
        let text = statements.get(*at).map_or("", |one| one.text.trim());
        let rest = text
            .strip_prefix("def ")
            .and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.trim_start().starts_with('('))
    })
}
