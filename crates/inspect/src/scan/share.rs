//! Equal facts are kept once: a tree may hold thousands of copies of a library,
//! and what is known of a copy is the same wherever it lies.
//!
//! What is shared was compared in full; a hash only says with what to compare.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::artifact::{Artifact, Libraries};
use crate::container::Binary;
use crate::finding::{Finding, Said};

/// Values that an unlucky or hostile hash may have in common before others
/// with that hash are kept by themselves.
const MOST_ALIKE: usize = 8;

/// Values that were met, by their hash.
pub(super) struct Shelf<T> {
    hasher: RandomState,
    known: Mutex<HashMap<u64, Vec<T>, RandomState>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            known: Mutex::default(),
        }
    }
}

impl<T: Clone + PartialEq> Shelf<T> {
    /// The value that was met first among those equal to this one. The outline
    /// is equal for equal values, and seldom for others.
    pub(super) fn first(&self, outline: impl Hash, value: T) -> T {
        let hash = self.hasher.hash_one(outline);
        let alike = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(&hash).cloned().unwrap_or_default()
        };
        // Compared while others may go on.
        let full = alike.len() >= MOST_ALIKE;
        if let Some(same) = alike.into_iter().find(|known| *known == value) {
            return same;
        }
        if !full {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(hash).or_default().push(value.clone());
        }
        value
    }
}

/// Facts of binaries, and what findings say.
#[derive(Default)]
pub(super) struct Shared {
    facts: Shelf<(Arc<Binary>, Libraries)>,
    said: Shelf<Arc<Said>>,
}

impl Shared {
    /// Gives an artifact the facts of an equal one, if one was met.
    pub(super) fn share(&self, artifact: &mut Artifact) {
        let Some(binary) = &artifact.binary else {
            return;
        };
        let outline = outline(binary, &artifact.libraries);
        let facts = (binary.clone(), artifact.libraries.clone());
        let (binary, libraries) = self.facts.first(outline, facts);
        artifact.binary = Some(binary);
        artifact.libraries = libraries;
    }

    /// The same for what a finding says.
    pub(super) fn finding(&self, finding: Finding) -> Finding {
        let outline = (&finding.message, &finding.evidence, &finding.runtime);
        let said = self.said.first(outline, finding.said().clone());
        Finding::of(finding.artifact, said)
    }
}

/// Enough of the facts to tell most binaries apart.
fn outline<'a>(binary: &'a Binary, libraries: &'a Libraries) -> impl Hash + use<'a> {
    let library = |library: &'a crate::module::ModelLibrary| {
        let blob = library.blob.as_ref().ok();
        let size = blob.map(|blob| (blob.length, blob.modules.len()));
        (library.file_offset, library.prefix.as_deref(), size)
    };
    let undefined = binary.undefined.iter().map(|symbol| symbol.name.as_str());
    (
        (binary.format, binary.architecture, binary.platform),
        binary.identity.as_deref(),
        undefined.collect::<Vec<_>>(),
        libraries.iter().map(library).collect::<Vec<_>>(),
    )
}
