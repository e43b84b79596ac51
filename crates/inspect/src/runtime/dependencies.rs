//! The libraries that a file loads beside TVM's and the system's: what it asks for, what
//! that asks for, and so on to the end, as GNU/Linux's loader finds it (ld.so(8)).
//!
//! For each name in the order of the requests: what is loaded already under it; the
//! `DT_RPATH` of the file and of those that loaded it; its own `DT_RUNPATH`; the machine, where
//! the scan claims to have it. Files in archives are not followed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::file_found::{FileFound, look, mapped};
use super::machine::Machine;
use super::{libraries, system};
use crate::container::{self, Binary, BinaryKind, ForeignSymbol, Format, Platform, Refused};
use crate::place::Place;
use crate::source::map;

/// Libraries of one process that are followed; real ones have some dozens.
const MOST: usize = 1024;

/// A library that is loaded for another.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// Where it was found.
    pub(crate) place: Place,
    pub(crate) binary: Binary,
    /// What it asks of others than TVM and the system.
    pub(crate) asks: Vec<ForeignSymbol>,
}

/// The libraries that were read, each once.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    known: Mutex<HashMap<PathBuf, Option<Arc<Dependency>>>>,
}

impl Dependencies {
    fn of(&self, place: &Place) -> Option<Arc<Dependency>> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(place.path()) {
            return known.clone();
        }
        let read = read(place).map(Arc::new);
        lock().insert(place.path().to_owned(), read.clone());
        read
    }
}

fn read(place: &Place) -> Option<Dependency> {
    let bytes = map::open(place.path()).ok()?;
    let binary = container::parse(&bytes).ok()?.into_iter().next()?.binary;
    Some(Dependency {
        place: place.clone(),
        asks: container::asked_of_others(&bytes).ok()?,
        binary,
    })
}

/// All that is loaded for some files.
#[derive(Debug, Default)]
pub(crate) struct Closure {
    pub(crate) libraries: Vec<Arc<Dependency>>,
    /// What those libraries ask for and is not found.
    pub(crate) lacking: Vec<(Arc<Dependency>, Vec<String>)>,
    pub(crate) refused: Vec<Refused>,
    /// Those that are there and could not be read.
    pub(crate) unread: Vec<Place>,
    /// The first that was not found, read or followed, as it is named to people.
    pub(crate) absent: Option<String>,
}

impl Closure {
    fn lacks(&mut self, what: impl std::fmt::Display) {
        self.absent.get_or_insert_with(|| what.to_string());
    }
}

/// What asks, and the folders that those who loaded it pass on.
struct Asking<'a> {
    place: &'a Place,
    binary: &'a Binary,
    passed: Vec<Place>,
    /// Which library it is; none of what was asked about.
    library: Option<usize>,
}

/// What some files of one process load; nothing of files for other systems.
pub(crate) fn closure(
    files: &[(&Place, &Binary)],
    machine: Option<&Machine>,
    known: &Dependencies,
) -> Closure {
    let mut all = Closure::default();
    let mut names: HashSet<String> = HashSet::new();
    let mut left: VecDeque<(Option<usize>, Vec<Place>)> = VecDeque::new();
    for (place, binary) in files {
        if !is_followed(place, binary) {
            all.lacks(place);
            continue;
        }
        let asking = Asking {
            place,
            binary,
            passed: Vec::new(),
            library: None,
        };
        follow(&asking, machine, known, &mut names, &mut all, &mut left);
    }
    while let Some((index, passed)) = left.pop_front() {
        let Some(library) = index.and_then(|index| all.libraries.get(index).cloned()) else {
            continue;
        };
        let asking = Asking {
            place: &library.place,
            binary: &library.binary,
            passed,
            library: index,
        };
        follow(&asking, machine, known, &mut names, &mut all, &mut left);
    }
    all
}

/// Whether the loader is GNU/Linux's and the file is one of a folder.
fn is_followed(place: &Place, binary: &Binary) -> bool {
    let is_linked = binary.kind != BinaryKind::Object;
    let is_linux = binary.format == Format::Elf && binary.platform == Platform::Linux;
    is_linux && is_linked && !place.is_member()
}

