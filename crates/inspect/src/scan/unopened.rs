//! Which files that are not opened are worth a word.
//!
//! A machine holds thousands of packed files that have nothing to do with a model: logs,
//! test data, packages. Saying "not decided" of each would leave every scan undecided.
//! One is reported where it may hold what the scan is about (docs/ci.md#files-that-are-not-opened):
//!
//! * it was named itself, or lies in an archive that was, in which nothing of TVM's is;
//! * its name says so: `model.so.xz`, `libtvm_runtime.tar.zst`, `mlc-llm.7z`;
//! * it lies in a folder with something of TVM's, and its name is none of a document.
//!
//! The same goes for files that are damaged and that nothing shows to be TVM's. What Python
//! never opens, because it takes another file for the module, is not said at all.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::artifact::{Artifact, ProblemKind, Role};
use crate::place::Place;
use crate::python::{Interpreter, folder};
use crate::runtime::distribution;
use crate::source::{is_artifact_suffix, is_passed_over};

/// Endings that say how a file is packed, and nothing of what is in it.
pub(super) const PACKED: [&str; 24] = [
    "xz", "bz2", "zst", "lzma", "lz", "lz4", "z", "7z", "rar", "rpm", "deb", "cab", "dmg", "xar",
    "pkg", "cpio", "snap", "squashfs", "gz", "tar", "zip", "txz", "tbz2", "conda",
];
/// What is said of a packed file.
const KINDS: [ProblemKind; 4] = [
    ProblemKind::Strange,
    ProblemKind::NotOpened,
    ProblemKind::PackedAsLibrary,
    ProblemKind::ArchiveAsLibrary,
];
/// Words in the name of a file that belongs to TVM.
const WORDS: [&str; 3] = ["tvm", "mlc", "web-llm"];

/// Which files to report.
pub(super) struct Unopened<'a> {
    /// The paths that the user named.
    pub named: &'a [PathBuf],
    /// Whether only a share of the files was read: what else lies in a folder is not known.
    pub is_share: bool,
}

impl Unopened<'_> {
    /// Leaves out what is not worth a word.
    pub(super) fn filter(&self, artifacts: &mut Vec<Artifact>) {
        artifacts.retain(|one| one.role != Role::Unreadable || !is_passed_by(&one.path));
        if !artifacts.iter().any(is_unopened) {
            return;
        }
        let of_tvm = artifacts.iter().filter(|artifact| concerns_tvm(artifact));
        let mut near = Near::default();
        for artifact in of_tvm {
            near.folders.extend(artifact.path.folder());
            near.folders.extend(artifact.path.whole_file().folder());
            near.files.insert(artifact.path.whole_file());
        }
        artifacts.retain_mut(|artifact| {
            if !is_unopened(artifact) || self.is_reported(artifact, &near) {
                return true;
            }
            let problems = &mut artifact.problems;
            problems.retain(|problem| !KINDS.contains(&problem.kind));
            artifact.role != Role::Unreadable || !artifact.problems.is_empty()
        });
    }

    fn is_reported(&self, artifact: &Artifact, near: &Near) -> bool {
        let place = &artifact.path;
        let file = place.whole_file();
        let is_alone = !near.files.contains(&file);
        // What is in an archive was read: its name says nothing more.
        if has(artifact, ProblemKind::ArchiveAsLibrary) {
            return !is_alone || self.named.iter().any(|named| named == file.path());
        }
        if self.named.iter().any(|named| named == file.path()) && (is_alone || !place.is_member()) {
            return true;
        }
        match of_name(&place.name()) {
            Named::Tvm => true,
            Named::Document => false,
            Named::Anything => {
                let is_near = |place: &Place| {
                    let folder = place.folder();
                    folder.is_some_and(|folder| near.folders.contains(&folder))
                };
                self.is_share || is_near(place) || (is_alone && is_near(&file))
            }
        }
    }
}

/// Whether Python opens another file in its place.
fn is_passed_by(place: &Place) -> bool {
    let python = Interpreter::of_version(distribution::python_of(place));
    let minor = python.minor.filter(|_| !place.is_member());
    minor.is_some_and(|minor| folder::is_passed_by(place.path(), minor))
}

/// Where something of TVM's is.
#[derive(Default)]
struct Near {
    folders: HashSet<Place>,
    files: HashSet<Place>,
}

fn is_unopened(artifact: &Artifact) -> bool {
    KINDS.iter().any(|kind| has(artifact, *kind))
}

fn has(artifact: &Artifact, kind: ProblemKind) -> bool {
    let mut problems = artifact.problems.iter();
    problems.any(|problem| problem.kind == kind)
}

fn concerns_tvm(artifact: &Artifact) -> bool {
    !matches!(artifact.role, Role::Unrelated | Role::Unreadable)
}

/// What the name of a file says of what is in it.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Tvm,
    Document,
    Anything,
}

fn of_name(name: &str) -> Named {
    let name = name.to_ascii_lowercase();
    if WORDS.iter().any(|word| name.contains(word)) || name.contains(".so.") {
        return Named::Tvm;
    }
    let mut rest = name.as_str();
    while let Some((stem, suffix)) = rest.rsplit_once('.') {
        if PACKED.contains(&suffix) {
            rest = stem;
        } else if is_artifact_suffix(suffix) {
            return Named::Tvm;
        } else if is_passed_over(suffix) {
            return Named::Document;
        } else {
            break;
        }
    }
    Named::Anything
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_packed() {
        for (name, says) in [
            ("model.so.xz", Named::Tvm),
            ("Qwen3.DYLIB.zst", Named::Tvm),
            ("libfoo.so.1.bz2", Named::Tvm),
            ("model.so", Named::Tvm),
            ("libtvm_runtime.tar.zst", Named::Tvm),
            ("mlc_llm.7z", Named::Tvm),
            ("log.txt.xz", Named::Document),
            ("data.tar.xz", Named::Anything),
            ("weights", Named::Anything),
            ("linux-6.1.tar.xz", Named::Anything),
        ] {
            assert_eq!(of_name(name), says, "{name}");
        }
    }
}
