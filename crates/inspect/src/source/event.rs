//! What reading files gives: bytes under a name, or why there are none.

use serde::Serialize;

use crate::container::{FileType, InZip};
use crate::place::Place;

/// Bytes in their place: a file, or a member of an archive.
#[derive(Debug, Clone, Copy)]
pub struct VirtualFile<'a> {
    /// Where they lie.
    pub place: &'a Place,
    /// What the bytes are.
    pub file_type: FileType,
    /// The bytes. Empty for a compressed archive itself, which is streamed.
    pub bytes: &'a [u8],
    /// How many the file or member has: more than `bytes` where its first ones said
    /// that it is nothing to read.
    pub size: u64,
    /// Archives around it.
    pub depth: usize,
    /// How the zip archive around it keeps it.
    pub in_zip: Option<InZip>,
}

/// Why something was not read, or not read as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The system refused: permissions, vanished, input/output error.
    Unreadable,
    /// FIFO, socket or device: never opened.
    NotAFile,
    /// A link back to a directory above it.
    DirectoryLoop,
    /// An archive whose structure is damaged; the members before are read.
    DamagedArchive,
    /// Unpacks to far more than its size.
    Bomb,
    /// More archives inside archives, or more members, than are looked into.
    TooDeep,
    /// A member left alone because unpacking it would take too much memory.
    NotInspected,
    /// A member whose name is absolute or climbs with `..`; it is read here,
    /// but must not be unpacked.
    UnsafeName,
    /// Images of containers, of which one runs.
    SeveralImages,
    /// A thin archive: its members are other files.
    ThinArchive,
    /// Kept in a form that is not read.
    NotOpened,
}

/// Something that was not read, or not read as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it lies.
    pub place: Place,
    /// What kind.
    pub kind: ProblemKind,
    /// One line for a person.
    pub detail: String,
    /// Bytes of what was not read, where they are known.
    pub size: u64,
}

/// What [`super::visit`] reports.
#[derive(Debug)]
pub enum Event<'a> {
    /// Bytes to look at.
    File(VirtualFile<'a>),
    /// Something that was not read.
    Problem(Problem),
    /// A hard link in an archive: `place` is what `target` is.
    Link {
        /// The link.
        place: Place,
        /// The member that it leads to.
        target: Place,
        /// Whether that was handed out before.
        was_read: bool,
    },
}
