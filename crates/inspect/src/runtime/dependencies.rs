//! The libraries that a file loads beside TVM's and the system's: what it asks for, what
//! that asks for, and so on to the end, as the system's loader finds it.
//!
//! GNU/Linux (ld.so(8)): for each name in the order of the requests, what is loaded already
//! under it; the `DT_RPATH` of the file and of those that loaded it; its own `DT_RUNPATH`; the
//! machine, where the scan claims to have it.
//!
//! dyld: the place that the name leads to; for `@rpath` the run paths of the file and of those
//! that loaded it; what is loaded already under the name.
//!
//! Windows: what is loaded already under the name; the folder of the program, or of what Python
//! or TVM opens, whoever asks. Delay-loaded libraries are not followed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use super::file_found::{FileFound, look, mapped};
use super::grouping;
use super::library_files::is_of_others;
pub(crate) use super::library_files::{Dependencies, Dependency};
use super::machine::Machine;
use super::{libraries, system};
use crate::container::{self, Binary, BinaryKind, ForeignSymbol, Format, Needed, Platform};
use crate::place::Place;

/// Libraries of one process that are followed; real ones have some dozens.
const MOST: usize = 1024;

/// All that is loaded for some files.
#[derive(Debug, Default)]
pub(crate) struct Closure {
    pub(crate) libraries: Vec<Arc<Dependency>>,
    /// What those libraries ask for and is not found.
    pub(crate) lacking: Vec<(Arc<Dependency>, Vec<String>)>,
    pub(crate) refused: Vec<RefusedFile>,
    /// Those that are there and could not be read.
    pub(crate) unread: Vec<Place>,
    /// The first that was not found, read or followed, as it is named to people.
    pub(crate) absent: Option<String>,
    /// Which library a file gets for a name.
    found: HashMap<(Place, String), usize>,
    /// Libraries by what they are loaded under.
    names: HashMap<String, Option<usize>>,
}

/// A file that the loader comes to for a library, and ends at.
#[derive(Debug)]
pub(crate) struct RefusedFile {
    /// Who asks.
    pub(crate) asking: Place,
    /// The name that is asked for.
    pub(crate) name: String,
    pub(crate) file: Place,
    /// The key of what the loader says.
    pub(crate) message: &'static str,
}

impl Closure {
    fn lacks(&mut self, what: impl std::fmt::Display) {
        self.absent.get_or_insert_with(|| what.to_string());
    }

    /// The library that a file gets for a name.
    pub(super) fn got(&self, asking: &Place, name: &str) -> Option<&Arc<Dependency>> {
        let index = self.found.get(&(asking.clone(), name.to_owned()))?;
        self.libraries.get(*index)
    }

    /// Whether a library asks for a name in vain.
    pub(super) fn is_lacking(&self, library: &Dependency, name: &str) -> bool {
        let mut lacking = self.lacking.iter();
        lacking.any(|(one, names)| {
            one.place == library.place && names.iter().any(|lacking| lacking == name)
        })
    }

    /// The library that is loaded under a name on Windows.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Dependency>> {
        let index = self.names.get(&spelled(name, Format::Pe)).copied()??;
        self.libraries.get(index)
    }
}

/// What asks, and for whom.
struct Asking<'a> {
    place: &'a Place,
    binary: &'a Binary,
    /// The folders that those who loaded it pass on.
    passed: Vec<Place>,
    /// The program, or what a program that is not known opens.
    first: &'a Place,
    is_program: bool,
    /// Which library it is; none of what was asked about.
    library: Option<usize>,
}

/// What was found, and who is still to be asked.
struct Walk<'a> {
    machine: Option<&'a Machine>,
    known: &'a Dependencies,
    all: Closure,
    /// Libraries by what they are loaded under, and by where they are.
    names: HashMap<String, Option<usize>>,
    places: HashMap<Place, Option<usize>>,
    left: VecDeque<Left>,
}

/// A library that is still to be asked.
struct Left {
    library: usize,
    passed: Vec<Place>,
    first: Place,
    is_program: bool,
}

/// What some files of one process load; nothing of files for systems that are not known, or in
/// archives that are not seen into.
pub(crate) fn closure(
    files: &[(&Place, &Binary)],
    machine: Option<&Machine>,
    known: &Dependencies,
) -> Closure {
    let mut walk = Walk {
        machine,
        known,
        all: Closure::default(),
        names: HashMap::new(),
        places: HashMap::new(),
        left: VecDeque::new(),
    };
    for (place, binary) in files {
        if !(is_followed(binary) && known.are_seen(place)) {
            walk.all.lacks(place);
            continue;
        }
        walk.follow(&Asking {
            first: &first(place, binary),
            is_program: binary.process.is_some() || binary.kind == BinaryKind::Program,
            ..Asking::alone(place, binary)
        });
    }
    while let Some(next) = walk.left.pop_front() {
        let Some(library) = walk.all.libraries.get(next.library).cloned() else {
            continue;
        };
        walk.follow(&Asking {
            place: &library.place,
            binary: &library.binary,
            passed: next.passed,
            first: &next.first,
            is_program: next.is_program,
            library: Some(next.library),
        });
    }
    walk.all.names = walk.names;
    walk.all
}

