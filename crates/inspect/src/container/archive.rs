//! What the archive readers have in common: a member is a name and a body,
//! either borrowed from the archive or still to be unpacked.

use std::io::Read;

use serde::Serialize;

/// One member of an archive, handed out while the archive is read.
pub struct Member<'a, 'data> {
    /// Name as stored.
    pub name: Vec<u8>,
    /// Unpacked size as the archive states it.
    pub size: u64,
    /// Its bytes.
    pub body: Body<'a, 'data>,
    /// How a zip archive keeps it.
    pub in_zip: Option<InZip>,
}

impl<'a, 'data> Member<'a, 'data> {
    /// A member of an archive that is no zip.
    pub fn plain(name: Vec<u8>, size: u64, body: Body<'a, 'data>) -> Self {
        Self {
            name,
            size,
            body,
            in_zip: None,
        }
    }
}

/// How a zip archive keeps a member. Android maps libraries where they are, if
/// they are stored at a multiple of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kept")]
pub enum InZip {
    /// As it is, from this byte of the archive on.
    Stored {
        /// Offset in the archive.
        at: u64,
    },
    /// Compressed.
    Packed,
}

/// The bytes of a member.
pub enum Body<'a, 'data> {
    /// Stored as they are.
    Stored(&'data [u8]),
    /// To be unpacked while reading.
    Packed(&'a mut dyn Read),
    /// Stored without its holes, which become zeros while reading.
    Holed(&'a mut dyn Read),
    /// Not in this archive, or in a form that is not read; why.
    Absent(&'static str),
    /// Those of another member, by its name from the archive's root, or, with `true`, from
    /// the folder of this one.
    Link(Vec<u8>, bool),
    /// None: it is a folder.
    Folder,
}

/// Receives the members; `false` ends the reading.
pub type Visit<'v, 'data> = &'v mut dyn FnMut(Member<'_, 'data>) -> bool;
