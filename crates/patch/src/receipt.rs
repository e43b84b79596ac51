//! The receipt beside a changed file: what it was, what it is, and the bytes
//! to go back. `x.dylib` has `x.dylib.artcheck.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::plan::{EditPlan, Room};

/// What is added to the file's name.
const SUFFIX: &str = ".artcheck.json";
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
    #[error("{path}: {error}")]
    Unreadable {
        /// The receipt.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// It is not one.
    #[error("{path}: expected a receipt ({SCHEMA}), found something else: {error}")]
    Malformed {
        /// The receipt.
        path: PathBuf,
        /// What does not fit.
        error: String,
    },
}

/// Where the receipt of a file lies.
pub fn path_of(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(SUFFIX);
    file.with_file_name(name)
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
        steps.push(plan.clone());
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
        .map(|receipt| receipt.rooms(&crate::plan::sha256(bytes)))
        .unwrap_or_default())
}
