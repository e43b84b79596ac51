//! Whether the Python packages around the files of a scan are as they were installed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::environments;
use super::packages::beginning;
use crate::place::Place;
use crate::runtime::distribution::{self, Distribution};
use crate::runtime::installation::{self, Installation, Replaced};

/// Bytes of `METADATA` and `WHEEL`, and of `RECORD`.
const MAX_SMALL: u64 = 256 << 10;
const MAX_RECORD: u64 = 8 << 20;
/// Files of one package that are looked for, and those that are named.
const MAX_FILES: usize = 1 << 16;
const MAX_NAMED: usize = 8;

/// The packages of some folders that are TVM's or ask for one of its, and are not whole.
pub(super) fn damaged(folders: &BTreeSet<PathBuf>) -> Vec<Installation> {
    let mut found: Vec<Installation> = Vec::new();
    for site in folders {
        let infos: Vec<PathBuf> = std::fs::read_dir(site)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "dist-info"))
            .collect();
        let names: BTreeSet<String> = infos.iter().filter_map(|info| name_of(info)).collect();
        let of_site = infos.iter().filter_map(|info| look(site, info, &names));
        found.extend(of_site.filter(|one| !one.is_whole()));
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}

/// The name in a folder's, `apache_tvm-0.27.0.dist-info`.
fn name_of(info: &Path) -> Option<String> {
    let stem = info.file_stem()?.to_str()?;
    let (name, _) = stem.rsplit_once('-')?;
    Some(distribution::normal(name))
}

fn look(site: &Path, info: &Path, installed: &BTreeSet<String>) -> Option<Installation> {
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
    let record = beginning(&info.join("RECORD"), MAX_RECORD).unwrap_or_default();
    for (file, size) in installation::listed(&record).take(MAX_FILES) {
        let there = std::fs::metadata(site.join(file)).map(|there| there.len());
        match (there, size) {
            (Err(_), _) if found.missing.len() < MAX_NAMED => found.missing.push(file.to_owned()),
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
    let python = distribution::python_of(site);
    if let Some(python) = python
        && let Some(wheel) = beginning(&info.join("WHEEL"), MAX_SMALL)
        && let Some(tag) = installation::wrong_tag(&wheel, &python)
    {
        found.wrong_python = Some((tag.to_owned(), python));
    }
    if package.is_of_family() && sees_itself_alone(site) {
        let required = distribution::required_always(&metadata);
        found.lacking = required
            .filter(|name| !installed.contains(name) && !site.join(name.replace('-', "_")).exists())
            // tvm-ffi is asked for by version too, elsewhere.
            .filter(|name| !name.contains("tvm"))
            .collect();
    }
    Some(found)
}

/// Whether all packages of an environment are in this folder.
fn sees_itself_alone(site: &Path) -> bool {
    let configuration = site.ancestors().nth(3).map(|root| root.join("pyvenv.cfg"));
    let text = configuration.and_then(|file| beginning(&file, MAX_SMALL));
    let is_closed = text.is_some_and(|text| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.any(|(key, value)| {
            key.trim() == "include-system-site-packages" && value.trim() == "false"
        })
    });
    is_closed && environments::added_by_pth(site).is_empty()
}
