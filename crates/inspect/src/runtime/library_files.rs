//! The libraries that loaders come to, each read once: files of folders, and members of zip
//! archives (a wheel, an application), which are the files that the archive becomes.

use std::collections::HashMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file_found::{self, FileFound};
use super::{libraries, system};
use crate::container::{self, Architecture, Binary, Body, Exported, ForeignSymbol, Format};
use crate::place::Place;
use crate::source::beginning::{children, first_bytes};
use crate::source::map::{self, FileBytes};
use crate::source::{Spilled, all_members, member_bytes, most_unpacked};

/// Links that are followed from one name.
const MAX_LINKS: usize = 8;

/// A library that is loaded for another.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// Where it was found.
    pub(crate) place: Place,
    pub(crate) binary: Binary,
    /// What it asks of others than the system; in ELF than TVM too.
    pub(crate) asks: Vec<ForeignSymbol>,
    /// Where its bytes are in the file.
    slice: (usize, usize),
}

/// A library, where it could be read.
type Read = Option<Arc<Dependency>>;

/// The libraries that were read, each once.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    known: Mutex<HashMap<(Place, Architecture), Read>>,
    archives: Mutex<HashMap<PathBuf, Arc<Names>>>,
    unpacked: Mutex<HashMap<Place, Option<Arc<Spilled>>>>,
}

/// The files that an archive becomes.
#[derive(Debug, Default)]
struct Names {
    /// By place, with what a link leads to.
    files: HashMap<Place, Option<Place>>,
    /// By their names without case, as Windows looks for them.
    lower: HashMap<String, Place>,
    /// Bytes that may still be unpacked.
    left: Mutex<u64>,
}

