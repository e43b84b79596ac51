//! The Python environments of this machine that a TVM process would use: the active
//! one, those of conda, uv and this folder, that of the Python on PATH, and the
//! folders that these add to their own.
//!
//! Nothing is executed: an environment is told by its files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use artcheck_inspect::Place;
use artcheck_inspect::limits::MAX_PACKAGE_FILE;
use artcheck_inspect::runtime::grouping::Joined;
use artcheck_inspect::runtime::machine::Machine;
use artcheck_inspect::scan::environments::{added_by_pth, packages, sees_others, sites, users_own};
use artcheck_inspect::source::beginning::{beginning, children};

/// Folders that PYTHONPATH and environments may add.
const MAX_ADDED: usize = 64;

/// An environment, and how it was found.
pub struct Environment {
    /// In a user's words.
    pub found: String,
    /// Its `site-packages` folder.
    pub site: PathBuf,
    /// The first folder of the same Python: what is in both is in one process.
    pub with: PathBuf,
}

/// What there is to read of the environments.
#[derive(Default)]
pub struct Parts {
    /// Packages, each in the folder that Python takes it from.
    pub paths: Vec<PathBuf>,
    /// Folders that are one environment with another.
    pub joined: Joined,
}

/// The environments, the one that Python would use first.
pub fn environments() -> Vec<Environment> {
    let mut roots: Vec<(String, PathBuf)> = Vec::new();
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT"] {
        let root = std::env::var_os(name).filter(|root| !root.is_empty());
        roots.extend(root.map(|root| (name.to_owned(), PathBuf::from(root))));
    }
    roots.push(("./.venv".to_owned(), PathBuf::from(".venv")));
    let python = python_on_path().map(|root| ("Python on PATH".to_owned(), root));
    roots.extend(python);
    let mut all = Environments::default();
    for (how, root) in roots {
        all.root(&how, &root);
    }
    // Python looks there before anywhere else.
    let first = all.0.first().map(|one| one.with.clone());
    for folder in listed("PYTHONPATH").take(MAX_ADDED) {
        let with = first.clone().unwrap_or_else(|| folder.clone());
        all.add("PYTHONPATH", folder, &with);
    }
    all.0
        .sort_by_key(|one| (Some(&one.with) != first.as_ref(), one.found != "PYTHONPATH"));
    all.0
}

/// This machine, as its loader looks for libraries.
pub fn machine() -> Machine {
    let folders = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"].map(listed);
    let folders = folders.into_iter().flatten();
    Machine::this(folders.filter(|folder| folder.is_dir()).collect())
}

/// The parts of all environments.
pub fn parts() -> Parts {
    let mut all = Parts::default();
    for group in groups() {
        all.paths.extend(group.paths);
        all.joined.extend(group.joined);
    }
    all
}

/// The parts of the first environment that has any.
pub fn active() -> Option<Parts> {
    groups().into_iter().find(|group| !group.paths.is_empty())
}

/// The parts of each Python: of a package that is in several of its folders, the first.
fn groups() -> Vec<Parts> {
    let mut groups: Vec<(PathBuf, BTreeSet<String>, Parts)> = Vec::new();
    for environment in environments() {
        let known = groups
            .iter()
            .position(|(with, ..)| *with == environment.with);
        let at = known.unwrap_or_else(|| {
            groups.push((environment.with.clone(), BTreeSet::new(), Parts::default()));
            groups.len() - 1
        });
        let (with, names, parts) = &mut groups[at];
        parts.add(&environment.site, with, names);
    }
    groups.into_iter().map(|(.., parts)| parts).collect()
}

/// The parts in some folders that Python looks in one after the other, as it does in those of
/// `PYTHONPATH`.
pub fn in_folders(folders: &[PathBuf]) -> Parts {
    let mut parts = Parts::default();
    let mut names = BTreeSet::new();
    for folder in folders {
        parts.add(folder, folders.first().unwrap_or(folder), &mut names);
    }
    // No package may have been installed in it: then nothing else says that it is one.
    if let Some(first) = folders.first() {
        let first = Place::file(first.as_path()).without_dots();
        parts.joined.insert(first.clone(), first);
    }
    parts
}

