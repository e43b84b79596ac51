//! One `site-packages` folder: the packages in it, its Python, and what they ask of each
//! other, beside TVM's own: `pip check`'s question, and whether an import fails where the
//! answer is no.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::threads::prelude::*;

use super::wheel;
use crate::container::{Architecture, Platform};
use crate::limits::{MAX_PACKAGE_FILE, MAX_PYTHON_SOURCE, MAX_RECORD};
use crate::place::Place;
use crate::python::Interpreter;
use crate::python::closure::{Closure, Taken};
use crate::python::folder::{Folder, Module};
use crate::python::names::Names;
use crate::python::pth;
use crate::runtime::distribution;
use crate::runtime::installation::{self, Unmet};
use crate::runtime::marker::Environment;
use crate::runtime::pairing;
use crate::source;
use crate::source::beginning::{beginning, children, first_bytes};

/// Modules of packages that have other names.
const MODULES: [(&str, &str); 18] = [
    ("apache-tvm", "tvm"),
    ("apache-tvm-ffi", "tvm_ffi"),
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
    pub(super) installed: BTreeMap<String, Vec<(PathBuf, String)>>,
    pub(super) environment: Environment,
    /// Whether what is not in it is not installed.
    pub(super) is_whole: bool,
    /// Lines of its `.pth` files that fail.
    pub(super) failing: Vec<pth::Failing>,
    /// Why an environment that sees itself alone may have packages elsewhere all the same.
    pub(super) open: Option<String>,
    /// What its files put before it, where TVM's packages may be in that.
    pub(super) before: Option<String>,
    /// Whether it was unpacked from an archive: links lead nowhere then.
    pub(super) is_unpacked: bool,
    /// Whether it is what a wheel brings, whose large libraries are not there whole.
    pub(super) is_wheel: bool,
    /// Whether it is a wheel with the files that it lists: those that only Python reads are
    /// not there.
    pub(super) is_as_listed: bool,
    /// Whether it is where pip was told to put packages, beside those of the Python that
    /// will import it, or sees those of another Python.
    is_target: bool,
    pub(super) modules: Folder,
}