/// The bytes of a library.
pub(crate) enum Bytes {
    File(FileBytes),
    Member(Arc<Spilled>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::File(bytes) => bytes,
            Self::Member(bytes) => bytes,
        }
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dependencies {
    /// The library at a place, for one processor; `None` where it cannot be read.
    pub(crate) fn of(&self, place: &Place, machine: Architecture) -> Option<Arc<Dependency>> {
        let key = (place.clone(), machine);
        if let Some(known) = locked(&self.known).get(&key) {
            return known.clone();
        }
        let read = self.read(place, machine).map(Arc::new);
        locked(&self.known).insert(key, read.clone());
        read
    }

    fn read(&self, place: &Place, machine: Architecture) -> Option<Dependency> {
        let bytes = self.bytes(place)?;
        let all = container::parse(&bytes).ok()?;
        let is_only = all.len() == 1;
        let mut all = all.into_iter();
        let parsed = all.find(|one| is_only || one.binary.architecture == machine)?;
        let first = usize::try_from(parsed.slice_offset).ok()?;
        Some(Dependency {
            place: place.clone(),
            asks: container::asked_of_others(parsed.data, |library| !system::is_base(library))
                .ok()?,
            slice: (first, first.checked_add(parsed.data.len())?),
            binary: parsed.binary,
        })
    }

    /// What a library has for each of some names; `None` where it cannot be read any more.
    pub(crate) fn exported(&self, library: &Dependency, names: &[&str]) -> Option<Vec<Exported>> {
        let bytes = self.bytes(&library.place)?;
        let (first, end) = library.slice;
        container::exported(bytes.get(first..end)?, names).ok()
    }

    /// The bytes of a file or of a member.
    pub(crate) fn bytes(&self, place: &Place) -> Option<Bytes> {
        if !place.is_member() {
            return map::open(place.path()).ok().map(Bytes::File);
        }
        if let Some(known) = locked(&self.unpacked).get(place) {
            return known.clone().map(Bytes::Member);
        }
        let names = self.names(place)?;
        let mut left = locked(&names.left);
        let bytes = member_bytes(place, *left).map(Arc::new);
        let length = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        *left = left.saturating_sub(length);
        locked(&self.unpacked).insert(place.clone(), bytes.clone());
        bytes.map(Bytes::Member)
    }

    /// Whether the files around a place are seen: those of a folder, or of a zip archive.
    pub(crate) fn are_seen(&self, place: &Place) -> bool {
        !place.is_member() || self.names(place).is_some()
    }

    /// The files of the zip archive that a member is in.
    fn names(&self, place: &Place) -> Option<Arc<Names>> {
        let archive = place.archive().filter(Place::is_whole_file)?;
        if let Some(known) = locked(&self.archives).get(archive.path()) {
            return Some(known.clone());
        }
        first_bytes(archive.path(), 2).filter(|bytes| bytes == b"PK")?;
        let names = Arc::new(Names::of(&archive));
        locked(&self.archives).insert(archive.path().to_owned(), names.clone());
        Some(names)
    }

    /// The file that a place is for the loader of a binary, links and cases aside.
    fn spelled(&self, place: &Place, binary: &Binary) -> Option<Place> {
        let has_no_case = binary.format == Format::Pe;
        if place.is_member() {
            return self.names(place)?.get(place, has_no_case);
        }
        if !has_no_case || place.path().exists() {
            return Some(place.clone());
        }
        let name = place.path().file_name()?;
        let mut files = children(place.path().parent()?).into_iter();
        let is_same = |file: &PathBuf| {
            let own = file.file_name();
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        files.find(is_same).map(Place::file)
    }

    /// The first of some places that the loader takes, or that it ends at, which
    /// `ends` may deny.
    pub(crate) fn first(
        &self,
        places: &[Place],
        binary: &Binary,
        ends: impl Fn(&Place) -> bool,
    ) -> Result<Option<Place>, (Place, &'static str)> {
        for place in places {
            let Some(file) = self.spelled(&place.without_dots(), binary) else {
                continue;
            };
            match self.look(&file, binary) {
                FileFound::Library => return Ok(Some(file)),
                FileFound::Refused(words) if ends(place) => return Err((file, words)),
                FileFound::Refused(_) | FileFound::Nothing => {}
            }
        }
        Ok(None)
    }

    fn look(&self, file: &Place, binary: &Binary) -> FileFound {
        if !file.is_member() {
            return file_found::look(file.path(), binary);
        }
        // What cannot be unpacked is there all the same.
        self.bytes(file).map_or(FileFound::Library, |bytes| {
            file_found::of_header(&bytes, binary)
        })
    }
}

impl Names {
    fn of(archive: &Place) -> Self {
        let mut files = HashMap::new();
        all_members(archive, &mut |member| {
            let place = archive.member(&member.name, 1).without_dots();
            let target = match member.body {
                Body::Link(target, is_beside) => {
                    let target = String::from_utf8_lossy(&target);
                    Some(match is_beside {
                        true => place.beside(&target),
                        false => archive.member(target.as_bytes(), 1).without_dots(),
                    })
                }
                Body::Folder => return true,
                _ => None,
            };
            files.insert(place, target);
            true
        });
        let lower = files.keys().map(|place| (lower(place), place.clone()));
        let size = archive.path().metadata().map_or(0, |meta| meta.len());
        Self {
            lower: lower.collect(),
            files,
            left: Mutex::new(most_unpacked(size)),
        }
    }

    fn get(&self, place: &Place, has_no_case: bool) -> Option<Place> {
        let mut file = match has_no_case {
            true => self.lower.get(&lower(place))?.clone(),
            false => place.clone(),
        };
        for _ in 0..MAX_LINKS {
            match self.files.get(&file)? {
                Some(target) => file = target.clone(),
                None => return Some(file),
            }
        }
        None
    }
}

fn lower(place: &Place) -> String {
    place.inside().to_ascii_lowercase()
}

/// Whether a library is neither the system's nor TVM's.
pub(crate) fn is_of_others(name: &str) -> bool {
    !system::is_base(name) && !libraries::is_family(name)
}
