//! Where bytes lie: a file, the archive members in it, the slice of those.
//!
//! A place is compared, ordered and taken apart as the typed value that it is;
//! names are the bytes that the disk or the archive has. It becomes text in one
//! function, its `Display`, for reports and errors alone.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::container::Architecture;
use crate::spelling::{Controls, spell};

/// A file, an archive member in it, a slice of a universal binary; or a folder
/// of files or members. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Place(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// As the user and the disk name it.
    file: Arc<Path>,
    /// From the outermost archive inwards.
    members: Box<[MemberName]>,
    slice: Option<Architecture>,
}

/// A member of an archive: its name as stored, and which of several members of
/// that name it is, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct MemberName {
    name: Box<[u8]>,
    number: u32,
}

impl Place {
    /// A file or folder on disk.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Arc::from(path.into()), Vec::new(), None)
    }

    /// The `number`-th member called `name` of the archive at this place.
    #[must_use]
    pub fn member(&self, name: &[u8], number: u32) -> Self {
        let mut members = self.0.members.to_vec();
        members.push(MemberName {
            name: name.into(),
            number,
        });
        Self::new(self.0.file.clone(), members, None)
    }

    /// The slice for one architecture of the universal binary at this place.
    #[must_use]
    pub fn slice(&self, architecture: Architecture) -> Self {
        let members = self.0.members.to_vec();
        Self::new(self.0.file.clone(), members, Some(architecture))
    }

    fn new(file: Arc<Path>, members: Vec<MemberName>, slice: Option<Architecture>) -> Self {
        Self(Arc::new(Parts {
            file,
            members: members.into(),
            slice,
        }))
    }

    /// The same member and slice of another file.
    #[must_use]
    pub fn in_file(&self, path: &Path) -> Self {
        Self::new(Arc::from(path), self.0.members.to_vec(), self.0.slice)
    }

    /// The file on disk.
    pub fn path(&self) -> &Path {
        &self.0.file
    }

    /// Whether it is a file's own bytes, all of them.
    pub(crate) fn is_whole_file(&self) -> bool {
        !self.is_member() && self.0.slice.is_none()
    }

    /// Whether it lies in an archive.
    pub fn is_member(&self) -> bool {
        !self.0.members.is_empty()
    }

    /// The archive around it.
    pub fn archive(&self) -> Option<Self> {
        let (_, around) = self.0.members.split_last()?;
        Some(Self::new(self.0.file.clone(), around.to_vec(), None))
    }

    /// The outermost file, with nothing said of what is in it.
    #[must_use]
    pub(crate) fn whole_file(&self) -> Self {
        Self::new(self.0.file.clone(), Vec::new(), None)
    }

    /// Its last name, without folders; other bytes than UTF-8 replaced.
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.raw_name())
    }

    /// The bytes of its last name.
    pub(crate) fn raw_name(&self) -> &[u8] {
        match self.0.members.last() {
            Some(member) => split_last(&member.name).1,
            None => {
                let name = self.0.file.file_name();
                name.map_or(b"", |name| name.as_encoded_bytes())
            }
        }
    }

    /// The folder it lies in; an archive is the folder of its members.
    pub fn folder(&self) -> Option<Self> {
        let Some((last, around)) = self.0.members.split_last() else {
            let folder = self.0.file.parent()?;
            return Some(Self::new(Arc::from(folder), Vec::new(), None));
        };
        let mut members = around.to_vec();
        if let (Some(folder), _) = split_last(&last.name) {
            members.push(MemberName {
                name: folder.into(),
                number: 1,
            });
        }
        Some(Self::new(self.0.file.clone(), members, None))
    }

    /// The folders around it, from the innermost.
    pub fn folders(&self) -> impl Iterator<Item = Self> + use<> {
        std::iter::successors(self.folder(), Self::folder)
    }

    /// Whether it is the folder where paths without a folder start.
    pub(crate) fn is_here(&self) -> bool {
        self.0.file.as_os_str().is_empty()
    }

    /// Whether it lies in `folder`, at any depth.
    pub(crate) fn is_below(&self, folder: &Self) -> bool {
        let (own, outer) = (&self.0.members, &folder.0.members);
        let Some((last, around)) = outer.split_last() else {
            let inside = self.0.file.starts_with(&folder.0.file);
            return inside && (self.0.file != folder.0.file || self.is_member());
        };
        if self.0.file != folder.0.file || !own.starts_with(around) {
            return false;
        }
        let Some(beside) = own.get(around.len()) else {
            return false;
        };
        if beside == last {
            return own.len() > outer.len();
        }
        let rest = beside.name.strip_prefix(&*last.name);
        rest.is_some_and(|rest| rest.first().is_some_and(is_separator))
    }

    /// What `path` leads to from the folder of this place: inside the same
    /// archive, or on disk. Dots are resolved.
    #[must_use]
    pub fn beside(&self, path: &str) -> Self {
        let Some((last, around)) = self.0.members.split_last() else {
            let folder = self.0.file.parent().unwrap_or(Path::new(""));
            return Self::file(folder.join(path)).without_dots();
        };
        let mut members = around.to_vec();
        let mut name = match split_last(&last.name) {
            (Some(folder), _) => [folder, b"/"].concat(),
            (None, _) => Vec::new(),
        };
        name.extend_from_slice(path.as_bytes());
        members.push(MemberName {
            name: plain_name(&name).into(),
            number: 1,
        });
        Self::new(self.0.file.clone(), members, None)
    }

    /// What `path` leads to in this folder. Dots are resolved.
    #[must_use]
    pub(crate) fn child(&self, path: &str) -> Self {
        let Some((last, around)) = self.0.members.split_last() else {
            return Self::file(self.path().join(path)).without_dots();
        };
        let mut members = around.to_vec();
        let name = [&*last.name, b"/", path.as_bytes()].concat();
        members.push(MemberName {
            name: plain_name(&name).into(),
            number: 1,
        });
        Self::new(self.0.file.clone(), members, None)
    }

    /// The same place with `.` and `..` resolved by name.
    #[must_use]
    pub fn without_dots(&self) -> Self {
        let Some((last, around)) = self.0.members.split_last() else {
            return Self::new(Arc::from(plain_path(&self.0.file)), Vec::new(), None);
        };
        let mut members = around.to_vec();
        members.push(MemberName {
            name: plain_name(&last.name).into(),
            number: last.number,
        });
        Self::new(self.0.file.clone(), members, None)
    }

    /// What the text has after the file: members and slice.
    pub fn inside(&self) -> String {
        let mut text = String::new();
        let _ = self.write_inside(&mut text);
        text
    }

    fn write_inside(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for member in &self.0.members {
            out.write_char('!')?;
            write_member(&member.name, out)?;
            if member.number > 1 {
                write!(out, " ({})", member.number)?;
            }
        }
        match self.0.slice {
            Some(slice) => write!(out, " ({})", crate::words::spell(slice)),
            None => Ok(()),
        }
    }

    fn key(&self) -> (&[u8], &[MemberName], Option<Architecture>) {
        let file = self.0.file.as_os_str().as_encoded_bytes();
        (file, &self.0.members, self.0.slice)
    }
}

