//! The Python packages of the environments that runtime members lie in: the
//! `*.dist-info/METADATA` files beside the folders that hold them, and what TVM's
//! Python source registers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::threads::prelude::*;

use super::binding;
use super::site::name_of;
use crate::limits::{MAX_PACKAGE_FILE, MAX_PYTHON_SOURCE, MAX_RECORD};
use crate::place::Place;
use crate::python::registered::{self, Registered};
use crate::runtime::distribution::{Distribution, FFI};
use crate::runtime::grouping::Installed;
use crate::runtime::installation;
use crate::runtime::member::Member;
use crate::source::beginning::{beginning, children, first_bytes};

/// Folders above a library in which its package may be named:
/// `site-packages/tvm/lib/libtvm_runtime.so` is three below.
const LEVELS: usize = 3;
/// Folders of a package, one in the other.
const MOST_FOLDERS: usize = 8;

/// The folders in which the packages of the members may be named.
pub(super) fn folders(members: &[Member]) -> BTreeSet<PathBuf> {
    around(members.iter().map(|member| &member.path))
}

/// The folders in which the packages of some files may be named.
pub(super) fn around<'a>(files: impl Iterator<Item = &'a Place>) -> BTreeSet<PathBuf> {
    files
        .filter(|file| !file.is_member())
        .flat_map(|file| file.path().ancestors().skip(1).take(LEVELS))
        .map(Path::to_owned)
        .collect()
}

/// Name and version of the package that lists each file of a folder as its own.
type Owned = HashMap<PathBuf, Arc<(String, String)>>;

/// Which packages list which files, folder by folder: each list is read once.
#[derive(Default)]
pub(super) struct Owners(Mutex<HashMap<PathBuf, Arc<Owned>>>);

impl Owners {
    /// The command that installs the package again which lists a file as its own.
    pub(super) fn install_again(&self, file: &Place) -> Option<String> {
        let path = Some(file.path()).filter(|_| !file.is_member())?;
        let mut sites = path.ancestors().skip(1).take(MOST_FOLDERS);
        sites.find_map(|site| {
            let owned = self.of(site);
            let (name, version) = &**owned.get(path.strip_prefix(site).ok()?)?;
            Some(installation::install_again(name, Some(version)))
        })
    }

    fn of(&self, site: &Path) -> Arc<Owned> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owned) = known.get(site) {
            return owned.clone();
        }
        let mut owned = Owned::new();
        for info in children(site) {
            let is_info = info.extension().is_some_and(|end| end == "dist-info");
            let Some(package) = name_of(&info).filter(|_| is_info).map(Arc::new) else {
                continue;
            };
            let record = beginning(&info.join("RECORD"), MAX_RECORD).unwrap_or_default();
            for (file, _) in installation::listed(&record) {
                let owner = owned.entry(PathBuf::from(file));
                owner.or_insert_with(|| package.clone());
            }
        }
        let owned = Arc::new(owned);
        known.insert(site.to_owned(), owned.clone());
        owned
    }
}

/// The package that a wheel's own `METADATA` names.
pub(super) fn in_wheel(place: &Place, bytes: &[u8]) -> Option<Installed> {
    let folder = place.folder()?;
    let is_metadata = place.raw_name() == b"METADATA" && folder.raw_name().ends_with(b".dist-info");
    if !is_metadata || !folder.folder()?.raw_name().ends_with(b".whl") {
        return None;
    }
    let most = usize::try_from(MAX_PACKAGE_FILE).ok()?;
    let text = String::from_utf8_lossy(bytes.get(..most).unwrap_or(bytes));
    Some(Installed {
        distribution: Distribution::parse(&text)?,
        path: place.clone(),
    })
}

/// The packages of some folders that are TVM's or ask for one of its; with `sources`,
/// and what their Python source registers.
pub(super) fn named_in(folders: &BTreeSet<PathBuf>, sources: bool) -> Vec<Installed> {
    let mut found: Vec<Installed> = folders
        .iter()
        .flat_map(|folder| in_folder(folder, sources))
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn in_folder(folder: &Path, sources: bool) -> Vec<Installed> {
    let found = children(folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "dist-info"))
        .filter_map(|path| installed(path.join("METADATA"), sources));
    let mut by_name: BTreeMap<String, Vec<Installed>> = BTreeMap::new();
    for one in found {
        let of_name = by_name.entry(one.distribution.name.clone()).or_default();
        of_name.push(one);
    }
    by_name
        .into_values()
        .flat_map(the_one_that_is_there)
        .collect()
}

