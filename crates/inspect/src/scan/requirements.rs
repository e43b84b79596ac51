//! What the packages that TVM's ask for ask for themselves, or lack of their own, where an
//! import fails for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::changed;
use super::lost_names::{Lost, asked_in_vain};
use super::lost_needs::lost_needs;
use super::site::{Site, name_of};
use crate::limits::MAX_PACKAGE_FILE;
use crate::place::Place;
use crate::python::closure::Closure;
use crate::python::final_types::refused_base;
use crate::runtime::distribution::{self, Distribution};
use crate::runtime::installation::{self, Brings, Changed, Installation, Unmet};
use crate::source::beginning::beginning;

/// A package that others ask for.
#[derive(Clone)]
struct Other {
    info: PathBuf,
    requires: Vec<String>,
    /// What it asks for in vain; nothing where it is looked at for itself.
    unmet: Vec<Unmet>,
    /// Files of it that are gone; the same.
    missing: Vec<String>,
    /// Its first modules that may not be what it brought; the same.
    touched: Vec<(String, Changed)>,
    /// A first module that this Python refuses, and what it says.
    refused: Option<(String, String)>,
}

/// Adds what the packages that others ask for ask for in vain, or lack of their own, where
/// an import of the first fails for it.
pub(super) fn add_of_others(site: &Site, found: &mut BTreeMap<String, Installation>) {
    let mut known: BTreeMap<String, Option<Other>> = BTreeMap::new();
    let firsts = found.iter();
    let firsts: Vec<_> = firsts
        .map(|(name, one)| (name.clone(), one.brings))
        .collect();
    for (first, brings) in firsts {
        let lacking = lacking(site, &first, &mut known);
        if lacking.is_empty() {
            continue;
        }
        let modules = site.modules_of(&first);
        let own = found.get(&first).map(|one| one.missing.as_slice());
        let missing = lacking.iter().flat_map(|(_, other)| &other.missing);
        let missing: Vec<String> = missing.chain(own.unwrap_or_default()).cloned().collect();
        let lost = installation::lost(&missing);
        let closure = Closure::of(&site.modules, &modules, &lost, site.interpreter());
        if let Some(first) = found.get_mut(&first) {
            first.not_read = first.not_read.take().or(closure.not_read.clone());
        }
        for (name, other) in lacking {
            let mut unmet = other.unmet;
            site.add_failures(&closure, &mut unmet);
            unmet.retain(|one| one.fails.is_some());
            let vital = other
                .missing
                .iter()
                .find(|file| is_met(site, &closure, file));
            let Some((_, version)) = name_of(&other.info) else {
                continue;
            };
            let touched = fatal(site, &closure, &other.touched);
            let is_reached = |(module, _): &(String, String)| closure.reached.contains(module);
            let refused = other.refused.filter(is_reached);
            if unmet.is_empty() && vital.is_none() && touched.is_none() && refused.is_none() {
                continue;
            }
            let package = format!("{name} {version}");
            let new = || Installation::new(Place::file(&other.info), package, Brings::Nothing);
            let entry = found.entry(name).or_insert_with(new);
            if entry.unmet.is_empty() {
                entry.unmet = unmet;
            }
            if let (Some(vital), None) = (vital, &entry.vital) {
                entry.vital = Some(vital.clone());
                entry.missing = other.missing;
            }
            if let Some((changed, fails)) = touched {
                entry.changed.push(changed);
                entry.fails = entry.fails.take().or(fails);
            }
            if let Some(((_, says), python)) = refused.zip(site.python.clone()) {
                entry.refused = Some((python, says));
            }
            if brings != Brings::Nothing {
                entry.brings = brings;
            }
        }
    }
}

