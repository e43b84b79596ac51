//! Finds a TVM tree at or below a folder.
//!
//! A tree is known by its `attn_backend.cc`: `src/runtime/relax_vm/` up to 0.20,
//! `src/runtime/vm/` since. Checkouts keep headers in `include/`; wheels keep the
//! same two folders below `site-packages/tvm/`.

use std::path::{Path, PathBuf};

use artcheck_inspect::source::Spelled as _;

use walkdir::WalkDir;

use super::error::SourceError;
use crate::io_error::{io, walk};

/// Depth below the given folder at which a tree's own file may lie:
/// `venv/lib/python3/site-packages/tvm/src/runtime/vm/attn_backend.cc` is 8 deep.
const MAX_DEPTH: usize = 12;

/// A TVM tree and the files in it that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTree {
    /// The folder that holds `src/` and `include/`.
    pub root: PathBuf,
    /// `attn_backend.cc`, relative to the root, with forward slashes.
    pub attn_backend: String,
    /// Whether the files end their lines with CR LF (Windows wheels).
    pub crlf: bool,
}

impl SourceTree {
    /// Reads a text file of the tree.
    pub(crate) fn read(&self, path: &str) -> Result<String, SourceError> {
        read_text(&self.root.join(path))
    }

    /// Reads a text file that may be absent.
    pub(crate) fn read_if_present(&self, path: &str) -> Result<Option<String>, SourceError> {
        let full = self.root.join(path);
        if full.is_file() {
            read_text(&full).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The same text with this tree's line ends.
    pub(crate) fn with_line_ends(&self, text: &str) -> String {
        if self.crlf {
            text.replace('\n', "\r\n")
        } else {
            text.to_owned()
        }
    }
}

/// Finds the one tree at or below `dir`.
pub fn find(dir: &Path) -> Result<SourceTree, SourceError> {
    for attn_backend in [
        "src/runtime/vm/attn_backend.cc",
        "src/runtime/relax_vm/attn_backend.cc",
    ] {
        if dir.join(attn_backend).is_file() {
            return describe(dir.to_owned(), attn_backend);
        }
    }
    let mut found = below(dir)?;
    found.sort();
    found.dedup();
    match found.as_slice() {
        [] => Err(SourceError::NoTree {
            dir: dir.to_owned(),
        }),
        [(root, attn_backend)] => describe(root.clone(), attn_backend),
        several => Err(SourceError::SeveralTrees {
            dir: dir.to_owned(),
            trees: several
                .iter()
                .map(|(root, _)| root.spelled())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

fn below(dir: &Path) -> Result<Vec<(PathBuf, &'static str)>, SourceError> {
    let mut found = Vec::new();
    // Links are not followed: a wheel's tree is real files, and loops stay out.
    for entry in WalkDir::new(dir).max_depth(MAX_DEPTH).sort_by_file_name() {
        let entry = entry.map_err(|error| walk(dir, error))?;
        if entry.file_name() != "attn_backend.cc" || !entry.file_type().is_file() {
            continue;
        }
        for tail in [
            "src/runtime/vm/attn_backend.cc",
            "src/runtime/relax_vm/attn_backend.cc",
        ] {
            if entry.path().ends_with(tail)
                && let Some(root) = entry.path().ancestors().nth(4)
            {
                found.push((root.to_owned(), tail));
            }
        }
    }
    Ok(found)
}

fn describe(root: PathBuf, attn_backend: &str) -> Result<SourceTree, SourceError> {
    let text = read_text(&root.join(attn_backend))?;
    let crlf = text.contains("\r\n");
    Ok(SourceTree {
        root,
        attn_backend: attn_backend.to_owned(),
        crlf,
    })
}

fn read_text(path: &Path) -> Result<String, SourceError> {
    let bytes = std::fs::read(path).map_err(io(path, "cannot read the file"))?;
    String::from_utf8(bytes).map_err(|error| SourceError::NotText {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })
}