/// A member's name. What would be read as the begin of a member in it, as a number or as
/// a slice is written out.
fn write_member(name: &[u8], out: &mut dyn fmt::Write) -> fmt::Result {
    let mut text = String::new();
    spell(name, Controls::Escaped, &mut text)?;
    let mark = text.rfind(" (").filter(|_| text.ends_with(')'));
    for (at, character) in text.char_indices() {
        let is_mark = mark.is_some_and(|mark| mark.saturating_add(1) == at);
        match character {
            '!' => out.write_str("\\u{21}")?,
            _ if is_mark => out.write_str("\\u{28}")?,
            other => out.write_char(other)?,
        }
    }
    Ok(())
}

/// `dist/m.tar!lib0.o`, `lib.a!one.o (2)`, `m.dylib (aarch64)`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.0.file.as_os_str().as_encoded_bytes();
        spell(file, Controls::Escaped, f)?;
        self.write_inside(f)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<&Self> for Place {
    fn from(place: &Self) -> Self {
        place.clone()
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::file(path)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.key() == other.key()
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By file, then the members in it, then the slices by name.
impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let word = |place: &Self| place.0.slice.map(crate::words::spell);
        let (file, members, _) = self.key();
        let (other_file, other_members, _) = other.key();
        (file, members)
            .cmp(&(other_file, other_members))
            .then_with(|| word(self).cmp(&word(other)))
    }
}

fn is_separator(byte: &u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Folder and last name of a member.
fn split_last(name: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let Some(end) = name.iter().rposition(is_separator) else {
        return (None, name);
    };
    let last = name.get(end.saturating_add(1)..).unwrap_or_default();
    (name.get(..end), last)
}

fn plain_name(name: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(is_separator) {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join(&b'/')
}

fn plain_path(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
