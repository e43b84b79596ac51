//! The receipt beside a changed file: what it was, what it is, and the bytes
//! to go back. `x.dylib` has `x.dylib.artcheck.json`; where that is too long a name, its
//! begin and a hash of the file's name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use artcheck_inspect::source::Spelled as _;

use serde::{Deserialize, Serialize};

use crate::plan::{Edit, EditPlan, Room, sha256};

/// What is added to the file's name.
const SUFFIX: &str = ".artcheck.json";
/// Bytes that file systems take in a name.
const LONGEST: usize = 255;
const SCHEMA: &str = "artcheck/receipt-v1";

/// Every change made to one file, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// `artcheck/receipt-v1`.
    pub schema: String,
    /// Version of artcheck that wrote it last.
    pub artcheck: String,
    /// Name of the file.
    pub file: String,
    /// The changes; each begins with what the one before left.
    pub steps: Vec<EditPlan>,
}

/// A receipt that is there and cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// It cannot be read.
    #[error("{}: {error}", path.spelled())]
    Unreadable {
        /// The receipt.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// It is not one.
    #[error("{}: expected a receipt ({SCHEMA}), found something else: {error}", path.spelled())]
    Malformed {
        /// The receipt.
        path: PathBuf,
        /// What does not fit.
        error: String,
    },
}

/// Where the receipt of a file lies.
pub fn path_of(file: &Path) -> PathBuf {
    let own = file.file_name().unwrap_or_default();
    let mut name = own.to_owned();
    name.push(SUFFIX);
    if name.len() > LONGEST {
        name = cut(own).into();
    }
    file.with_file_name(name)
}

/// The receipt's name where the file's is too long for the suffix: its begin, and a hash
/// of all of it.
fn cut(name: &OsStr) -> String {
    const DIGITS: usize = 16;
    const ROOM: usize = LONGEST - SUFFIX.len() - DIGITS - 1;
    let hash = sha256(name.as_encoded_bytes());
    let hash = hash.get(..DIGITS).unwrap_or_default();
    let text = name.to_string_lossy();
    let end = (0..=ROOM).rev().find(|at| text.is_char_boundary(*at));
    let begin = text.get(..end.unwrap_or(0)).unwrap_or_default();
    format!("{begin}~{hash}{SUFFIX}")
}

impl Receipt {
    /// The receipt of a file, if it has one.
    pub fn load(file: &Path) -> Result<Option<Self>, ReceiptError> {
        let path = path_of(file);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ReceiptError::Unreadable { path, error }),
        };
        let receipt: Self =
            serde_json::from_str(&text).map_err(|error| ReceiptError::Malformed {
                path: path.clone(),
                error: error.to_string(),
            })?;
        if receipt.schema != SCHEMA {
            return Err(ReceiptError::Malformed {
                path,
                error: format!("schema {:?}", receipt.schema),
            });
        }
        Ok(Some(receipt))
    }

    /// This receipt with one more change of a file that is `before` now. Steps
    /// that did not happen, or that lead elsewhere, are dropped: a receipt is
    /// written before its file.
    #[must_use]
    pub fn with(existing: Option<Self>, file: &Path, plan: &EditPlan) -> Self {
        let mut steps = existing.map(|receipt| receipt.steps).unwrap_or_default();
        while steps.last().is_some_and(|last| last.after != plan.before) {
            steps.pop();
        }
        let mut plan = plan.clone();
        plan.edits = plan.edits.into_iter().map(Edit::kept).collect();
        steps.push(plan);
        Self {
            schema: SCHEMA.to_owned(),
            artcheck: env!("CARGO_PKG_VERSION").to_owned(),
            file: file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            steps,
        }
    }

    /// What the receipt says of unused bytes behind blobs; nothing when the
    /// file with that SHA-256 is not the one it was written for.
    pub fn rooms(&self, sha256: &str) -> Vec<Room> {
        if self.steps.last().is_none_or(|last| last.after != sha256) {
            return Vec::new();
        }
        let mut rooms: Vec<Room> = Vec::new();
        for room in self.steps.iter().flat_map(|step| &step.room) {
            rooms.retain(|known| known.blob != room.blob);
            rooms.push(*room);
        }
        rooms
    }
}

/// What the receipt beside `file` says of unused bytes in `bytes`.
pub fn rooms(file: &Path, bytes: &[u8]) -> Result<Vec<Room>, ReceiptError> {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let receipt = Receipt::load(&file)?;
    Ok(receipt
        .map(|receipt| receipt.rooms(&sha256(bytes)))
        .unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_has_a_receipt_of_its_own() {
        let named = |name: &str| {
            let path = path_of(&Path::new("d").join(name));
            assert_eq!(path.parent(), Some(Path::new("d")));
            path.file_name().unwrap_or_default().to_owned()
        };
        assert_eq!(named("m.so"), "m.so.artcheck.json");
        let fits = "n".repeat(LONGEST - SUFFIX.len());
        assert_eq!(named(&fits).len(), LONGEST);
        let (one, other) = (format!("{fits}a"), format!("{fits}b"));
        assert_ne!(named(&one), named(&other));
        for name in [one, "\u{1f600}".repeat(60) + "123.so", "n".repeat(255)] {
            let receipt = named(&name);
            assert!(receipt.len() <= LONGEST && receipt.len() > LONGEST - 8);
            assert!(receipt.to_string_lossy().ends_with(SUFFIX));
        }
    }
}