/// The first module, of those that may not be what was brought, that an import fails for;
/// and how it fails.
fn fatal(
    site: &Site,
    closure: &Closure,
    touched: &[(String, Changed)],
) -> Option<(Changed, Option<(String, String)>)> {
    let mut reached = touched
        .iter()
        .filter(|(module, _)| closure.reached.contains(module));
    reached.find_map(|(module, one)| {
        let fails = site
            .lacking_name(closure, std::slice::from_ref(module), &|_| true)
            .or_else(|| changed::refused_by_binding(&site.modules, closure, module))
            .or_else(|| {
                let touched = BTreeSet::from([module.clone()]);
                match asked_in_vain(site, closure, &touched, &[]) {
                    Some(Lost::Certain(lost)) => Some(lost),
                    _ => None,
                }
            });
        // An empty file may be what was brought.
        let is_other = one.file.found != one.file.recorded || one.says.is_some();
        let one = Changed {
            is_reached: is_other,
            ..one.clone()
        };
        (one.is_fatal() || fails.is_some()).then_some((one, fails))
    })
}

/// Whether an import meets a file that is gone: a module that it imports, or a library that
/// a compiled module asks for and does not find.
fn is_met(site: &Site, closure: &Closure, file: &str) -> bool {
    if let Some(module) = installation::module_of(file) {
        return closure.absent.contains_key(&module);
    }
    let name = file.rsplit('/').next().unwrap_or(file);
    let top = |file: &Path| {
        let below = file.strip_prefix(&site.folder).unwrap_or(file);
        let first = below.components().next();
        first.map(|first| first.as_os_str().to_string_lossy().into_owned())
    };
    // `numpy.libs` beside `numpy`.
    let own = top(Path::new(file)).unwrap_or_default();
    let own = own.strip_suffix(".libs").unwrap_or(&own);
    let mut users = closure.compiled.iter();
    users.any(|user| {
        let is_own = top(user).is_some_and(|top| top.replace('-', "_") == own.replace('-', "_"));
        is_own && !lost_needs(&Place::file(user), None, |needed| needed == name).is_empty()
    })
}

/// The packages that a package asks for, and those that they ask for, which ask for
/// something in vain, or are not whole.
fn lacking(
    site: &Site,
    first: &str,
    known: &mut BTreeMap<String, Option<Other>>,
) -> Vec<(String, Other)> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut left = vec![first.to_owned()];
    let mut found = Vec::new();
    while let Some(name) = left.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let other = known
            .entry(name.clone())
            .or_insert_with_key(|name| other(site, name));
        let Some(other) = other else { continue };
        left.extend(other.requires.iter().cloned());
        let is_whole = other.unmet.is_empty() && other.missing.is_empty();
        if !is_whole || !other.touched.is_empty() || other.refused.is_some() {
            found.push((name, other.clone()));
        }
    }
    found
}

fn other(site: &Site, name: &str) -> Option<Other> {
    let (info, _) = site.installed.get(name)?.first()?;
    let metadata = beginning(&info.join("METADATA"), MAX_PACKAGE_FILE)?;
    let required = distribution::required(&metadata);
    let required = required.filter(|one| site.environment.holds(&one.marker) == Some(true));
    // Those are looked at for themselves.
    let is_tvms = Distribution::parse(&metadata).is_some();
    Some(Other {
        info: info.clone(),
        requires: required.map(|one| one.name).collect(),
        unmet: match is_tvms {
            true => Vec::new(),
            false => site.unmet(&metadata),
        },
        missing: match is_tvms {
            true => Vec::new(),
            false => site.missing(info),
        },
        touched: match is_tvms {
            true => Vec::new(),
            false => changed::first_modules(&site.modules, info),
        },
        refused: match is_tvms {
            true => None,
            false => refused(site, name),
        },
    })
}

/// A first module of a package that this Python refuses, and what it says.
fn refused(site: &Site, package: &str) -> Option<(String, String)> {
    let mut modules = site.modules_of(package).into_iter();
    modules.find_map(|module| {
        let (_, _, source) = site.source(&module)?;
        let says = refused_base(&source, site.interpreter())?;
        Some((module, says))
    })
}