/// The folders that tell of the packages in a folder.
fn infos(folder: &Path) -> Vec<PathBuf> {
    let mut infos = children(folder);
    infos.retain(|path| path.extension().is_some_and(|end| end == "dist-info"));
    infos
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
    pub(super) fn of(folder: &Path, within: Option<&Path>) -> Option<Self> {
        let mut infos = infos(folder);
        if infos.is_empty() && !source::is_site(folder) {
            return None;
        }
        let pth::Added {
            folders,
            has_base,
            is_all,
            failing,
            open,
            before,
        } = pth::added(folder, within);
        let added: Vec<PathBuf> = folders.into_iter().map(|(_, folder)| folder).collect();
        infos.extend(added.iter().flat_map(|folder| self::infos(folder)));
        let mut installed: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
        for info in infos {
            if let Some((name, version)) = name_of(&info) {
                installed.entry(name).or_default().push((info, version));
            }
        }
        let below = within.and_then(|root| folder.strip_prefix(root).ok());
        let python = distribution::python_of(&Place::file(folder.join("x")))
            .or_else(|| pairing::python_of_venv(folder));
        let machine = installed
            .iter()
            .filter(|(name, _)| distribution::is_family(name))
            .flat_map(|(_, infos)| infos)
            .filter_map(|(info, _)| beginning(&info.join("WHEEL"), MAX_PACKAGE_FILE))
            .find_map(|wheel| installation::machine_of(&wheel));
        let (platform, architecture) =
            machine.unwrap_or((Platform::Unknown, Architecture::Other(0)));
        let minor = Interpreter::of_version(python.clone()).minor;
        let is_target = is_target(folder, installed.values().flatten().map(|(info, _)| info));
        Some(Self {
            environment: Environment {
                platform,
                architecture,
                python: python.clone(),
            },
            modules: Folder::new(folder, minor).and(added),
            python,
            installed,
            is_whole: is_all,
            failing,
            open: open.filter(|_| pth::sees_others(folder) == Some(false)),
            before,
            is_unpacked: within.is_some(),
            is_wheel: below.is_some_and(wheel::is_in_one),
            is_as_listed: below.is_some_and(wheel::is_in_listed),
            is_target: is_target || has_base,
            folder: folder.to_owned(),
        })
    }

    /// The packages' own folders, of those in it.
    pub(super) fn infos(&self) -> impl Iterator<Item = &PathBuf> {
        let all = self.installed.values().flatten().map(|(info, _)| info);
        all.filter(|info| info.parent() == Some(&self.folder))
    }

    /// Whether one of TVM's packages lists a file as its own.
    pub(super) fn lists(&self, file: &str) -> bool {
        let family = self.installed.iter();
        let mut infos = family
            .filter(|(name, _)| distribution::is_family(name))
            .flat_map(|(_, infos)| infos);
        infos.any(|(info, _)| {
            let record = beginning(&info.join("RECORD"), MAX_RECORD).unwrap_or_default();
            installation::listed(&record).any(|(listed, _)| listed == file)
        })
    }

    /// What is known of its Python.
    pub(super) fn interpreter(&self) -> Interpreter {
        let platform = self.environment.platform;
        Interpreter {
            platform: (platform != Platform::Unknown).then_some(platform),
            ..Interpreter::of_version(self.python.clone())
        }
    }

    /// What a package asks for in vain. Versions of TVM's own packages are AC207's, and so is
    /// whether tvm-ffi is there, where the folder itself is.
    pub(super) fn unmet(&self, metadata: &str) -> Vec<Unmet> {
        let is_others = |name: &str| {
            (name == distribution::FFI && !self.is_unpacked)
                || (distribution::is_family(name) && self.installed.contains_key(name))
        };
        let required = distribution::required(metadata);
        let required = required
            .filter(|one| !is_others(&one.name))
            .filter(|one| self.environment.holds(&one.marker) == Some(true));
        let mut unmet: Vec<Unmet> = Vec::new();
        for one in required {
            let found = self.installed.get(&one.name);
            let versions = found.into_iter().flatten().map(|(_, version)| version);
            let is_met = match found {
                Some(_) => versions
                    .clone()
                    .any(|version| one.takes(version) != Some(false)),
                None => !(self.is_whole || self.is_target) || self.has_module(&one.name),
            };
            if !is_met && unmet.iter().all(|known| known.name != one.name) {
                unmet.push(Unmet {
                    installed: versions.clone().next().cloned(),
                    name: one.name,
                    specification: one.specification,
                    may_be_elsewhere: found.is_none() && !self.is_whole,
                    fails: None,
                });
            }
        }
        unmet
    }

    /// Whether a module of a package was put there without it.
    fn has_module(&self, package: &str) -> bool {
        self.modules.module(&module_of(package)).is_some()
    }

    /// Says which of some requirements an import fails for.
    pub(super) fn add_failures(&self, closure: &Closure, unmet: &mut Vec<Unmet>) {
        let mut order: BTreeMap<String, usize> = BTreeMap::new();
        for one in unmet.iter_mut() {
            one.fails = match one.installed {
                None => closure
                    .asks_for(&module_of(&one.name))
                    .map(|(module, file, at)| {
                        order.insert(one.name.clone(), at);
                        (
                            file.to_owned(),
                            format!("ModuleNotFoundError: No module named '{module}'"),
                        )
                    }),
                Some(_) => self.lacking_name(closure, &self.modules_of(&one.name), &|_| true),
            };
        }
        unmet.retain(|one| one.fails.is_some() || !one.may_be_elsewhere);
        // What Python meets first is what it says.
        unmet.sort_by_key(|one| order.get(&one.name).copied().unwrap_or(usize::MAX));
    }

    /// The modules of an installed package.
    pub(super) fn modules_of(&self, package: &str) -> Vec<String> {
        let infos = self.installed.get(package).into_iter().flatten();
        let records = infos.filter_map(|(info, _)| beginning(&info.join("RECORD"), MAX_RECORD));
        let modules = records.flat_map(|record| self.modules_in(&record, package));
        modules.collect()
    }

    /// The modules that a `RECORD` lists; of an editable package, which lists none, the one
    /// that is called as it.
    pub(super) fn modules_in(&self, record: &str, package: &str) -> Vec<String> {
        let mut modules = installation::modules(record);
        let is_there = |module: &String| self.modules.module(module).is_some();
        if !modules.iter().any(is_there) {
            modules.extend(Some(module_of(package)).filter(is_there));
        }
        modules
    }

    /// Whether the module that a file is, or is in, is in no way in this folder: whether it is
    /// where a `.pth` file leads, or, `false`, may be where code adds folders.
    pub(super) fn elsewhere(&self, file: &str) -> Option<bool> {
        let top = file.split('/').next().unwrap_or(file);
        if self.folder.join(top).exists() {
            return None;
        }
        let module = top.split('.').next().unwrap_or(top);
        let is_found = self.modules.module(module).is_some();
        (is_found || !self.is_whole).then_some(is_found)
    }

    /// Whether Python takes something else for a file that is gone: what was compiled of a
    /// source, a compiled module under another of its names.
    pub(super) fn has_instead(&self, file: &str) -> bool {
        if file.ends_with(".py") {
            return self.folder.join(format!("{file}c")).is_file();
        }
        let module = installation::module_of(file);
        let module = module.and_then(|module| self.modules.module(&module));
        matches!(module, Some(Module::Compiled(_)))
    }

    /// Files of a package that are gone, those of its tests left out.
    pub(super) fn missing(&self, info: &Path) -> Vec<String> {
        let record = beginning(&info.join("RECORD"), MAX_RECORD).unwrap_or_default();
        let files: Vec<&str> = installation::listed(&record)
            .map(|(file, _)| file)
            .collect();
        let folder = info.parent().unwrap_or(&self.folder);
        let gone = files.into_par_iter().filter(|file| {
            let is_gone = !installation::is_aside(file) && !folder.join(file).is_file();
            is_gone && !self.has_instead(file)
        });
        gone.map(str::to_owned).collect()
    }

    /// What an import asks for in vain of some modules, or what is in them: a module, or a
    /// name, where `is_meant` says that the module that asks or the one that is asked may be
    /// to blame.
    pub(super) fn lacking_name(
        &self,
        closure: &Closure,
        modules: &[String],
        is_meant: &dyn Fn(&str) -> bool,
    ) -> Option<(String, String)> {
        let is_own = |module: &str| {
            let top = module.split('.').next().unwrap_or(module);
            modules.iter().any(|own| own == top)
        };
        let absent = closure.absent.iter().filter(|(module, _)| is_own(module));
        if let Some((module, (file, _))) = absent.min_by_key(|(_, (_, order))| *order) {
            let says = format!("ModuleNotFoundError: No module named '{module}'");
            return Some((file.clone(), says));
        }
        let mut known: BTreeMap<String, Option<Names>> = BTreeMap::new();
        let taken = closure.names.iter();
        let mut taken: Vec<(&str, &str, &Taken)> = taken
            .map(|((module, name), taken)| (module.as_str(), name.as_str(), taken))
            .filter(|(module, _, taken)| {
                is_own(module) && (is_meant(module) || is_meant(&taken.by))
            })
            .collect();
        taken.sort_by_key(|(_, _, taken)| taken.order);
        let lacks = |(module, name, taken): &(&str, &str, &Taken)| {
            if taken.by == *module {
                let names = Names::before_own(&self.modules, module);
                return names.is_some_and(|names| !names.may_have(name));
            }
            let names = known
                .entry((*module).to_owned())
                .or_insert_with(|| Names::with_taken(&self.modules, module));
            names.as_ref().is_some_and(|names| !names.may_have(name))
        };
        let mut lost = taken.into_iter().filter(lacks);
        let lost = lost.find(|(module, name, _)| !self.is_given(closure, module, name));
        let (module, name, taken) = lost?;
        let is_begun = taken.is_begun.then_some("partially initialized module ");
        let is_begun = is_begun.unwrap_or_default();
        let says = format!("ImportError: cannot import name '{name}' from {is_begun}'{module}'");
        Some((taken.file.clone(), says))
    }
}

