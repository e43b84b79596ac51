//! Carries a plan out, and back.

use std::path::{Path, PathBuf};

use super::recheck;
use crate::plan::{EditPlan, sha256};
use crate::receipt::{self, Receipt, ReceiptError};
use crate::write::{self, Existing, Source, WriteError};

/// Where the result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Over the input, as a new inode.
    InPlace {
        /// Go on although the file has other names, which keep the old bytes.
        break_hard_link: bool,
    },
    /// To a file that does not exist yet.
    File(PathBuf),
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The file that holds the result.
    pub file: PathBuf,
    /// Its receipt, where something changed.
    pub receipt: Option<PathBuf>,
    /// Whether a file was written.
    pub written: bool,
}

/// A plan that could not be carried out. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Reading or writing failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The receipt is in the way.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The file is another than the plan was made from.
    #[error(
        "{path}: expected the file the plan was made from (SHA-256 {expected}), found {found}; plan again"
    )]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// SHA-256 in the plan.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// The plan contradicts itself.
    #[error("{0}: the plan's edits do not give the file it names; plan again")]
    BrokenPlan(PathBuf),
    /// Nothing to undo.
    #[error(
        "{0} has no receipt beside it, so there is nothing to undo: artcheck did not patch it, or the receipt was not moved with it"
    )]
    NoReceipt(PathBuf),
    /// The file is none of those that the receipt knows.
    #[error(
        "{path}: the file was changed after it was patched, so its receipt does not lead back: \
         expected SHA-256 {expected}, found {found}; nothing was changed"
    )]
    ChangedSince {
        /// The file.
        path: PathBuf,
        /// SHA-256 of what the last patch wrote.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// The receipt's edits do not lead back.
    #[error(
        "{0}: the receipt does not lead back to the original it names; it was changed or belongs to another file"
    )]
    BrokenReceipt(PathBuf),
}

/// Writes the file that `plan` describes. An empty plan writes nothing in
/// place, and an exact copy elsewhere.
pub fn apply(path: &Path, plan: &EditPlan, output: &Output) -> Result<Applied, ApplyError> {
    let source = Source::read(path)?;
    let found = sha256(&source.bytes);
    if found != plan.before {
        return Err(ApplyError::OtherFile {
            path: source.name.clone(),
            expected: plan.before.clone(),
            found,
        });
    }
    let (target, existing) = match output {
        Output::InPlace { .. } if plan.is_empty() => {
            return Ok(Applied {
                file: source.name.clone(),
                receipt: None,
                written: false,
            });
        }
        Output::InPlace { break_hard_link } => {
            source.may_be_replaced(*break_hard_link)?;
            (source.name.clone(), Existing::Replace)
        }
        Output::File(file) if file.symlink_metadata().is_ok() => {
            return Err(WriteError::Exists(file.clone()).into());
        }
        Output::File(file) => (file.clone(), Existing::Refuse),
    };
    if plan.is_empty() {
        write::write(&source, &target, &source.bytes, existing, &|_| Ok(()))?;
        return Ok(Applied {
            file: target,
            receipt: None,
            written: true,
        });
    }
    let new = plan
        .apply_to(&source.bytes)
        .filter(|new| sha256(new) == plan.after)
        .ok_or_else(|| ApplyError::BrokenPlan(source.name.clone()))?;
    let old_receipt = Receipt::load(&target)?;
    let receipt = Receipt::with(old_receipt.clone(), &target, plan);
    // First, so that a changed file never lies there without the way back.
    save(&target, &receipt)?;
    let written = write::write(&source, &target, &new, existing, &|back| {
        recheck::check(&source.bytes, back, plan)
    });
    if let Err(error) = written {
        match old_receipt {
            Some(old) => save(&target, &old)?,
            None => write::remove(&receipt::path_of(&target))?,
        }
        return Err(error.into());
    }
    Ok(Applied {
        receipt: Some(receipt::path_of(&target)),
        file: target,
        written: true,
    })
}

fn save(file: &Path, receipt: &Receipt) -> Result<(), WriteError> {
    let path = receipt::path_of(file);
    let text = serde_json::to_string_pretty(receipt).map_err(|error| WriteError::Io {
        path: path.clone(),
        doing: "write",
        error: error.into(),
    })?;
    write::write_text(&path, &format!("{text}\n"))
}

/// Gives a file back the bytes it had before the first change, and removes
/// its receipt.
pub fn unpatch(path: &Path, break_hard_link: bool) -> Result<Applied, ApplyError> {
    let source = Source::read(path)?;
    let file = source.name.clone();
    let receipt = Receipt::load(&file)?.ok_or_else(|| ApplyError::NoReceipt(file.clone()))?;
    let broken = || ApplyError::BrokenReceipt(file.clone());
    let found = sha256(&source.bytes);
    let original = receipt.steps.first().ok_or_else(broken)?.before.clone();
    let done = |written| Applied {
        file: file.clone(),
        receipt: None,
        written,
    };
    if found == original {
        // The receipt was written, its change was not; or the other way back.
        write::remove(&receipt::path_of(&file))?;
        return Ok(done(false));
    }
    let step = receipt
        .steps
        .iter()
        .rposition(|step| step.after == found)
        .ok_or_else(|| ApplyError::ChangedSince {
            path: file.clone(),
            expected: receipt
                .steps
                .last()
                .map(|step| step.after.clone())
                .unwrap_or_default(),
            found: found.clone(),
        })?;
    source.may_be_replaced(break_hard_link)?;
    let mut bytes = source.bytes.clone();
    for step in receipt.steps.iter().take(step.saturating_add(1)).rev() {
        bytes = step.undo_from(&bytes).ok_or_else(broken)?;
    }
    if sha256(&bytes) != original {
        return Err(broken());
    }
    write::write(&source, &file, &bytes, Existing::Replace, &|back| {
        if back == bytes {
            Ok(())
        } else {
            Err("other bytes".to_owned())
        }
    })?;
    write::remove(&receipt::path_of(&file))?;
    Ok(done(true))
}
