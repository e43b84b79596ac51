//! What modules that are not what their packages brought ask for in vain when they are
//! imported: modules that nothing in the environment has, names that nothing binds,
//! attributes of modules that lost them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::site::{Site, module_of};
use crate::limits::MAX_PYTHON_SOURCE;
use crate::python::calls::is_bound_once;
use crate::python::closure::Closure;
use crate::python::folder::Module;
use crate::python::names::Names;
use crate::python::steps::{Import, Step, names_asked, steps};
use crate::python::uses::Use;
use crate::python::{is_builtin, is_of_python, text};
use crate::runtime::installation;
use crate::source::beginning::first_bytes;

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
        .map(Lost::Certain)
}

/// A module without a folder that nobody has, and the file that imports it.
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
            && !module.contains('.')
            && !is_of_python(module)
            && !told.contains(*module)
    });
    let (module, (file, _)) = absent.min_by_key(|(_, (_, order))| *order)?;
    Some((module.clone(), file.clone()))
}

fn read(site: &Site, name: &str) -> Option<Reached> {
    let Some(Module::Source(path, is_package)) = site.modules.module(name) else {
        return None;
    };
    let bytes = first_bytes(&path, MAX_PYTHON_SOURCE)?;
    let is_whole = (bytes.len() as u64) < MAX_PYTHON_SOURCE;
    is_whole.then(|| Reached {
        name: name.to_owned(),
        is_package,
        file: shown(site, path),
        source: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

fn shown(site: &Site, path: PathBuf) -> String {
    let below = path.strip_prefix(&site.folder).map(PathBuf::from);
    below.unwrap_or(path).display().to_string()
}

/// A name that a module asks for and that nothing binds.
fn undefined(site: &Site, module: &Reached) -> Option<(String, String)> {
    let names = Names::of(&module.name, &module.source);
    // A package has the modules in it that were imported.
    let is_inner = |name: &str| {
        let inner = format!("{}.{name}", module.name);
        module.is_package && site.modules.module(&inner).is_some()
    };
    let asked = names_asked(&module.source, site.interpreter());
    let mut lost = asked.into_iter().map(|one| one.name);
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
    let of_top = |name: &&String| !name.contains('.');
    let lost_by: Vec<&String> = touched.iter().filter(of_top).collect();
    let all = closure.reached.iter();
    let mut askers = all.filter_map(|name| read(site, name)).filter(|asker| {
        let asks = |top: &&String| asker.source.contains(&format!("{top}."));
        touched.contains(&asker.name) || lost_by.iter().any(asks)
    });
    askers.find_map(|asker| {
        let is_own = touched.contains(&asker.name);
        let modules = imported(&asker, site);
        let asked = names_asked(&asker.source, site.interpreter()).into_iter();
        let mut asked = asked
            .filter(|one| modules.contains(&one.name) && (is_own || touched.contains(&one.name)));
        let lost = asked.find_map(|one| lacks(site, closure, &one))?;
        Some((asker.file, lost))
    })
}

/// The modules that a file imports by their own names, and calls by no other.
fn imported(asker: &Reached, site: &Site) -> BTreeSet<String> {
    let code = text::code(&asker.source);
    let imports = steps(&asker.source, site.interpreter()).into_iter();
    let plain = imports.filter_map(|step| match step {
        Step::Import(Import {
            level: 0,
            module,
            names,
        }) if names.is_empty() && !module.contains('.') => Some(module),
        _ => None,
    });
    plain.filter(|name| is_bound_once(&code, name)).collect()
}

/// What Python says where a module has no such attribute, and nobody gives it one.
fn lacks(site: &Site, closure: &Closure, asked: &Use) -> Option<String> {
    let (module, attribute) = (&asked.name, asked.attribute.as_ref()?);
    let names = Names::in_folder(&site.modules, module)?;
    let inner = format!("{module}.{attribute}");
    if names.may_have(attribute) || site.modules.module(&inner).is_some() {
        return None;
    }
    let is_set = format!(".{attribute} =");
    let mut reached = closure.reached.iter().filter_map(|name| read(site, name));
    let is_given = reached.any(|one| one.source.contains(&is_set));
    (!is_given).then(|| format!("AttributeError: module '{module}' has no attribute '{attribute}'"))
}
