//! What modules that are not what their packages brought ask for in vain when they are
//! imported: modules that nothing in the environment has, names that nothing binds,
//! attributes of modules that lost them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::site::{Site, module_of};
use crate::python::calls::is_bound_once;
use crate::python::closure::Closure;
use crate::python::names::Names;
use crate::python::steps::{Import, Step, absolute, names_asked, steps};
use crate::python::{is_builtin, is_of_python, text};
use crate::runtime::installation;

/// What is asked for in vain.
pub(super) enum Lost {
    /// The file that asks, and what Python says.
    Certain((String, String)),
    /// Why that is not known.
    Open(String),
}

/// A module that an import reaches.
struct Reached {
    name: String,
    is_package: bool,
    /// Its file, below the folder.
    file: String,
    source: String,
}

/// What an import asks for in vain of which one of the modules `touched` is to blame. Whether
/// the packages `required` are there is told for itself.
pub(super) fn asked_in_vain(
    site: &Site,
    closure: &Closure,
    touched: &BTreeSet<String>,
    required: &[String],
) -> Option<Lost> {
    if let Some((module, file)) = strange_module(site, closure, touched, required) {
        return Some(match site.is_whole {
            true => {
                let says = format!("ModuleNotFoundError: No module named '{module}'");
                Lost::Certain((file, says))
            }
            false => Lost::Open(format!(
                "{file} is not what was brought and imports `{module}`, which is not in its folder"
            )),
        });
    }
    let reached = touched
        .iter()
        .filter(|name| closure.reached.contains(*name));
    let mut reached = reached.filter_map(|name| read(site, name));
    let name = reached.find_map(|one| undefined(site, &one));
    name.or_else(|| attribute(site, closure, touched))
        .or_else(|| taken(site, closure, touched))
        .map(Lost::Certain)
}

/// A name that one of the modules takes from another, which has it not.
fn taken(site: &Site, closure: &Closure, touched: &BTreeSet<String>) -> Option<(String, String)> {
    let all = closure.names.iter();
    let of_touched = all.filter(|(_, taken)| touched.contains(&taken.by) && !taken.is_begun);
    let lost = of_touched.filter(|((module, name), _)| {
        let names = Names::with_taken(&site.modules, module);
        names.is_some_and(|names| !names.may_have(name)) && !site.is_given(closure, module, name)
    });
    let ((module, name), taken) = lost.min_by_key(|(_, taken)| taken.order)?;
    let says = format!("ImportError: cannot import name '{name}' from '{module}'");
    Some((taken.file.clone(), says))
}

/// A module that is not there, and the file that imports it.
fn strange_module(
    site: &Site,
    closure: &Closure,
    touched: &BTreeSet<String>,
    required: &[String],
) -> Option<(String, String)> {
    // What an installed package lacks of its own is told there.
    let installed = site.installed.keys();
    let told = required.iter().chain(installed);
    let told: BTreeSet<String> = told.map(|package| module_of(package)).collect();
    let absent = closure.absent.iter().filter(|(module, (file, _))| {
        let by = installation::module_of(&file.replace('\\', "/"));
        by.is_some_and(|by| touched.contains(&by))
            && (!module.contains('.') || is_of_tvm(module))
            && !is_of_python(module)
            && !told.contains(*module)
    });
    let (module, (file, _)) = absent.min_by_key(|(_, (_, order))| *order)?;
    Some((module.clone(), file.clone()))
}

/// Whether a module is of a package that makes no modules up below its own.
fn is_of_tvm(module: &str) -> bool {
    let top = module.split('.').next().unwrap_or(module);
    matches!(top, "tvm" | "tvm_ffi")
}

fn read(site: &Site, name: &str) -> Option<Reached> {
    let (path, is_package, source) = site.source(name)?;
    Some(Reached {
        name: name.to_owned(),
        is_package,
        file: shown(site, path),
        source,
    })
}

fn shown(site: &Site, path: PathBuf) -> String {
    let below = path.strip_prefix(&site.folder).map(PathBuf::from);
    below.unwrap_or(path).display().to_string()
}

