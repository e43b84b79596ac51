//! Python environments of several folders: what the `.pth` files of `site-packages`
//! add to it, and which packages there have to do with TVM.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::limits::{MAX_PACKAGE_FILE, MAX_RECORD};
use crate::place::Place;
pub use crate::python::pth::{added_by_pth, sees_others, sites, users_own};
use crate::runtime::distribution::Distribution;
use crate::runtime::grouping::{self, Joined};
use crate::runtime::installation;
use crate::source::beginning::{beginning, children};

/// Folders of packages that hold parts of a load set, whatever package brought them.
const PARTS: [&str; 3] = ["tvm", "tvm_ffi", "mlc_llm"];

/// What the packages of the family, and those that ask for one of it, have directly in
/// an environment, by name.
pub fn packages(site: &Path) -> BTreeMap<String, PathBuf> {
    let mut names: BTreeSet<String> = PARTS.map(str::to_owned).into();
    for package in children(site) {
        if package.extension().is_some_and(|end| end == "dist-info") {
            names.extend(of_distribution(&package));
        }
    }
    let places = names.into_iter().map(|name| {
        let place = site.join(&name);
        (name, place)
    });
    places.filter(|(_, place)| place.exists()).collect()
}

/// The folders and libraries directly in `site-packages` that a package brought.
fn of_distribution(info: &Path) -> BTreeSet<String> {
    let metadata = beginning(&info.join("METADATA"), MAX_PACKAGE_FILE);
    if metadata.is_none_or(|text| Distribution::parse(&text).is_none()) {
        return BTreeSet::new();
    }
    let record = beginning(&info.join("RECORD"), MAX_RECORD).unwrap_or_default();
    let files = record.lines().filter_map(|line| line.split(',').next());
    let tops = files.filter_map(|file| match file.split_once('/') {
        Some((top, _)) => Some(top),
        // A single module, where it is a library.
        None => installation::is_library(file).then_some(file),
    });
    let is_meant = |top: &&str| {
        !top.is_empty()
            && !top.starts_with('.')
            && !matches!(
                *top,
                "bin" | "Scripts" | "include" | "share" | "__pycache__"
            )
            && !top.ends_with(".dist-info")
    };
    tops.filter(is_meant).map(str::to_owned).collect()
}

/// The folders that belong to the environments of some parts and to those that were met,
/// and what of them is to be read: packages that no folder before them has. What the user
/// named is read already.
pub(super) fn follow(
    parts: &[Place],
    met: &[PathBuf],
    named: &[PathBuf],
) -> (Joined, Vec<PathBuf>) {
    let parts = || parts.iter().filter(|part| !part.is_member());
    let linked: Joined = parts().filter_map(linked).collect();
    let around = parts().filter_map(grouping::environment);
    let around = around.chain(linked.values().cloned());
    let met = met.iter().map(|site| Place::file(site).without_dots());
    let sites: BTreeSet<Place> = around.chain(met).collect();
    let named = named.iter();
    let named = named.filter_map(|path| Some((path.canonicalize().ok()?, path)));
    let named: Vec<(PathBuf, &PathBuf)> = named.collect();
    let (mut joined, mut more) = (Joined::new(), Vec::new());
    for site in sites {
        let added = added_by_pth(site.path());
        // What it has itself matters only beside what another folder has.
        let mut known = match added.is_empty() {
            true => BTreeMap::new(),
            false => packages(site.path()),
        };
        for (_, folder) in added {
            let place = Place::file(&folder).without_dots();
            let packages = packages(place.path());
            if place == site || joined.contains_key(&place) || packages.is_empty() {
                continue;
            }
            // As the user spelled it, where it is among what was named.
            let real = folder.canonicalize().unwrap_or_default();
            let spelled = named.iter().find_map(|(path, spelled)| {
                let rest = real.strip_prefix(path).ok()?;
                Some(Place::file(spelled.join(rest)).without_dots())
            });
            let is_read = |package: &Path| {
                let real = package.canonicalize().unwrap_or_default();
                named.iter().any(|(path, _)| real.starts_with(path))
            };
            for (name, package) in packages {
                if !known.contains_key(&name) && !is_read(&package) {
                    more.push(package.clone());
                }
                known.entry(name).or_insert(package);
            }
            joined.extend(spelled.map(|spelled| (spelled, site.clone())));
            joined.insert(place, site.clone());
        }
    }
    joined.extend(linked);
    (joined, more)
}

/// The outermost link to an environment, or into one, that a part is named through, and that
/// environment. Python follows links before it loads a library; the part itself may be one
/// to uv's cache.
fn linked(part: &Place) -> Option<(Place, Place)> {
    if grouping::environment(part).is_some() {
        return None;
    }
    // Without a link on the way there is none to an environment.
    let path = part.path();
    if path.canonicalize().is_ok_and(|real| real == path) {
        return None;
    }
    let real = |place: &Place| {
        let folder = Some(place.path()).filter(|folder| !folder.as_os_str().is_empty())?;
        folder.canonicalize().ok()
    };
    let around = || std::iter::once(part.clone()).chain(part.folders());
    let site_of = |place| grouping::environment(&Place::file(real(&place)?.join("x")));
    let site = part.folders().find_map(site_of);
    let site = site.or_else(|| site_of(part.clone()))?;
    let is_in = |place: &Place| real(place).is_some_and(|real| real.starts_with(site.path()));
    let link = around().filter(is_in).last()?;
    Some((link, site))
}