/// The program of a file, or the file that a program opens.
pub(super) fn first(place: &Place, binary: &Binary) -> Place {
    let program = binary.process.as_ref();
    program.map_or_else(|| place.clone(), |process| Place::file(&process.program))
}

/// Whether the loader is one of those that are known.
fn is_followed(binary: &Binary) -> bool {
    let is_known = match binary.format {
        Format::Elf => binary.platform == Platform::Linux,
        Format::MachO | Format::Pe => true,
        _ => false,
    };
    is_known && binary.kind != BinaryKind::Object
}

impl Walk<'_> {
    /// Finds what one file asks for.
    fn follow(&mut self, asking: &Asking<'_>) {
        let mut lacking: Vec<String> = Vec::new();
        for needed in &asking.binary.needed {
            let name = &needed.name;
            // Who answers for TVM's is asked elsewhere.
            if !is_of_others(name) || !is_loaded(needed, asking.binary.format) {
                continue;
            }
            let key = spelled(name, asking.binary.format);
            let known = self.names.get(&key).copied();
            let by_path = asking.binary.format == Format::MachO;
            if let Some(index) = known.filter(|_| !by_path) {
                self.gets(asking, name, index);
                continue;
            }
            match find(asking, name, self.machine, self.known) {
                Ok(Some(file)) => self.take(asking, name, file),
                Ok(None) => match known {
                    Some(index) => self.gets(asking, name, index),
                    None if needed.optional => {}
                    None => {
                        self.all.lacks(name);
                        lacking.push(name.clone());
                    }
                },
                Err((file, message)) => self.refuse(asking, name, file, message),
            }
        }
        let library = asking.library;
        let library = library.and_then(|index| self.all.libraries.get(index));
        if let Some(library) = library.filter(|_| !lacking.is_empty()) {
            self.all.lacking.push((library.clone(), lacking));
        }
    }

    fn refuse(&mut self, asking: &Asking<'_>, name: &str, file: Place, message: &'static str) {
        self.all.lacks(name);
        self.all.refused.push(RefusedFile {
            asking: asking.place.clone(),
            name: name.to_owned(),
            file,
            message,
        });
    }

    /// The file that was found for a name is loaded, unless it is already.
    fn take(&mut self, asking: &Asking<'_>, name: &str, file: Place) {
        let format = asking.binary.format;
        let key = spelled(name, format);
        if let Some(known) = self.places.get(&file).copied() {
            self.names.insert(key, known);
            return self.gets(asking, name, known);
        }
        let index = self.all.libraries.len();
        let of_file = || self.known.of(&file, asking.binary.architecture);
        let Some(library) = (index < MOST).then(of_file).flatten() else {
            self.names.insert(key, None);
            self.all.lacks(name);
            return self.all.unread.push(file);
        };
        if let FileFound::Refused(words) = mapped(&library.binary) {
            return self.refuse(asking, name, file, words);
        }
        // Windows goes by the names of files.
        let own = match format {
            Format::Pe => Some(file.name().into_owned()),
            _ => library.binary.identity.clone(),
        };
        for name in own.iter().map(|own| spelled(own, format)).chain([key]) {
            self.names.entry(name).or_insert(Some(index));
        }
        self.places.insert(file, Some(index));
        self.left.push_back(Left {
            library: index,
            passed: asking.passed_on(),
            first: asking.first.clone(),
            is_program: asking.is_program,
        });
        self.all.libraries.push(library);
        self.gets(asking, name, Some(index));
    }

    fn gets(&mut self, asking: &Asking<'_>, name: &str, index: Option<usize>) {
        if let Some(index) = index {
            let key = (asking.place.clone(), name.to_owned());
            self.all.found.insert(key, index);
        }
    }
}

/// Whether the loader comes to a library when it loads what names it.
fn is_loaded(needed: &Needed, format: Format) -> bool {
    !(needed.optional && format == Format::Pe)
}

/// A name as the system compares it.
fn spelled(name: &str, format: Format) -> String {
    match format {
        Format::Pe => name.to_ascii_lowercase(),
        _ => name.to_owned(),
    }
}

impl<'a> Asking<'a> {
    /// A file that nothing is known to have loaded.
    pub(super) fn alone(place: &'a Place, binary: &'a Binary) -> Self {
        Self {
            place,
            binary,
            passed: Vec::new(),
            first: place,
            is_program: binary.kind == BinaryKind::Program,
            library: None,
        }
    }

    /// The folders that it passes on to what it loads.
    fn passed_on(&self) -> Vec<Place> {
        let own = match self.binary.has_runpath {
            true => Vec::new(),
            false => libraries::run_path(self.place, self.program(), self.binary),
        };
        own.into_iter().chain(self.passed.iter().cloned()).collect()
    }