/// A name that a module asks for and that nothing binds.
fn undefined(site: &Site, module: &Reached) -> Option<(String, String)> {
    let names = Names::inside(&site.modules, &module.name, &module.source);
    // A package has the modules in it that were imported.
    let is_inner = |name: &str| {
        let inner = format!("{}.{name}", module.name);
        module.is_package && site.modules.module(&inner).is_some()
    };
    let asked = names_asked(&module.source, site.interpreter());
    let mut lost = asked.into_iter().map(|one| one.name);
    // What is put among Python's own names is everywhere.
    if module.source.contains("builtins") {
        return None;
    }
    let name = lost.find(|name| !names.may_have(name) && !is_builtin(name) && !is_inner(name))?;
    let says = format!("NameError: name '{name}' is not defined");
    Some((module.file.clone(), says))
}

/// An attribute of an imported module that it has not, where it or the one that asks is
/// not what was brought.
fn attribute(
    site: &Site,
    closure: &Closure,
    touched: &BTreeSet<String>,
) -> Option<(String, String)> {
    let last = touched.iter().filter_map(|name| name.rsplit('.').next());
    let asked: BTreeSet<String> = last.map(|name| format!("{name}.")).collect();
    let all = closure.reached.iter();
    let mut askers = all.filter_map(|name| read(site, name)).filter(|asker| {
        let mut asked = asked.iter();
        touched.contains(&asker.name) || asked.any(|name| asker.source.contains(name))
    });
    askers.find_map(|asker| {
        let is_own = touched.contains(&asker.name);
        let modules = imported(&asker, site);
        let asked = names_asked(&asker.source, site.interpreter()).into_iter();
        let asked = asked.filter_map(|one| Some((modules.get(&one.name)?, one.attribute?)));
        let mut asked = asked.filter(|(module, _)| is_own || touched.contains(*module));
        let lost = asked.find_map(|(module, name)| lacks(site, closure, module, &name))?;
        Some((asker.file, lost))
    })
}

/// The modules that a file imports by their own names, and calls by no other: those names,
/// and the modules.
fn imported(asker: &Reached, site: &Site) -> BTreeMap<String, String> {
    let code = text::code(&asker.source);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for step in steps(&asker.source, site.interpreter()) {
        let Step::Import(import) = step else { continue };
        for (name, module) in bound_by(asker, site, import) {
            found.entry(name).or_default().insert(module);
        }
    }
    let found = found.into_iter().filter_map(|(name, modules)| {
        let module = modules.first().filter(|_| modules.len() == 1)?.clone();
        let is_module = site.modules.module(&module).is_some();
        (is_module && is_bound_once(&code, &name)).then_some((name, module))
    });
    found.collect()
}

/// The names that an import binds, and the modules that they are, if they are modules. What
/// another package has of that name comes before its module.
fn bound_by(asker: &Reached, site: &Site, import: Import) -> Vec<(String, String)> {
    if import.names.is_empty() {
        let is_plain = import.level == 0 && !import.module.contains('.');
        let own = (import.module.clone(), import.module);
        return is_plain.then_some(own).into_iter().collect();
    }
    let around = absolute(&asker.name, asker.is_package, import.level, &import.module);
    let Some(around) = around else {
        return Vec::new();
    };
    let of_other = (around != asker.name).then(|| Names::in_folder(&site.modules, &around));
    let names = import.names.into_iter().map(|name| {
        let is_taken = of_other
            .as_ref()
            .is_some_and(|names| names.as_ref().is_none_or(|names| names.may_have(&name)));
        // No module has a name without letters.
        let module = match is_taken {
            true => String::new(),
            false => format!("{around}.{name}"),
        };
        (name, module)
    });
    names.collect()
}

/// What Python says where a module has no such attribute, and nobody gives it one.
fn lacks(site: &Site, closure: &Closure, module: &str, attribute: &str) -> Option<String> {
    let names = Names::in_folder(&site.modules, module)?;
    let inner = format!("{module}.{attribute}");
    if names.may_have(attribute) || site.modules.module(&inner).is_some() {
        return None;
    }
    let is_given = site.is_given(closure, module, attribute);
    (!is_given).then(|| format!("AttributeError: module '{module}' has no attribute '{attribute}'"))
}
