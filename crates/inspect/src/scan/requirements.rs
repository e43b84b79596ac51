//! What installed packages ask of each other, beside TVM's own: `pip check`'s question, and
//! whether an import fails where the answer is no.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::packages::{MAX_SOURCE, beginning, first_bytes};
use super::python_closure::Closure;
use crate::container::{Architecture, Platform};
use crate::place::Place;
use crate::runtime::distribution::{self, Distribution};
use crate::runtime::installation::{self, Brings, Installation, Unmet};
use crate::runtime::marker::Environment;
use crate::runtime::pairing::sees_itself_alone;
use crate::runtime::python_load::Interpreter;
use crate::runtime::python_names;

/// Packages that are followed from one.
const MAX_FOLLOWED: usize = 512;
const MAX_RECORD: u64 = 8 << 20;
/// Bytes of `METADATA` and `WHEEL`.
pub(super) const MAX_SMALL: u64 = 256 << 10;

/// Modules of packages that have other names.
const MODULES: [(&str, &str); 16] = [
    ("attrs", "attr"),
    ("flashinfer-python", "flashinfer"),
    ("nvidia-ml-py", "pynvml"),
    ("opencv-python", "cv2"),
    ("pillow", "PIL"),
    ("protobuf", "google.protobuf"),
    ("pyelftools", "elftools"),
    ("python-dateutil", "dateutil"),
    ("pytorch", "torch"),
    ("pyyaml", "yaml"),
    ("pyzmq", "zmq"),
    ("scikit-learn", "sklearn"),
    ("beautifulsoup4", "bs4"),
    ("nvidia-cutlass-dsl", "cutlass"),
    ("cuda-python", "cuda"),
    ("z3-solver", "z3"),
];

/// One `site-packages` folder.
pub(super) struct Site {
    pub(super) folder: PathBuf,
    /// `3.11`
    pub(super) python: Option<String>,
    /// By name, the folders of packages and their versions.
    installed: BTreeMap<String, Vec<(PathBuf, String)>>,
    environment: Environment,
    /// Whether what is not in it is not installed.
    is_whole: bool,
}

/// Name and version in a folder's name, `apache_tvm-0.27.0.dist-info`; none where pip has
/// begun to remove it.
pub(super) fn name_of(info: &Path) -> Option<(String, String)> {
    let stem = info.file_stem()?.to_str()?;
    if stem.starts_with('~') {
        return None;
    }
    let (name, version) = stem.rsplit_once('-')?;
    Some((distribution::normal(name), version.to_owned()))
}

impl Site {
    /// A folder; `None` where no package was installed in it.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let mut infos: Vec<PathBuf> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "dist-info"))
            .collect();
        infos.sort();
        if infos.is_empty() {
            return None;
        }
        let mut installed: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
        for info in infos {
            if let Some((name, version)) = name_of(&info) {
                installed.entry(name).or_default().push((info, version));
            }
        }
        let python = distribution::python_of(&Place::file(folder.join("x")));
        let machine = installed
            .iter()
            .filter(|(name, _)| distribution::is_family(name))
            .flat_map(|(_, infos)| infos)
            .filter_map(|(info, _)| beginning(&info.join("WHEEL"), MAX_SMALL))
            .find_map(|wheel| installation::machine_of(&wheel));
        let (platform, architecture) =
            machine.unwrap_or((Platform::Unknown, Architecture::Other(0)));
        Some(Self {
            environment: Environment {
                platform,
                architecture,
                python: python.clone(),
            },
            python,
            installed,
            is_whole: sees_itself_alone(folder),
            folder: folder.to_owned(),
        })
    }

    /// The packages' own folders.
    pub(super) fn infos(&self) -> impl Iterator<Item = &PathBuf> {
        self.installed.values().flatten().map(|(info, _)| info)
    }

    /// What is known of its Python.
    pub(super) fn interpreter(&self) -> Interpreter {
        let minor = self.python.as_deref();
        let platform = self.environment.platform;
        Interpreter {
            minor: minor.and_then(|version| version.strip_prefix("3.")?.parse().ok()),
            platform: (platform != Platform::Unknown).then_some(platform),
        }
    }

    /// What a package asks for in vain. TVM's own packages are AC207's.
    pub(super) fn unmet(&self, metadata: &str) -> Vec<Unmet> {
        let required = distribution::required(metadata);
        let required = required
            .filter(|one| !distribution::is_family(&one.name))
            .filter(|one| self.environment.holds(&one.marker) == Some(true));
        let mut unmet: Vec<Unmet> = Vec::new();
        for one in required {
            let found = self.installed.get(&one.name);
            let versions = found.into_iter().flatten().map(|(_, version)| version);
            let is_met = match found {
                Some(_) => versions
                    .clone()
                    .any(|version| one.takes(version) != Some(false)),
                None => !self.is_whole || self.has_module(&one.name),
            };
            if !is_met && unmet.iter().all(|known| known.name != one.name) {
                unmet.push(Unmet {
                    installed: versions.clone().next().cloned(),
                    name: one.name,
                    specification: one.specification,
                    fails: None,
                });
            }
        }
        unmet
    }

    /// Whether a module of a package was put there without it.
    fn has_module(&self, package: &str) -> bool {
        let module = module_of(package).replace('.', "/");
        let place = self.folder.join(module);
        place.exists() || place.with_extension("py").exists()
    }

    /// Says which of some requirements an import fails for.
    pub(super) fn add_failures(&self, closure: &Closure, unmet: &mut [Unmet]) {
        for one in unmet {
            one.fails = match one.installed {
                None => closure
                    .asks_for(&module_of(&one.name))
                    .map(|(module, file)| {
                        (
                            file.to_owned(),
                            format!("ModuleNotFoundError: No module named '{module}'"),
                        )
                    }),
                Some(_) => self.lacking_name(closure, &one.name),
            };
        }
    }

    /// A name that an import takes from an installed package in vain.
    fn lacking_name(&self, closure: &Closure, package: &str) -> Option<(String, String)> {
        let infos = self.installed.get(package)?;
        let records = infos
            .iter()
            .filter_map(|(info, _)| beginning(&info.join("RECORD"), MAX_RECORD));
        let modules: BTreeSet<String> = records
            .flat_map(|record| installation::modules(&record))
            .collect();
        let is_own = |module: &str| modules.contains(module.split('.').next().unwrap_or(module));
        let absent = closure.absent.iter().find(|(module, _)| is_own(module));
        if let Some((module, file)) = absent {
            let says = format!("ModuleNotFoundError: No module named '{module}'");
            return Some((file.clone(), says));
        }
        let mut names = closure
            .names
            .iter()
            .filter(|((module, _), _)| is_own(module));
        let ((module, name), file) = names.find(|((module, name), _)| {
            let place = self.folder.join(module.replace('.', "/"));
            let files = [place.join("__init__.py"), place.with_extension("py")];
            let source = files.iter().find_map(|file| first_bytes(file, MAX_SOURCE));
            source.is_some_and(|source| {
                let is_whole = (source.len() as u64) < MAX_SOURCE;
                is_whole && !python_names::may_define(&String::from_utf8_lossy(&source), name)
            })
        })?;
        let says = format!("ImportError: cannot import name '{name}' from '{module}'");
        Some((file.clone(), says))
    }
}