impl Parts {
    /// Adds the packages of a folder that is one environment with another, less those whose
    /// names are known.
    fn add(&mut self, site: &Path, with: &Path, names: &mut BTreeSet<String>) {
        for (name, package) in packages(site) {
            if names.insert(name) {
                self.paths.push(package);
            }
        }
        if site != with {
            let place = |path: &Path| Place::file(path).without_dots();
            self.joined.insert(place(site), place(with));
        }
    }
}

/// Environments in the order in which they are found, each once.
#[derive(Default)]
struct Environments(Vec<Environment>);

impl Environments {
    /// What an installation of Python has, and adds to it.
    fn root(&mut self, how: &str, root: &Path) {
        let sites = sites(root, |_| true);
        let Some(with) = sites.first().cloned() else {
            return;
        };
        for site in sites {
            self.add(how, site, &with);
        }
        if sees_others(&with) != Some(false) {
            for site in users_own(|_| true) {
                self.add("the user's own packages", site, &with);
            }
        }
    }

    fn add(&mut self, how: &str, site: PathBuf, with: &Path) {
        let real = site.canonicalize().ok();
        let same = |known: &Environment| known.site.canonicalize().ok() == real;
        if real.is_none() || !site.is_dir() || self.0.iter().any(same) {
            return;
        }
        let added = added_by_pth(&site);
        self.0.push(Environment {
            found: how.to_owned(),
            site,
            with: with.to_owned(),
        });
        if self.0.len() > MAX_ADDED {
            return;
        }
        for (file, folder) in added {
            self.add(&format!("{file} of {how}"), folder, with);
        }
    }
}

/// The folder that the Python on PATH is installed in, or its environment's.
fn python_on_path() -> Option<PathBuf> {
    let names = ["python3", "python", "python.exe"];
    let mut files = listed("PATH").flat_map(|folder| names.map(|name| folder.join(name)));
    let python = files.find(|file| file.is_file())?;
    let around = |file: &Path| Some(file.parent()?.parent()?.to_owned());
    if let Some(root) = behind_shim(&python) {
        return Some(root);
    }
    // An environment's own Python is a link to another's.
    let environment = around(&python).filter(|root| root.join("pyvenv.cfg").is_file());
    environment.or_else(|| around(&python.canonicalize().ok()?))
}

/// The installation that pyenv's script of that name starts: by PYENV_VERSION, the
/// file `.python-version` here, or the global `version`.
fn behind_shim(python: &Path) -> Option<PathBuf> {
    let shims = python.parent()?;
    let root = shims.parent().filter(|_| shims.ends_with("shims"))?;
    let here = std::env::current_dir().unwrap_or_default();
    let mut local = here
        .ancestors()
        .map(|folder| folder.join(".python-version"));
    let named = std::env::var("PYENV_VERSION").ok();
    let named = named.or_else(|| beginning(&local.find(|file| file.is_file())?, MAX_PACKAGE_FILE));
    let named = named.or_else(|| beginning(&root.join("version"), MAX_PACKAGE_FILE))?;
    let mut versions = named.split([':', '\n']).map(str::trim);
    let version = versions.find(|version| !version.is_empty() && !version.contains(['/', '\\']))?;
    let versions = root.join("versions");
    let exact = versions.join(version);
    if exact.is_dir() {
        return Some(exact);
    }
    // `3.11` stands for the newest of its line.
    let line = format!("{version}.");
    let mut of_line: Vec<PathBuf> = children(&versions)
        .into_iter()
        .filter(|folder| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&line)
        })
        .collect();
    let number = |folder: &PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let last = name.strip_prefix(&line).unwrap_or_default();
        last.parse::<u32>().unwrap_or(0)
    };
    of_line.sort_by_key(number);
    of_line.pop()
}

fn listed(variable: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let value = std::env::var_os(variable).unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&value).collect();
    let named = |folder: &PathBuf| !folder.as_os_str().is_empty();
    folders.into_iter().filter(named)
}
