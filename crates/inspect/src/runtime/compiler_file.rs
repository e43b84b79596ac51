//! A compiler (libtvm_compiler) that is at hand, and what it registers. It is by far the
//! largest part: its code is followed when a rule asks for a name, and once.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::{registrations, strings};
use crate::container::{self, Architecture, Parsed};
use crate::place::Place;
use crate::source::map;

/// How the only names begin that compilers put together, one for each processor.
pub(crate) const OF_TARGETS: &str = "tvm.codegen.llvm.target_";

/// The file of a compiler.
#[derive(Debug)]
pub struct CompilerFile {
    place: Place,
    architecture: Architecture,
    names: OnceLock<Option<BTreeSet<String>>>,
}

impl CompilerFile {
    /// The one at a place, for this processor.
    pub(super) fn new(place: Place, architecture: Architecture) -> Self {
        Self {
            place,
            architecture,
            names: OnceLock::new(),
        }
    }

    /// Whether it registers a function; `None` where that cannot be read.
    pub(super) fn registers(&self, name: &str) -> Option<bool> {
        let names = self.names.get_or_init(|| self.read()).as_ref()?;
        Some(names.contains(name))
    }

    fn read(&self) -> Option<BTreeSet<String>> {
        // What is in an archive is not unpacked for this.
        if self.place.is_member() {
            return None;
        }
        let bytes = map::open(self.place.path()).ok()?;
        let parsed = container::parse(&bytes).ok()?;
        let is_own = |parsed: &&Parsed<'_>| parsed.binary.architecture == self.architecture;
        names(parsed.iter().find(is_own)?)
    }
}

/// Two files are one where they are in one place.
impl PartialEq for CompilerFile {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place && self.architecture == other.architecture
    }
}

impl Eq for CompilerFile {}

/// The names that a compiler registers, read from its code, those of targets left out;
/// `None` where not all the others can be read.
pub fn names(parsed: &Parsed<'_>) -> Option<BTreeSet<String>> {
    let read = registrations::of_library(parsed);
    let texts = strings::read_only(parsed, &[]);
    let of_targets = OF_TARGETS.as_bytes();
    let mut texts = texts.iter();
    let has_targets = texts.any(|text| memchr::memmem::find(text.data, of_targets).is_some());
    let is_all = read
        .unread
        .is_some_and(|unread| unread <= usize::from(has_targets));
    (is_all && !read.names.is_empty()).then_some(read.names)
}
