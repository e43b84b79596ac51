//! Whether the Python packages around the files of a scan are as they were installed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::packages::beginning;
use crate::place::Place;
use crate::runtime::distribution::{self, Distribution};
use crate::runtime::installation::{self, Installation, Replaced};
use crate::runtime::pairing::sees_itself_alone;
use crate::source::Modules;

/// Bytes of `METADATA` and `WHEEL`, and of `RECORD`.
const MAX_SMALL: u64 = 256 << 10;
const MAX_RECORD: u64 = 8 << 20;
/// Files of one package that are looked for, and those that are named.
const MAX_FILES: usize = 1 << 16;
const MAX_NAMED: usize = 8;

/// The packages of some folders that are TVM's or ask for one of its, and are not whole.
/// `modules` are sources that are known to be there.
pub(super) fn damaged(folders: &BTreeSet<PathBuf>, modules: &Modules) -> Vec<Installation> {
    let mut found: Vec<Installation> = Vec::new();
    // A frozen application keeps its modules elsewhere, and of libraries what it needs.
    let is_installed = |site: &&PathBuf| !site.join("base_library.zip").exists();
    for site in folders.iter().filter(is_installed) {
        let infos: Vec<PathBuf> = std::fs::read_dir(site)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "dist-info"))
            .collect();
        let names: BTreeSet<String> = infos.iter().filter_map(|info| name_of(info)).collect();
        // Of two of one name, as an upgrade may leave them, the better one is there.
        let mut of_site: BTreeMap<String, Installation> = BTreeMap::new();
        for info in &infos {
            let Some((name, one)) = name_of(info).zip(look(site, info, &names, modules)) else {
                continue;
            };
            match of_site.entry(name) {
                Entry::Vacant(entry) => drop(entry.insert(one)),
                Entry::Occupied(mut entry) if one.faults() < entry.get().faults() => {
                    entry.insert(one);
                }
                Entry::Occupied(_) => {}
            }
        }
        found.extend(of_site.into_values().filter(|one| one.faults() > 0));
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}

/// The name in a folder's, `apache_tvm-0.27.0.dist-info`; none where pip has begun to
/// remove it.
fn name_of(info: &Path) -> Option<String> {
    let stem = info.file_stem()?.to_str()?;
    if stem.starts_with('~') {
        return None;
    }
    let (name, _) = stem.rsplit_once('-')?;
    Some(distribution::normal(name))
}

fn look(
    site: &Path,
    info: &Path,
    installed: &BTreeSet<String>,
    modules: &Modules,
) -> Option<Installation> {
    let metadata = beginning(&info.join("METADATA"), MAX_SMALL)?;
    let package = Distribution::parse(&metadata)?;
    let mut found = Installation {
        place: Place::file(info),
        package: format!("{} {}", package.name, package.version),
        missing: Vec::new(),
        replaced: Vec::new(),
        wrong_python: None,
        lacking: Vec::new(),
    };
    compare_files(site, info, modules, &mut found);
    let python = distribution::python_of(&found.place);
    if let Some(python) = python
        && let Some(wheel) = beginning(&info.join("WHEEL"), MAX_SMALL)
        && let Some(tag) = installation::wrong_tag(&wheel, &python)
    {
        found.wrong_python = Some((tag.to_owned(), python));
    }
    if package.is_of_family() && sees_itself_alone(site) {
        let required = distribution::required_always(&metadata);
        let is_there = |name: &String| {
            let module = name.replace('-', "_");
            installed.contains(name)
                || site.join(&module).exists()
                || site.join(format!("{module}.py")).exists()
        };
        found.lacking = required
            .filter(|name| !is_there(name))
            // tvm-ffi is asked for by version too, elsewhere.
            .filter(|name| !name.contains("tvm"))
            .collect();
    }
    Some(found)
}

/// What `RECORD` lists and is not there, or not as it was.
fn compare_files(site: &Path, info: &Path, modules: &Modules, found: &mut Installation) {
    let record = beginning(&info.join("RECORD"), MAX_RECORD).unwrap_or_default();
    for (file, size) in installation::listed(&record).take(MAX_FILES) {
        let path = site.join(file);
        if modules.has(&path) {
            continue;
        }
        let there = std::fs::metadata(path).map(|there| there.len());
        match (there, size) {
            (Err(_), _) => {
                // Python takes what was compiled in place of a source.
                let is_compiled = site.join(format!("{file}c")).is_file();
                let is_named = found.missing.len() < MAX_NAMED || installation::is_vital(file);
                if is_named && !is_compiled {
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
