//! Writes the series, and edits the tree: all files or none.
//!
//! Every new text goes to a temporary file in the target's own folder and is
//! synced; only then are the files renamed into place. If a rename fails, the
//! files already renamed get their old content back.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::SourceError;
use super::patch::{FileEdit, PatchFile, SourcePatch};
use crate::io_error::io;
use crate::staged::Staged;

/// Writes the patch files into `out`, which is made if absent.
pub fn write_series(out: &Path, series: &[PatchFile]) -> Result<Vec<PathBuf>, SourceError> {
    fs::create_dir_all(out).map_err(io(out, "cannot make the folder"))?;
    let mut written = Vec::new();
    for file in series {
        let path = out.join(&file.name);
        Staged::beside(&path, file.text.as_bytes(), None)
            .and_then(|staged| staged.replace(&path))
            .map_err(io(&path, "cannot write the file"))?;
        written.push(path);
    }
    Ok(written)
}

/// Puts every edit of the plan into the tree.
pub fn edit_tree(plan: &SourcePatch) -> Result<Vec<PathBuf>, SourceError> {
    let edits: Vec<&FileEdit> = plan.patches.iter().flat_map(|patch| &patch.edits).collect();
    let mut staged = Vec::new();
    for edit in edits {
        let named = plan.tree.root.join(&edit.path);
        let path = resolve(&named);
        check_unchanged(&path, edit)?;
        let old = fs::metadata(&path).ok();
        let file = Staged::beside(&path, edit.new.as_bytes(), old.as_ref())
            .map_err(io(&path, "cannot write beside the file"))?;
        staged.push((named, path, file, edit));
    }
    let mut done: Vec<(PathBuf, &FileEdit)> = Vec::new();
    let mut edited = Vec::new();
    for (named, path, file, edit) in staged {
        if let Err(error) = file.replace(&path) {
            roll_back(&done);
            return Err(io(path, "cannot replace the file")(error).into());
        }
        done.push((path, edit));
        edited.push(named);
    }
    Ok(edited)
}

/// A link in the tree stays a link: its target is what gets replaced.
fn resolve(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn check_unchanged(path: &Path, edit: &FileEdit) -> Result<(), SourceError> {
    let now = match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(io(path, "cannot read the file")(error).into()),
    };
    if now.as_deref() == edit.old.as_deref().map(str::as_bytes) {
        Ok(())
    } else {
        Err(SourceError::Changed {
            path: path.to_owned(),
        })
    }
}

fn roll_back(done: &[(PathBuf, &FileEdit)]) {
    for (path, edit) in done {
        // Best effort: the error that matters is the one already on its way.
        let _ = match &edit.old {
            Some(old) => fs::write(path, old),
            None => fs::remove_file(path),
        };
    }
}
