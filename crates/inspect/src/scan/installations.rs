//! Whether the Python packages around the files of a scan are as they were installed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::packages::{beginning, first_bytes};
use super::python_closure::Closure;
use super::requirements::{self, MAX_SMALL, Site};
use crate::container::{self, Architecture, Format, Platform};
use crate::parts;
use crate::place::Place;
use crate::runtime::distribution::Distribution;
use crate::runtime::installation::{self, Brings, Installation, Replaced};
use crate::runtime::{libraries, process};
use crate::source::{Modules, map};
use crate::words::spell;

/// Bytes of `RECORD`.
const MAX_RECORD: u64 = 8 << 20;
/// Files of one package that are looked for, and those that are named.
const MAX_FILES: usize = 1 << 16;
const MAX_NAMED: usize = 8;
/// A type's name.
const MAX_TYPE: usize = 256;

/// The packages of some folders that are TVM's or ask for one of its, and are not whole.
/// `modules` are sources that are known to be there.
pub(super) fn damaged(folders: &BTreeSet<PathBuf>, modules: &Modules) -> Vec<Installation> {
    let mut found: Vec<Installation> = Vec::new();
    // A frozen application keeps its modules elsewhere, and of libraries what it needs.
    let is_installed = |site: &&PathBuf| !site.join("base_library.zip").exists();
    for folder in folders.iter().filter(is_installed) {
        let Some(site) = Site::of(folder) else {
            continue;
        };
        // Of two of one name, as an upgrade may leave them, the better one is there.
        let mut of_site: BTreeMap<String, Installation> = BTreeMap::new();
        for info in site.infos() {
            let Some((name, one)) = requirements::name_of(info).zip(look(&site, info, modules))
            else {
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
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}

fn look(site: &Site, info: &Path, modules: &Modules) -> Option<Installation> {
    let metadata = beginning(&info.join("METADATA"), MAX_SMALL)?;
    let package = Distribution::parse(&metadata)?;
    let brings = match package.name.as_str() {
        "apache-tvm-ffi" => Brings::Ffi,
        _ if package.holds_tvm() => Brings::Runtime,
        _ => Brings::Nothing,
    };
    let shown = format!("{} {}", package.name, package.version);
    let mut found = Installation::new(Place::file(info), shown, brings);
    let record = beginning(&info.join("RECORD"), MAX_RECORD).unwrap_or_default();
    compare_files(&site.folder, &record, modules, &mut found);
    let wheel = beginning(&info.join("WHEEL"), MAX_SMALL).unwrap_or_default();
    if let Some(python) = &site.python
        && let Some(tag) = installation::wrong_tag(&wheel, python)
    {
        found.wrong_python = Some((tag.to_owned(), python.clone()));
    }
    if let Some(machine) = installation::machine_of(&wheel) {
        found.other_machine = other_machine(&site.folder, &record, machine);
    }
    if found.brings == Brings::Ffi {
        found.unlinked = unlinked(&site.folder, &record);
    }
    found.unmet = site.unmet(&metadata);
    let is_doubtful = !(found.missing.is_empty() && found.unmet.is_empty())
        || (found.brings == Brings::Runtime && !found.replaced.is_empty());
    if is_doubtful {
        let modules = installation::modules(&record);
        let closure = Closure::of(&site.folder, &modules, site.interpreter());
        judge(site, &closure, &mut found);
    }
    Some(found)
}

/// What of a package's faults an import of it meets.
fn judge(site: &Site, closure: &Closure, found: &mut Installation) {
    let is_met = |file: &&String| {
        let module = installation::module_of(file);
        let is_asked = |module: String| closure.absent.contains_key(&module);
        installation::is_vital(file) || module.is_some_and(is_asked)
    };
    found.vital = found.missing.iter().find(is_met).cloned();
    site.add_failures(closure, &mut found.unmet);
    if found.brings == Brings::Runtime && !found.replaced.is_empty() {
        found.types = unknown_types(&site.folder, closure);
    }
}

/// What `RECORD` lists and is not there, or not as it was.
fn compare_files(site: &Path, record: &str, modules: &Modules, found: &mut Installation) {
    for (file, size) in installation::listed(record).take(MAX_FILES) {
        let path = site.join(file);
        if modules.has(&path) {
            continue;
        }
        let there = std::fs::metadata(path).map(|there| there.len());
        match (there, size) {
            (Err(_), _) => {
                // Python takes what was compiled in place of a source.
                let is_compiled = site.join(format!("{file}c")).is_file();
                if found.missing.len() < MAX_FILES && !is_compiled {
                    found.missing.push(file.to_owned());
                }
            }
            (Ok(there), Some(recorded))
                if there != recorded
                    && installation::is_library(file)
                    && found.replaced.len() < MAX_NAMED =>
            {
                found.replaced.push(Replaced {
                    file: file.to_owned(),
                    recorded,
                    found: there,
                });
            }
            _ => {}
        }
    }
}

/// The first library without which an import fails and that is for another machine than
/// the wheel: by its header alone.
fn other_machine(
    site: &Path,
    record: &str,
    machine: (Platform, Architecture),
) -> Option<(String, String)> {
    let files = installation::listed(record).take(MAX_FILES);
    let mut libraries =
        files.filter(|(file, _)| installation::is_library(file) && installation::is_vital(file));
    let (file, _) = libraries.find(|(file, _)| {
        let header = first_bytes(&site.join(file), 1 << 10).unwrap_or_default();
        header_machine(&header).is_some_and(|found| found != machine)
    })?;
    let (system, processor) = machine;
    Some((
        file.to_owned(),
        format!("{} {}", spell(processor), spell(system)),
    ))
}

/// What tvm-ffi's binding asks for and does not find. Its Python has loaded tvm-ffi's own
/// library before.
fn unlinked(site: &Path, record: &str) -> Option<(String, String)> {
    let files = installation::listed(record).take(MAX_FILES);
    let bindings = files.filter(|(file, _)| {
        let place = Place::file(site.join(file));
        parts::stem(file) == "core" && parts::comes_with_a_runtime(&place)
    });
    for (file, _) in bindings {
        let place = Place::file(site.join(file));
        let Ok(bytes) = map::open(place.path()) else {
            continue;
        };
        let parsed = container::parse(&bytes).unwrap_or_default();
        let elf = parsed.iter().map(|one| &one.binary);
        for binary in elf.filter(|binary| binary.format == Format::Elf) {
            let needed = binary.needed.iter().map(|needed| &needed.name);
            let mut asked = needed
                .filter(|name| libraries::is_family(name) && !process::is_loaded_by_python(name));
            let is_lost = |name: &&String| {
                let places = libraries::candidates(&place, binary, name);
                !places.iter().any(|place| place.path().is_file())
            };
            if let Some(name) = asked.find(is_lost) {
                return Some((file.to_owned(), name.clone()));
            }
        }
    }
    None
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

/// Types that an import registers and that no library of TVM's or tvm-ffi's has.
fn unknown_types(site: &Path, closure: &Closure) -> Vec<(String, String)> {
    let folders = ["tvm/lib", "tvm_ffi/lib", "tvm_ffi"].map(|folder| site.join(folder));
    let entries = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok());
    let files = entries.flatten().flatten().map(|entry| entry.path());
    let libraries = files.filter(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        installation::is_library(&name)
    });
    let mut left: BTreeMap<&[u8], (&String, &String)> = closure
        .types
        .iter()
        .map(|(key, file)| (key.as_bytes(), (key, file)))
        .collect();
    for library in libraries {
        // What cannot be read may have all of them.
        let Ok(bytes) = map::open(&library) else {
            return Vec::new();
        };
        // Nearly all stand alone, the others at the end of another text.
        for text in bytes
            .split(|byte| *byte == 0)
            .filter(|text| text.len() <= MAX_TYPE)
        {
            left.remove(text);
        }
        left.retain(|key, _| memchr::memmem::find(&bytes, key).is_none());
    }
    let left = left.into_values().take(MAX_NAMED);
    left.map(|(key, file)| (key.clone(), file.clone()))
        .collect()
}