/// Of several of one name, as `pip install --target --upgrade` leaves them, the one whose
/// `RECORD` tells the files that are there; all of them where that is not told.
fn the_one_that_is_there(mut found: Vec<Installed>) -> Vec<Installed> {
    if found.len() < 2 {
        return found;
    }
    let others = |one: &Installed| {
        let info = one.path.path().parent()?;
        let record = beginning(&info.join("RECORD"), MAX_RECORD)?;
        let site = info.parent()?;
        let listed = installation::listed(&record);
        let is_other = |(file, size): &(&str, Option<u64>)| {
            let there = std::fs::metadata(site.join(file)).ok();
            there.is_none_or(|there| size.is_some_and(|size| size != there.len()))
        };
        Some(listed.filter(is_other).count())
    };
    let counts: Vec<usize> = found
        .iter()
        .map(|one| others(one).unwrap_or(usize::MAX))
        .collect();
    let least = counts.iter().min().copied();
    let mut counts = counts.into_iter();
    found.retain(|_| counts.next() == least);
    found
}

fn installed(path: PathBuf, sources: bool) -> Option<Installed> {
    // A README that is cut in the middle of a letter is no reason to stop.
    let mut distribution = Distribution::parse(&beginning(&path, MAX_PACKAGE_FILE)?)?;
    if sources && let Some(environment) = path.ancestors().nth(2) {
        if distribution.name == FFI {
            distribution.registers = binding::registers(&environment.join("tvm_ffi"));
        } else {
            let files = match distribution.holds_tvm() {
                true => sources_below(&environment.join("tvm")),
                false => {
                    let files = listed_sources(&path).into_iter();
                    files.map(|file| environment.join(file)).collect()
                }
            };
            let (registers, may_register) = registered_in(&files);
            distribution.registers = registers;
            distribution.may_register = may_register;
        }
    }
    Some(Installed {
        distribution,
        path: Place::file(path),
    })
}

/// Folders of a package's tests: nothing but tests imports what is in them.
const TESTS: [&str; 2] = ["testing", "tests"];

/// The Python files of a package, as its `RECORD` lists them, but for those of its tests.
pub(super) fn listed_sources(metadata: &Path) -> Vec<String> {
    let record = beginning(&metadata.with_file_name("RECORD"), MAX_RECORD).unwrap_or_default();
    let listed = installation::listed(&record).map(|(file, _)| file);
    let sources = listed.filter(|file| file.ends_with(".py") && !installation::is_aside(file));
    sources.map(str::to_owned).collect()
}

/// The Python files of a package's folder.
fn sources_below(package: &Path) -> Vec<PathBuf> {
    let is_for_tests = |entry: &walkdir::DirEntry| {
        let name = entry.file_name();
        TESTS.iter().any(|tests| name == *tests)
    };
    walkdir::WalkDir::new(package)
        .into_iter()
        .filter_entry(|entry| !is_for_tests(entry))
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|end| end == "py"))
        .collect()
}

/// The functions that Python files register when they are imported, and those that they may
/// register under a name that is computed.
fn registered_in(files: &[PathBuf]) -> (BTreeSet<String>, BTreeSet<String>) {
    let found = files.par_iter().filter_map(|file| {
        let source = first_bytes(file, MAX_PYTHON_SOURCE)?;
        // Most files register nothing, which is told without reading them as Python.
        memchr::memmem::find(&source, registered::SIGN)?;
        Some(registered::registered(&String::from_utf8_lossy(&source)))
    });
    let found: Vec<Registered> = found.collect();
    let (mut names, mut possible) = (BTreeSet::new(), BTreeSet::new());
    for one in found {
        names.extend(one.names);
        possible.extend(one.possible);
    }
    (names, possible)
}