impl Site {
    /// A module's file, whether it is a package, and its source.
    pub(super) fn source(&self, module: &str) -> Option<(PathBuf, bool, String)> {
        let Some(Module::Source(path, is_package)) = self.modules.module(module) else {
            return None;
        };
        let bytes = first_bytes(&path, MAX_PYTHON_SOURCE)?;
        let is_whole = (bytes.len() as u64) < MAX_PYTHON_SOURCE;
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        is_whole.then(|| (path, is_package, text()))
    }

    /// Whether a module that is imported may give another a name: `module.name = …`,
    /// `setattr(module, …)`.
    pub(super) fn is_given(&self, closure: &Closure, module: &str, name: &str) -> bool {
        let last = module.rsplit('.').next().unwrap_or(module);
        let is_set = format!(".{name} =");
        let (names, all) = (format!("{last}.__dict__"), format!("vars({last})"));
        let sets = |source: &str| {
            let mut calls = source.split("setattr(").skip(1);
            let is_set = calls.any(|call| {
                let object = call.split(',').next().unwrap_or(call).trim();
                object.rsplit('.').next() == Some(last)
            });
            is_set || source.contains(&names) || source.contains(&all)
        };
        let mut sources = closure.reached.iter().filter_map(|one| self.source(one));
        sources.any(|(_, _, source)| source.contains(&is_set) || sets(&source))
    }
}

/// Whether packages were installed in a folder that is none of a Python's own. A wheel that
/// was unpacked by hand has no `INSTALLER`.
fn is_target<'a>(folder: &Path, mut infos: impl Iterator<Item = &'a PathBuf>) -> bool {
    let name = folder.file_name().unwrap_or_default();
    let mut own = ["site-packages", "dist-packages"].iter();
    !own.any(|own| name == *own) && infos.any(|info| info.join("INSTALLER").is_file())
}

/// The module of a package, by its name.
pub(super) fn module_of(package: &str) -> String {
    let mut known = MODULES.iter();
    let known = known.find(|(name, _)| *name == package);
    known.map_or_else(
        || package.replace('-', "_"),
        |(_, module)| (*module).to_owned(),
    )
}
