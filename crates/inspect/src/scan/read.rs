//! Reading: files to artifacts and runtime members, in parallel, and members
//! to load sets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::threads::{self, prelude::*};

use super::archived::{self, Archived};
use super::artifact_of::{facts, facts_of_bytes, facts_of_link};
use super::file_facts::FileFacts;
use super::join_objects::join_loose_objects;
use super::needed::{self, Followed};
use super::options::ScanOptions;
use super::share::Shared;
use super::unopened::Unopened;
use super::{
    environments, exports, installations, lacking_names, packages, packed_apps, registered,
};
use crate::artifact::{Artifact, Problem, ProblemKind, Role};
use crate::documents::{self, Document};
use crate::parts;
use crate::place::Place;
use crate::runtime::glue::Glue;
use crate::runtime::grouping::{Installed, Joined};
use crate::runtime::installation::{self, Brings, Installation};
use crate::runtime::java::Natives;
use crate::runtime::load_set::{LoadSet, Unread};
use crate::runtime::member::Member;
use crate::runtime::{glue_source, grouping, libraries, process, release};
use crate::source;

/// Told of progress while files are read.
pub trait Progress: Sync {
    /// So many files are going to be read.
    fn found(&self, files: usize);
    /// This one was read.
    fn read(&self, file: &Path);
}

/// Nobody is told.
impl Progress for () {
    fn found(&self, _files: usize) {}
    fn read(&self, _file: &Path) {}
}

/// What reading gives.
pub(super) struct Reading {
    pub artifacts: Vec<Artifact>,
    /// Libraries outside the paths, none of TVM's, that its files load.
    pub loaded: Vec<Artifact>,
    pub load_sets: Vec<LoadSet>,
    pub documents: Vec<Document>,
    /// Native methods that TVM's Java classes declare.
    pub natives: Vec<Natives>,
    /// JavaScript packages that load wasm libraries, by name.
    pub pages: Vec<(String, Glue)>,
    /// Folders that are one environment with another.
    pub joined: Joined,
    /// Python packages in no load set that are not as they were installed.
    pub installations: Vec<Installation>,
}

/// Which exports of compilers are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CompilerExports {
    /// All: who asks for them is not among the paths.
    All,
    /// Those that something among the paths asks for.
    AskedFor,
}

pub(super) fn read(
    options: &ScanOptions,
    wanted: CompilerExports,
    progress: &dyn Progress,
) -> Reading {
    // The table of releases is wanted in any case, and parsed while the disk is asked.
    let (mut walk, _) = threads::join(|| source::walk(&options.paths), release::releases);
    if let Some(shard) = options.shard {
        walk.files.retain_mut(|file| shard.keep(file));
    }
    let reader = Reader {
        later: wanted == CompilerExports::AskedFor,
        shared: Shared::default(),
        progress,
    };
    let files = std::mem::take(&mut walk.files);
    let Found {
        mut facts,
        mut loaded,
        joined,
    } = reader.followed(files, &walk.sites, options, &mut walk.problems);
    let (packages, mut installations) = packages_of(&mut facts, &joined, wanted);
    facts
        .artifacts
        .extend(walk.problems.into_iter().map(unread));
    process::follow(&mut facts.artifacts, &mut loaded);
    let mut load_sets = load_sets(facts.members, &packages, &facts.artifacts, &joined);
    installations.retain(|one| is_loose(one, &mut load_sets));
    let documents = walk
        .documents
        .par_iter()
        .filter_map(|path| documents::read(path, options.checksums))
        .collect();
    let pages = pages(&walk.packages, &mut facts.artifacts);
    Reading {
        artifacts: facts.artifacts,
        loaded,
        natives: facts.natives,
        documents,
        pages,
        load_sets,
        joined,
        installations,
    }
}

/// Reads files, in parallel.
struct Reader<'a> {
    /// Exports of compilers and code are left for later.
    later: bool,
    shared: Shared,
    progress: &'a dyn Progress,
}

