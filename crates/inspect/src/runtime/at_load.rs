//! Functions that libraries register when a model library is loaded: in its own
//! initialisers, in those of what it needs, and of what is loaded before it.
//!
//! Which names a library registers is read from its code, as with the parts of a runtime.
//! Whether its initialisers come to those calls is not read: a function that is named
//! there is undecided, and one that is not, where every call was read, is missing. Of a
//! library that opens others, or that is not found, nothing is known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::registrations::{self, Registrations};
use crate::artifact::Artifact;
use crate::container::{self, Binary};
use crate::place::Place;
use crate::source::map;

/// What the code of libraries registers, read once each.
#[derive(Default)]
pub(crate) struct Registering {
    known: Mutex<HashMap<Place, Arc<Registrations>>>,
}

impl Registering {
    fn of(&self, library: &Artifact, binary: &Binary) -> Arc<Registrations> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&library.path) {
            return known.clone();
        }
        // Members of archives are not unpacked again.
        let read = match library.path.is_member() {
            true => None,
            false => read(&library.path, binary),
        };
        let read = Arc::new(read.unwrap_or_default());
        lock().insert(library.path.clone(), read.clone());
        read
    }
}

fn read(place: &Place, binary: &Binary) -> Option<Registrations> {
    let bytes = map::open(place.path()).ok()?;
    let slices = container::parse(&bytes).ok()?;
    let is_same = |slice: &&container::Parsed<'_>| {
        slice.binary.architecture == binary.architecture
            && slice.binary.undefined == binary.undefined
    };
    let slice = slices.iter().find(is_same)?;
    Some(registrations::of_library(slice))
}

/// What fills context slots of every library that is loaded behind it.
const FILLS_SLOTS: &str = "TVMFFIEnvModRegisterContextSymbol";

/// Whether a library may register functions or fill slots when it is loaded, as far as its
/// symbols say.
pub(crate) fn may_register(library: &Artifact) -> bool {
    let binary = library.binary.as_deref();
    binary.is_some_and(|binary| binary.opens) || registers(library)
}

/// Whether it calls what registers functions or fills slots.
pub(crate) fn registers(library: &Artifact) -> bool {
    let binary = library.binary.as_deref();
    binary.is_some_and(|binary| calls_registrar(binary) || fills_slots(binary))
}

fn fills_slots(binary: &Binary) -> bool {
    let mut undefined = binary.undefined.iter();
    undefined.any(|symbol| symbol.name == FILLS_SLOTS)
}

fn calls_registrar(binary: &Binary) -> bool {
    let mut undefined = binary.undefined.iter();
    undefined.any(|symbol| registrations::is_registrar(&symbol.name))
}

/// The libraries that one model library is loaded with.
pub struct AtLoad<'a> {
    own: &'a Artifact,
    /// Others in its process that may register.
    others: Vec<&'a Artifact>,
    /// Libraries that it needs and that were not read.
    unread: &'a [String],
    registering: Option<&'a Registering>,
}

impl<'a> AtLoad<'a> {
    /// A library of which only the file itself is known.
    pub fn alone(own: &'a Artifact) -> Self {
        Self {
            own,
            others: Vec::new(),
            unread: &[],
            registering: None,
        }
    }

    /// A library with those that may register beside it.
    pub(crate) fn with(
        own: &'a Artifact,
        others: Vec<&'a Artifact>,
        unread: &'a [String],
        registering: &'a Registering,
    ) -> Self {
        Self {
            own,
            others,
            unread,
            registering: Some(registering),
        }
    }

    /// Why a function may be registered although no runtime does so.
    pub fn may_bring(&self, name: &str) -> Option<String> {
        if self.may_name(self.own, name) {
            return Some(format!(
                "the library registers functions of its own when it is loaded: whether `{name}` is one of them is not known"
            ));
        }
        if let Some(other) = self.others.iter().find(|other| self.may_name(other, name)) {
            return Some(format!(
                "`{}` is loaded with it and registers functions: whether `{name}` is one of them by then is not known",
                other.path.name()
            ));
        }
        let mut all = std::iter::once(&self.own).chain(&self.others);
        let opens = |one: &&&Artifact| one.binary.as_ref().is_some_and(|binary| binary.opens);
        if let Some(opening) = all.find(opens) {
            return Some(format!(
                "`{}` can open libraries and find functions by name (dlopen, dlsym): whether `{name}` is registered by that is not known",
                opening.path.name()
            ));
        }
        let unread = self.unread.first()?;
        Some(format!(
            "the library needs `{unread}`, which was not read: whether that registers `{name}` is not known; `--with` names the file"
        ))
    }

    /// Why a context slot may be filled that no runtime fills. What `is_known` to do so, or
    /// not, is left out.
    pub(crate) fn may_fill(
        &self,
        slot: &str,
        is_known: impl Fn(&Artifact) -> bool,
    ) -> Option<String> {
        let may = |other: &Artifact| {
            let binary = other.binary.as_deref();
            binary.is_some_and(fills_slots) && !is_known(other)
        };
        let other = self.others.iter().find(|other| may(other))?;
        Some(format!(
            "`{}` is loaded with it and fills slots: whether `{slot}` is one of them by then is not known",
            other.path.name()
        ))
    }

    /// Whether the code of a library registers this name, or one that was not read.
    fn may_name(&self, library: &Artifact, name: &str) -> bool {
        let binary = library.binary.as_deref();
        let Some(binary) = binary.filter(|binary| calls_registrar(binary)) else {
            return false;
        };
        let Some(registering) = self.registering else {
            return true;
        };
        let read = registering.of(library, binary);
        let is_whole = read.is_complete && !read.names.is_empty();
        !is_whole || read.names.contains(name)
    }
}
