//! Whether the Python packages around the files of a scan are as they were installed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::threads::prelude::*;

use super::changed::{changed, ends_in_zero, hiding};
use super::ffi_package::{Files, PACKAGE};
use super::lost_names::{Lost, asked_in_vain};
use super::lost_needs::unlinked;
use super::site::{Site, name_of};
use super::{frozen, interpreter, requirements, types, unlisted};
use crate::artifact::{Artifact, Role};
use crate::container::{self, Architecture, Platform};
use crate::finding::{Finding, Severity};
use crate::limits::{MAX_PACKAGE_FILE, MAX_RECORD};
use crate::place::Place;
use crate::python::closure::Closure;
use crate::rule::Rule;
use crate::runtime::distribution::{self, Distribution};
use crate::runtime::installation::{self, Brings, Installation, Replaced};
use crate::source::beginning::{beginning, first_bytes};
use crate::words::spell;

/// A file of a package's `RECORD`, and its size.
type Listed<'a> = (&'a str, Option<u64>);

/// The packages of some folders that are TVM's or ask for one of its, and are not whole.
pub(super) fn damaged(folders: &BTreeSet<PathBuf>, within: Option<&Path>) -> Vec<Installation> {
    let mut found: Vec<Installation> = Vec::new();
    for folder in folders {
        // A frozen application keeps its modules elsewhere, and of libraries what it needs.
        if frozen::is_frozen(folder) {
            found.extend(frozen::look(folder));
            continue;
        }
        let Some(site) = Site::of(folder, within) else {
            continue;
        };
        // Of two of one name, as an upgrade may leave them, the better one is there.
        let mut of_site: BTreeMap<String, Installation> = BTreeMap::new();
        for info in site.infos() {
            let Some((name, one)) = name_of(info).zip(look(&site, info)) else {
                continue;
            };
            match of_site.entry(name.0) {
                Entry::Vacant(entry) => drop(entry.insert(one)),
                Entry::Occupied(mut entry) if one.faults() < entry.get().faults() => {
                    entry.insert(one);
                }
                Entry::Occupied(_) => {}
            }
        }
        requirements::add_of_others(&site, &mut of_site);
        found.extend(of_site.into_values().filter(|one| one.faults() > 0));
        found.extend(unlisted::look(&site));
        found.extend(site.failing.iter().map(|failing| {
            let place = Place::file(folder.join(&failing.file));
            let mut one = Installation::new(place, failing.file.clone(), Brings::Nothing);
            one.start = Some(failing.clone());
            one
        }));
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}

/// Refuses the clients whose tvm-ffi, in the packages that they are of, is not imported.
pub(super) fn refuse(
    installations: &[Installation],
    found: &[Finding],
    artifacts: &[Artifact],
    refused: &mut HashMap<Place, Vec<&'static Rule>>,
) {
    for one in installations.iter().filter(|one| one.brings == Brings::Ffi) {
        let mut errors = found
            .iter()
            .filter(|finding| finding.artifact == one.place && finding.severity == Severity::Error);
        let (Some(error), Some(site)) = (errors.next(), one.place.folder()) else {
            continue;
        };
        let clients = artifacts
            .iter()
            .filter(|artifact| artifact.role == Role::Client && artifact.path.is_below(&site));
        for client in clients {
            let rules = refused.entry(client.path.clone()).or_default();
            rules.push(error.rule);
        }
    }
}

fn look(site: &Site, info: &Path) -> Option<Installation> {
    let metadata = beginning(&info.join("METADATA"), MAX_PACKAGE_FILE)?;
    let package = Distribution::parse(&metadata)?;
    let brings = match package.name.as_str() {
        distribution::FFI => Brings::Ffi,
        _ if package.holds_tvm() => Brings::Runtime,
        _ => Brings::Nothing,
    };
    let shown = format!("{} {}", package.name, package.version);
    let mut found = Installation::new(Place::file(info), shown, brings);
    let record = beginning(&info.join("RECORD"), MAX_RECORD).unwrap_or_default();
    let listed: Vec<Listed<'_>> = installation::listed(&record).collect();
    if record.len() as u64 >= MAX_RECORD {
        found.not_read = Some(String::from("its RECORD holds more than is read"));
    }
    if !site.is_as_listed {
        compare_files(site, &listed, &mut found);
    }
    if found.brings != Brings::Nothing && !site.is_as_listed {
        found.changed.extend(hiding(&site.modules, &listed));
    }
    if found.brings == Brings::Ffi {
        interpreter::look(site, &mut found);
    }
    if found.brings != Brings::Nothing {
        found.not_read = found.not_read.take().or(site.before.clone());
        found.not_read = found.not_read.take().or_else(|| lacks_ffi(site, &metadata));
    }
    let wheel = beginning(&info.join("WHEEL"), MAX_PACKAGE_FILE).unwrap_or_default();
    if let Some(python) = &site.python
        && let Some(tag) = installation::wrong_tag(&wheel, python)
    {
        found.wrong_python = Some((tag.to_owned(), python.clone()));
    }
    found.misnamed = misnamed(site, &listed, &wheel);
    found.refused_by = refused_by(site, &metadata);
    if site.is_wheel && found.brings == Brings::Ffi {
        let own = Files::in_folder(&site.folder.join(PACKAGE));
        let lost = own.lost_library().filter(|_| !own.is_empty());
        let is_new = |file: &String| !found.missing.contains(file);
        found.missing.extend(lost.filter(is_new));
    }
    if let Some(machine) = installation::machine_of(&wheel) {
        found.other_machine = other_machine(&site.folder, &listed, machine);
        found.no_library = no_library(&site.folder, &listed, machine.0);
    }
    if found.brings == Brings::Ffi {
        let files = listed.iter().map(|(file, _)| site.folder.join(file));
        found.unlinked = unlinked(files, &site.folder, None);
    }
    found.unmet = site.unmet(&metadata);
    let is_whole = found.missing.is_empty() && found.changed.is_empty();
    let is_other = !found.replaced.is_empty() || !found.changed.is_empty();
    let is_doubtful =
        !(is_whole && found.unmet.is_empty()) || (found.brings == Brings::Runtime && is_other);
    if is_doubtful {
        let modules = site.modules_in(&record, &package.name);
        let lost = installation::lost(&found.missing);
        let closure = Closure::of(&site.modules, &modules, &lost, site.interpreter());
        found.not_read = found.not_read.take().or(closure.not_read.clone());
        let required = distribution::required(&metadata).map(|one| one.name);
        let required: Vec<String> = required.collect();
        let brought = listed
            .iter()
            .filter_map(|(file, _)| installation::module_of(file));
        let brought: BTreeSet<String> = brought.collect();
        judge(site, &closure, &modules, (&required, &brought), &mut found);
        if found.brings == Brings::Runtime && is_other && !site.is_wheel {
            found.types = types::unknown(&site.folder, &closure, &found);
        }
    }
    Some(found)
}

/// A module that no Python of the package's wheel takes for one, by its name.
fn misnamed(site: &Site, listed: &[Listed<'_>], wheel: &str) -> Option<String> {
    let files = listed.iter().map(|(file, _)| *file);
    let mut modules = files.filter(|file| {
        installation::is_library(file)
            && installation::is_vital(file)
            && site.folder.join(file).is_file()
    });
    let is_good = |file: &str| installation::is_named_for(file, wheel, site.python.as_deref());
    // Beside it may be the one that is taken.
    let has_other = |file: &str| {
        let module = installation::module_of(file);
        let mut others = listed.iter().map(|(other, _)| *other);
        others.any(|other| installation::module_of(other) == module && is_good(other))
    };
    let found = modules.find(|file| !is_good(file) && !has_other(file));
    found.map(str::to_owned)
}

/// The Pythons that a package is for, where the one that it is installed for is none of them.
fn refused_by(site: &Site, metadata: &str) -> Option<(String, String)> {
    let python = site.python.clone()?;
    let wanted = distribution::pythons(metadata)?;
    // Which release of that Python is not known.
    let releases = ["0", "99"].map(|last| wanted.takes(&format!("{python}.{last}")));
    let is_refused = releases.iter().all(|taken| *taken == Some(false));
    is_refused.then_some((wanted.specification, python))
}

/// Why it is not known whether a package finds the tvm-ffi that it requires.
fn lacks_ffi(site: &Site, metadata: &str) -> Option<String> {
    let mut required = distribution::required(metadata);
    let is_asked = required.any(|one| one.name == distribution::FFI);
    let is_here = || site.modules.module("tvm_ffi").is_some();
    let why = site.open.as_ref().filter(|_| is_asked && !is_here())?;
    Some(format!(
        "{} is not in its folder, and {why}",
        distribution::FFI
    ))
}

/// What of a package's faults an import of it meets, which requires others and brought
/// modules.
fn judge(
    site: &Site,
    closure: &Closure,
    modules: &[String],
    (required, brought): (&[String], &BTreeSet<String>),
    found: &mut Installation,
) {
    let is_in = |file: &str, modules: &dyn Fn(&str) -> bool| {
        installation::module_of(file).is_some_and(|module| modules(&module))
    };
    let is_met = |file: &&String| {
        installation::is_vital(file) || is_in(file, &|module| closure.absent.contains_key(module))
    };
    let may_be_met = |file: &&String| {
        !installation::is_aside(file) && !is_in(file, &|module| closure.tried.contains(module))
    };
    found.vital = found.missing.iter().find(is_met).cloned();
    found.doubtful = found.missing.iter().find(may_be_met).cloned();
    site.add_failures(closure, &mut found.unmet);
    for one in &mut found.changed {
        one.is_reached = is_in(&one.file.file, &|module| closure.reached.contains(module));
    }
    // The worst first: it is what the finding is about.
    found
        .changed
        .sort_by_key(|one| (!one.is_fatal(), one.says.is_none(), !one.is_cut));
    let changed = found.changed.iter().map(|one| &one.file.file);
    let touched = changed.chain(&found.missing);
    let mut touched: BTreeSet<String> = touched
        .filter_map(|file| installation::module_of(file))
        .collect();
    if touched.is_empty() {
        return;
    }
    // What was added is not what was brought either.
    let added = closure.reached.iter().filter(|module| {
        let top = module.split('.').next().unwrap_or(module);
        modules.iter().any(|own| own == top) && !brought.contains(*module)
    });
    touched.extend(added.cloned());
    found.fails = site.lacking_name(closure, modules, &|module| touched.contains(module));
    if found.fails.is_none() {
        match asked_in_vain(site, closure, &touched, required) {
            Some(Lost::Certain(fails)) => found.fails = Some(fails),
            Some(Lost::Open(why)) => found.not_read = found.not_read.take().or(Some(why)),
            None => {}
        }
    }
    let by = found.fails.as_ref().map(|(file, _)| file.clone());
    found
        .changed
        .sort_by_key(|one| (!one.is_fatal(), Some(&one.file.file) != by.as_ref()));
}

/// What `RECORD` lists and is not there, or not as it was.
fn compare_files(site: &Site, listed: &[Listed<'_>], found: &mut Installation) {
    let there = listed.par_iter().map(|&(file, size)| {
        let path = site.folder.join(file);
        let there = std::fs::metadata(&path).ok();
        (file, size, there.filter(std::fs::Metadata::is_file), path)
    });
    let there: Vec<_> = there
        .filter(|(file, size, there, path)| {
            let same = there
                .as_ref()
                .map(|there| size.is_none_or(|size| size == there.len()));
            same != Some(true) || (file.ends_with(".py") && ends_in_zero(path))
        })
        .collect();
    for (file, size, there, path) in there {
        let Some(there) = there else {
            match site.elsewhere(file) {
                Some(true) => {}
                Some(false) => {
                    let why = format!(
                        "{file} is not there, and may be in a folder that is added to sys.path"
                    );
                    found.not_read.get_or_insert(why);
                }
                None if site.has_instead(file) => {}
                None => found.missing.push(file.to_owned()),
            }
            continue;
        };
        let replaced = Replaced {
            file: file.to_owned(),
            recorded: size.unwrap_or(there.len()),
            found: there.len(),
        };
        match installation::is_library(file) {
            true => found.replaced.push(replaced),
            false => found.changed.push(changed(&path, replaced)),
        }
    }
}

/// Whether an import opens a file as a library.
fn is_opened(file: &str) -> bool {
    let ours = ["tvm/lib/", "tvm_ffi/lib/"];
    let is_ours = ours.iter().any(|folder| file.starts_with(folder));
    let is_module = installation::module_of(file).is_some();
    installation::is_library(file) && installation::is_vital(file) && (is_ours || is_module)
}

/// The first file that an import opens as a library and that is none, and the key of what a
/// loader says of it.
fn no_library(
    site: &Path,
    listed: &[Listed<'_>],
    system: Platform,
) -> Option<(String, &'static str)> {
    let mut libraries = listed.iter().filter(|(file, _)| is_opened(file));
    libraries.find_map(|(file, _)| {
        let header = first_bytes(&site.join(file), 1 << 10)?;
        let is_short = system == Platform::Linux && header.len() < 64;
        let key = if is_short {
            "file-too-short"
        } else {
            "other-format"
        };
        let is_none = !header.starts_with(b"\x7fELF") && container::machines(&header).is_none();
        is_none.then(|| ((*file).to_owned(), key))
    })
}

/// The first library that an import opens and that is for another machine than the wheel: by
/// its header alone. Others may be data, for a machine that the package writes programs for.
fn other_machine(
    site: &Path,
    listed: &[Listed<'_>],
    machine: (Platform, Architecture),
) -> Option<(String, String)> {
    let mut libraries = listed.iter().filter(|(file, _)| is_opened(file));
    let (file, _) = libraries.find(|(file, _)| {
        let header = first_bytes(&site.join(file), 1 << 10).unwrap_or_default();
        header_machine(&header).is_some_and(|found| found != machine)
    })?;
    let (system, processor) = machine;
    Some((
        (*file).to_owned(),
        format!("{} {}", spell(processor), spell(system)),
    ))
}

/// The machine that a library's header names. Universal files are for several.
fn header_machine(header: &[u8]) -> Option<(Platform, Architecture)> {
    let half = |at: usize| {
        let bytes = header.get(at..)?.first_chunk::<2>()?;
        Some(u16::from_le_bytes(*bytes))
    };
    let of = |system, value: u16, x86: u16, arm: u16| match value {
        _ if value == x86 => Some((system, Architecture::X86_64)),
        _ if value == arm => Some((system, Architecture::Aarch64)),
        _ => None,
    };
    match header {
        [0x7f, b'E', b'L', b'F', ..] => of(Platform::Linux, half(18)?, 62, 183),
        [0xcf, 0xfa, 0xed, 0xfe, ..] => of(Platform::MacOs, half(4)?, 7, 12),
        [b'M', b'Z', ..] => {
            let at = usize::from(half(0x3c)?).checked_add(4)?;
            of(Platform::Windows, half(at)?, 0x8664, 0xaa64)
        }
        _ => None,
    }
}