fn module_of(package: &str) -> String {
    let mut known = MODULES.iter();
    let known = known.find(|(name, _)| *name == package);
    known.map_or_else(
        || package.replace('-', "_"),
        |(_, module)| (*module).to_owned(),
    )
}

/// A package that others ask for.
struct Other {
    info: PathBuf,
    requires: Vec<String>,
    /// What it asks for in vain; nothing where it is looked at for itself.
    unmet: Vec<Unmet>,
}

/// Adds what the packages that others ask for ask for in vain, where an import of the
/// first fails for it.
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
        let infos = site.installed.get(&first).into_iter().flatten();
        let records = infos.filter_map(|(info, _)| beginning(&info.join("RECORD"), MAX_RECORD));
        let modules = records.flat_map(|record| installation::modules(&record));
        let modules: Vec<String> = modules.collect();
        let closure = Closure::of(&site.folder, &modules, site.interpreter());
        for (info, mut unmet) in lacking {
            site.add_failures(&closure, &mut unmet);
            unmet.retain(|one| one.fails.is_some());
            let Some((name, version)) = name_of(&info).filter(|_| !unmet.is_empty()) else {
                continue;
            };
            let package = format!("{name} {version}");
            let new = || Installation::new(Place::file(&info), package, Brings::Nothing);
            let entry = found.entry(name).or_insert_with(new);
            if entry.unmet.is_empty() {
                entry.unmet = unmet;
            }
            if brings != Brings::Nothing {
                entry.brings = brings;
            }
        }
    }
}

/// The packages that a package asks for, and those that they ask for, which ask for
/// something in vain.
fn lacking(
    site: &Site,
    first: &str,
    known: &mut BTreeMap<String, Option<Other>>,
) -> Vec<(PathBuf, Vec<Unmet>)> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut left = vec![first.to_owned()];
    let mut found = Vec::new();
    while let Some(name) = left.pop() {
        if seen.len() > MAX_FOLLOWED || !seen.insert(name.clone()) {
            continue;
        }
        let other = known
            .entry(name)
            .or_insert_with_key(|name| other(site, name));
        let Some(other) = other else { continue };
        left.extend(other.requires.iter().cloned());
        if !other.unmet.is_empty() {
            found.push((other.info.clone(), other.unmet.clone()));
        }
    }
    found
}

fn other(site: &Site, name: &str) -> Option<Other> {
    let (info, _) = site.installed.get(name)?.first()?;
    let metadata = beginning(&info.join("METADATA"), MAX_SMALL)?;
    let required = distribution::required(&metadata);
    let required = required.filter(|one| site.environment.holds(&one.marker) == Some(true));
    Some(Other {
        info: info.clone(),
        requires: required.map(|one| one.name).collect(),
        unmet: match Distribution::parse(&metadata) {
            Some(_) => Vec::new(),
            None => site.unmet(&metadata),
        },
    })
}