/// What was read, with what comes into the same processes.
struct Found {
    facts: FileFacts,
    loaded: Vec<Artifact>,
    joined: Joined,
}

impl Reader<'_> {
    fn all(&self, files: Vec<source::FoundFile>) -> Vec<FileFacts> {
        files
            .into_par_iter()
            // One file at a time: the first are a hundred times larger than the last.
            .with_max_len(1)
            .map(|file| self.file(file))
            .collect()
    }

    fn file(&self, file: source::FoundFile) -> FileFacts {
        let share = |mut found: FileFacts| {
            for artifact in &mut found.artifacts {
                self.shared.share(artifact);
            }
            found
        };
        let place = Place::file(file.path);
        let mut found = share(facts(&place, self.later));
        let links = file.links.into_iter().map(Place::file);
        let links = links.map(|link| share(facts_of_link(&found, &place, &link, self.later)));
        let links: Vec<FileFacts> = links.collect();
        links.into_iter().for_each(|link| found.add(link));
        self.progress.read(place.path());
        found
    }

    /// Reads these files, and those that their environments and loaders add.
    fn followed(
        &self,
        files: Vec<source::FoundFile>,
        sites: &[PathBuf],
        options: &ScanOptions,
        problems: &mut Vec<source::Problem>,
    ) -> Found {
        self.progress.found(files.len());
        let mut files = self.all(files);
        let members = files.iter().flat_map(|file| &file.members);
        let core = members.filter(|member| member.kind.is_core());
        let core: Vec<Place> = core.map(|member| member.path.clone()).collect();
        // What an environment adds to its own folder is in the same process.
        let (mut joined, added) = environments::follow(&core, sites, &options.paths);
        joined.extend(options.joined.clone());
        let mut loaded = Vec::new();
        if options.shard.is_none() {
            if !added.is_empty() {
                let more = source::walk(&added);
                self.progress.found(more.files.len());
                files.extend(self.all(more.files));
                problems.extend(more.problems);
            }
            for (parts, others) in loaded_from_outside(&files, |files| self.all(files)) {
                files.push(parts);
                loaded.extend(others);
            }
        }
        let mut facts = FileFacts::all(files);
        let unopened = Unopened {
            named: &options.paths,
            is_share: options.shard.is_some(),
        };
        unopened.filter(&mut facts.artifacts);
        join_loose_objects(&mut facts.artifacts);
        Found {
            facts,
            loaded,
            joined,
        }
    }
}

/// The Python packages around what was read, and those that are not as they were
/// installed; what they register is among the facts then.
fn packages_of(
    facts: &mut FileFacts,
    joined: &Joined,
    wanted: CompilerExports,
) -> (Vec<Installed>, Vec<Installation>) {
    let folders = packages::folders(&facts.members);
    let asked = || {
        let artifacts = facts.artifacts.iter();
        artifacts.filter(|one| needed::is_asked_about(one))
    };
    let mut around = packages::around(asked().map(|artifact| &artifact.path));
    // What lies in another folder was installed in the environment.
    let sites = joined.values().filter(|site| !site.is_member());
    let sites: BTreeSet<PathBuf> = sites.map(|site| site.path().to_owned()).collect();
    around.extend(sites.iter().cloned());
    let folders: BTreeSet<PathBuf> = folders.into_iter().chain(sites).collect();
    let (around, folders) = (each_once(around), each_once(folders));
    let mut installations = installations::damaged(&around, None);
    installations.extend(packed_apps::look(
        facts.artifacts.iter().map(|one| &one.path),
    ));
    let archives = archived::archives(asked());
    // Only a model library asks what Python registers; a runtime that is read alone is
    // for one that is elsewhere.
    let mut artifacts = facts.artifacts.iter();
    let for_models = wanted == CompilerExports::All
        || artifacts.any(|artifact| artifact.role == Role::ModelLibrary);
    let (mut packages, ()) = threads::join(
        || {
            let mut found = packages::named_in(&folders, for_models);
            lacking_names::add_lacking(&mut found);
            found
        },
        || exports::list(facts),
    );
    if for_models {
        registered::follow(facts);
    }
    packages.append(&mut facts.packages);
    for (file, archives) in archives {
        let unread = archived::unpack(&file, archives, &mut |archive| {
            let (more, damaged) = in_archive(archive, for_models);
            packages.extend(more);
            installations.extend(damaged);
        });
        installations.extend(unread.map(|site| {
            let mut one = Installation::new(site, "its packages".to_owned(), Brings::Nothing);
            one.not_read = Some("the environment in this archive was not read whole".to_owned());
            one
        }));
    }
    packages.sort_by(|a, b| a.path.cmp(&b.path));
    (packages, installations)
}