    fn program(&self) -> Option<&'a Place> {
        self.is_program.then_some(self.first)
    }

    /// Where the loader looks for a name, in order. dyld looks for one without folders where
    /// it is told by the user alone.
    fn places(&self, name: &str) -> Vec<Place> {
        let (place, binary) = (self.place, self.binary);
        if binary.format == Format::Pe && self.library.is_some() {
            return vec![self.first.beside(name)];
        }
        if binary.format == Format::MachO && !name.contains('/') {
            return Vec::new();
        }
        let mut places = libraries::places(place, self.program(), binary, name);
        let passed = match binary.format {
            Format::MachO => name.strip_prefix("@rpath/"),
            _ if binary.has_runpath || name.contains('/') => None,
            _ => Some(name),
        };
        let passed = passed.map(|name| self.passed.iter().map(move |folder| folder.child(name)));
        places.extend(passed.into_iter().flatten());
        // A member is seen with its archive alone.
        places.retain(|one| one.is_member() == place.is_member());
        places
    }
}

/// The file that the loader takes for a name, or that it ends at.
fn find(
    asking: &Asking<'_>,
    name: &str,
    machine: Option<&Machine>,
    known: &Dependencies,
) -> Result<Option<Place>, (Place, &'static str)> {
    let (place, binary) = (asking.place, asking.binary);
    let places = asking.places(name);
    // Another folder of this machine says nothing of the one that it runs on.
    let beside = libraries::beside(place, binary, name);
    let is_told = |file: &Place| {
        let mut beside = beside.iter();
        machine.is_some() || place.is_member() || beside.any(|one| one.without_dots() == *file)
    };
    if let Some(file) = known.first(&places, binary, is_told)? {
        return Ok(Some(file));
    }
    if place.is_member() {
        return Ok(None);
    }
    let recorded = || places.iter().map(Place::path);
    let found = machine.and_then(|machine| machine.find(name, recorded()));
    let found = found.or_else(|| loaded_before(place, binary, name));
    Ok(found.map(Place::file))
}

/// What answers to a name and is loaded by its file's before: a package's library under the
/// plain name of its file.
fn loaded_before(place: &Place, binary: &Binary, name: &str) -> Option<PathBuf> {
    let file = system::find(place, binary, name, None).filter(|_| binary.format == Format::Elf)?;
    let is_right = matches!(look(&file, binary), FileFound::Library);
    let is_of_package = !file.exists() && grouping::environment(place).is_some();
    (is_right || is_of_package).then_some(file)
}

/// Whether a file that nothing is known to have loaded finds a library.
pub(crate) fn is_found(
    place: &Place,
    binary: &Binary,
    name: &str,
    machine: Option<&Machine>,
    known: &Dependencies,
) -> bool {
    // What the loader ends at is told with what it loads.
    let found = find(&Asking::alone(place, binary), name, machine, known);
    !matches!(found, Ok(None))
}

/// What the libraries of a closure ask of any other and nothing defines: neither they, nor some
/// files that are loaded with them, nor what is given; `None` where that is not known.
pub(crate) fn unresolved(
    closure: &Closure,
    files: &[&Place],
    known: &Dependencies,
    is_given: impl Fn(&ForeignSymbol) -> bool,
) -> Option<Vec<(Arc<Dependency>, Vec<ForeignSymbol>)>> {
    let is_asked = |symbol: &ForeignSymbol| symbol.library.is_none() && !is_given(symbol);
    let asks = closure.libraries.iter().flat_map(|one| &one.asks);
    let asks = asks.filter(|symbol| is_asked(symbol));
    let names: HashSet<String> = asks.map(ForeignSymbol::spelled).collect();
    if names.is_empty() {
        return Some(Vec::new());
    }
    if closure.absent.is_some() {
        return None;
    }
    let libraries = closure.libraries.iter().map(|one| &one.place);
    let left = defined_nowhere(names, libraries.chain(files.iter().copied()), known)?;
    let lacking = closure.libraries.iter().filter_map(|library| {
        let is_left =
            |symbol: &&ForeignSymbol| left.contains(&symbol.spelled()) && is_asked(symbol);
        let symbols: Vec<ForeignSymbol> = library.asks.iter().filter(is_left).cloned().collect();
        (!symbols.is_empty()).then(|| (library.clone(), symbols))
    });
    Some(lacking.collect())
}

/// Those of some names that none of some files defines; `None` where one cannot be read.
pub(crate) fn defined_nowhere<'a>(
    mut names: HashSet<String>,
    files: impl Iterator<Item = &'a Place>,
    known: &Dependencies,
) -> Option<HashSet<String>> {
    for file in files {
        let asked: Vec<&str> = names.iter().map(String::as_str).collect();
        let defined = container::defines(&known.bytes(file)?, &asked).ok()?;
        let defined = asked.iter().zip(defined).filter(|(_, is_there)| *is_there);
        let defined: Vec<String> = defined.map(|(name, _)| (*name).to_owned()).collect();
        defined.iter().for_each(|name| {
            names.remove(name);
        });
    }
    Some(names)
}