/// Finds what one file asks for.
fn follow(
    asking: &Asking<'_>,
    machine: Option<&Machine>,
    known: &Dependencies,
    names: &mut HashSet<String>,
    all: &mut Closure,
    left: &mut VecDeque<(Option<usize>, Vec<Place>)>,
) {
    let mut lacking: Vec<String> = Vec::new();
    for needed in &asking.binary.needed {
        let name = &needed.name;
        // Who answers for TVM's is asked elsewhere.
        if system::is_base(name) || libraries::is_family(name) || names.contains(name) {
            continue;
        }
        let refuse = |all: &mut Closure, file: PathBuf, message| {
            all.lacks(name);
            all.refused.push(Refused {
                asking: asking.place.path().to_owned(),
                name: name.clone(),
                file,
                message,
            });
        };
        match find(asking, name, machine) {
            Ok(Some(file)) if all.libraries.len() < MOST => {
                names.insert(name.clone());
                let Some(library) = known.of(&file) else {
                    all.lacks(name);
                    all.unread.push(file);
                    continue;
                };
                if let FileFound::Refused(words) = mapped(&library.binary) {
                    refuse(all, file.path().to_owned(), words);
                    continue;
                }
                names.extend(library.binary.identity.clone());
                left.push_back((Some(all.libraries.len()), asking.passed_on()));
                all.libraries.push(library);
            }
            Ok(_) => {
                all.lacks(name);
                lacking.push(name.clone());
            }
            Err((file, message)) => refuse(all, file, message),
        }
    }
    let library = asking.library.and_then(|index| all.libraries.get(index));
    if let Some(library) = library.filter(|_| !lacking.is_empty()) {
        all.lacking.push((library.clone(), lacking));
    }
}

impl Asking<'_> {
    /// The folders that it passes on to what it loads.
    fn passed_on(&self) -> Vec<Place> {
        let own = match self.binary.has_runpath {
            true => Vec::new(),
            false => libraries::run_path(self.place, self.binary),
        };
        own.into_iter().chain(self.passed.iter().cloned()).collect()
    }
}

/// The file that the loader takes for a name, or that it ends at.
fn find(
    asking: &Asking<'_>,
    name: &str,
    machine: Option<&Machine>,
) -> Result<Option<Place>, (PathBuf, &'static str)> {
    let (place, binary) = (asking.place, asking.binary);
    let mut places = libraries::candidates(place, binary, name);
    if !binary.has_runpath && !name.contains('/') {
        let passed = asking.passed.iter();
        places.extend(passed.map(|folder| Place::file(folder.path().join(name))));
    }
    for file in places.iter().map(Place::without_dots) {
        match look(file.path(), binary) {
            FileFound::Library => return Ok(Some(file)),
            // Another folder of this machine says nothing of the one that it runs on.
            FileFound::Refused(words) if is_told(place, binary, name, &file, machine) => {
                return Err((file.path().to_owned(), words));
            }
            FileFound::Refused(_) | FileFound::Nothing => {}
        }
    }
    let recorded = || places.iter().map(Place::path);
    let found = machine.and_then(|machine| machine.find(name, recorded()));
    Ok(found
        .or_else(|| system::find(place, binary, name, None))
        .map(Place::file))
}

fn is_told(
    place: &Place,
    binary: &Binary,
    name: &str,
    file: &Place,
    machine: Option<&Machine>,
) -> bool {
    let mut beside = libraries::beside(place, binary, name).into_iter();
    machine.is_some() || beside.any(|one| one.without_dots() == *file)
}

/// What the libraries of a closure ask of others and nothing defines: neither they, nor some
/// files that are loaded with them, nor what is given; `None` where that is not known.
pub(crate) fn unresolved(
    closure: &Closure,
    files: &[&Path],
    is_given: impl Fn(&ForeignSymbol) -> bool,
) -> Option<Vec<(Arc<Dependency>, Vec<ForeignSymbol>)>> {
    let asks = closure.libraries.iter().flat_map(|one| &one.asks);
    let asks = asks.filter(|symbol| !is_given(symbol));
    let names: HashSet<String> = asks.map(ForeignSymbol::spelled).collect();
    if names.is_empty() {
        return Some(Vec::new());
    }
    if closure.absent.is_some() {
        return None;
    }
    let mut left: Vec<&str> = names.iter().map(String::as_str).collect();
    let libraries = closure.libraries.iter().map(|one| one.place.path());
    for file in libraries.chain(files.iter().copied()) {
        let bytes = map::open(file).ok()?;
        let mut defined = container::defines(&bytes, &left).ok()?.into_iter();
        left.retain(|_| defined.next() != Some(true));
    }
    let left: HashSet<&str> = left.into_iter().collect();
    let lacking = closure.libraries.iter().filter_map(|library| {
        let is_left =
            |symbol: &&ForeignSymbol| left.contains(symbol.spelled().as_str()) && !is_given(symbol);
        let symbols: Vec<ForeignSymbol> = library.asks.iter().filter(is_left).cloned().collect();
        (!symbols.is_empty()).then(|| (library.clone(), symbols))
    });
    Some(lacking.collect())
}