/// Of folders that are one by links, the one that is no link.
fn each_once(folders: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let all = folders.clone();
    let is_twice = |folder: &PathBuf| {
        let real = folder.canonicalize().unwrap_or_default();
        real != *folder && all.contains(&real)
    };
    folders.into_iter().filter(|one| !is_twice(one)).collect()
}

/// The same of the environments in an archive.
fn in_archive(archive: &Archived, for_models: bool) -> (Vec<Installed>, Vec<Installation>) {
    // What a wheel says of itself is read with it.
    let mut packages = match archive.is_wheel() {
        true => Vec::new(),
        false => packages::named_in(&archive.sites, for_models),
    };
    lacking_names::add_lacking(&mut packages);
    let packages = packages.into_iter().filter_map(|package| {
        Some(Installed {
            path: archive.place(package.path.path())?,
            ..package
        })
    });
    let damaged = installations::damaged(&archive.sites, Some(archive.folder()));
    let damaged = damaged.into_iter();
    let damaged = damaged.filter_map(|one| {
        Some(Installation {
            place: archive.place(one.place.path())?,
            ..one
        })
    });
    (packages.collect(), damaged.collect())
}

/// Gives an installation to the load sets that are of it; whether there is none.
fn is_loose(one: &Installation, load_sets: &mut [LoadSet]) -> bool {
    let site = one.place.folder();
    let mut is_loose = true;
    for set in load_sets {
        let is_of_it = match one.is_frozen {
            true => set.home.is_below(&one.place),
            // A folder that pip was told to install to is no environment's.
            false => site.as_ref().is_some_and(|site| match &set.environment {
                Some(environment) => environment == site,
                None => set.home == *site || set.home.is_below(site),
            }),
        };
        if is_of_it {
            set.installations.push(one.clone());
            is_loose = false;
        }
    }
    is_loose
}

/// What JavaScript packages offer; one that cannot be read is an artifact that was not.
fn pages(packages: &[PathBuf], artifacts: &mut Vec<Artifact>) -> Vec<(String, Glue)> {
    let mut pages = Vec::new();
    for folder in packages {
        match glue_source::package(folder) {
            Some((name, Ok(glue))) => pages.push((name, glue)),
            Some((name, Err(why))) => artifacts.push(unread_package(folder, &name, &why)),
            None => {}
        }
    }
    pages
}

/// What files load from outside the paths, file by file: parts of a runtime are among the
/// artifacts, other libraries are only in the process.
fn loaded_from_outside(
    files: &[FileFacts],
    read: impl Fn(Vec<source::FoundFile>) -> Vec<FileFacts>,
) -> Vec<(FileFacts, Vec<Artifact>)> {
    let mut followed = Followed::default();
    let named = files.iter().flat_map(|file| &file.artifacts);
    let named: Vec<&Artifact> = named.filter(|one| needed::is_asked_about(one)).collect();
    let mut next = followed.next(&named);
    let mut found = Vec::new();
    while !next.is_empty() {
        let read = read(source::walk(&next).files);
        let artifacts = read.iter().flat_map(|file| &file.artifacts);
        next = followed.next(&artifacts.collect::<Vec<_>>());
        found.extend(read.into_iter().map(|mut file| {
            let artifacts = std::mem::take(&mut file.artifacts).into_iter();
            let is_part = |artifact: &Artifact| artifact.role == Role::RuntimePart;
            let (parts, others) = artifacts.partition(is_part);
            file.artifacts = parts;
            (file, others)
        }));
    }
    found
}

/// The same for one file in memory; no folder around it is looked at.
pub(super) fn read_bytes(name: &str, bytes: &[u8]) -> Reading {
    let facts = facts_of_bytes(&Place::file(name), bytes);
    Reading {
        load_sets: load_sets(
            facts.members,
            &facts.packages,
            &facts.artifacts,
            &Joined::new(),
        ),
        joined: Joined::new(),
        artifacts: facts.artifacts,
        loaded: Vec::new(),
        natives: facts.natives,
        documents: Vec::new(),
        pages: Vec::new(),
        installations: Vec::new(),
    }
}

/// The load sets, and what clients in them ask of a registry that is there twice.
fn load_sets(
    members: Vec<Member>,
    packages: &[Installed],
    artifacts: &[Artifact],
    joined: &Joined,
) -> Vec<LoadSet> {
    let mut sets = grouping::load_sets(members, packages, joined);
    for set in sets.iter_mut().filter(|set| !set.duplicates().is_empty()) {
        let home = set.environment.as_ref().unwrap_or(&set.home);
        let clients = artifacts
            .iter()
            .filter(|artifact| artifact.role == Role::Client && artifact.path.is_below(home));
        let order = set.search_order();
        let clients = clients.filter_map(|one| Some((&one.path, one.binary.as_deref()?)));
        let asked = clients.flat_map(|(place, binary)| {
            let needed = binary.needed.iter();
            let family = needed.filter(|needed| libraries::is_family(&needed.name));
            let asked = family.flat_map(|one| order.asked(place, binary, &one.name));
            asked.collect::<Vec<usize>>()
        });
        let asked = asked.collect();
        set.asked_by_clients = asked;
    }
    let unread = artifacts
        .iter()
        .filter(|artifact| artifact.role == Role::Unreadable);
    for artifact in unread {
        add_unread(artifact, &mut sets);
    }
    sets
}

/// Tells the load sets around a file that it is a part of theirs which is not read.
fn add_unread(artifact: &Artifact, sets: &mut [LoadSet]) {
    let name = artifact.path.name();
    let archive = artifact.path.archive();
    let archive = archive.filter(|one| one.raw_name().ends_with(b".a"));
    let named = match &archive {
        // `libtvm_ffi_static.a`
        Some(archive) => parts::named(&archive.name().replace("_static.", ".")),
        None => parts::named(&name).filter(|_| installation::is_library(&name)),
    };
    let Some(kind) = named else { return };
    for set in sets {
        let home = set.environment.as_ref().unwrap_or(&set.home);
        let is_its = artifact.path.is_below(home) || is_ffi_of(&artifact.path, set);
        if is_its && !set.has(&kind) {
            set.unread.push(Unread {
                place: artifact.path.clone(),
                kind: kind.clone(),
                problems: artifact.problems.clone(),
            });
        }
    }
}

/// Whether a file is of the package `tvm_ffi` beside the package `tvm` of a set: Python loads
/// the one before the other.
fn is_ffi_of(place: &Place, set: &LoadSet) -> bool {
    let around = |place: &Place, package: &str| {
        let mut folders = place.folders();
        folders.find(|folder| folder.name() == package)?.folder()
    };
    let site = around(place, "tvm_ffi");
    let mut members = set.members.iter();
    site.is_some() && members.any(|member| around(&member.path, "tvm") == site)
}

/// A package of which it is not known what it offers and asks for.
fn unread_package(folder: &Path, name: &str, why: &str) -> Artifact {
    let problem = Problem {
        kind: ProblemKind::Unsupported,
        detail: format!("what {name} offers wasm libraries is not known: {why}"),
        offset: None,
    };
    Artifact::unread(Place::file(folder.join("package.json")), 0, problem)
}

/// Something the walk could not even list.
fn unread(problem: source::Problem) -> Artifact {
    Artifact::unread(problem.place.clone(), 0, Problem::from(problem))
}
