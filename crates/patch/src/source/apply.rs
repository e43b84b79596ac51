//! Writes the series, and edits the tree: all files or none.
//!
//! Every new text goes to a temporary file in the target's own folder and is
//! synced; only then are the files renamed into place. If a rename fails, the
//! files already renamed get their old content back.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::SourceError;
use super::{FileEdit, PatchFile, SourcePatch};

/// Writes the patch files into `out`, which is made if absent.
pub fn write_series(out: &Path, series: &[PatchFile]) -> Result<Vec<PathBuf>, SourceError> {
    fs::create_dir_all(out)
        .map_err(|error| SourceError::io(out, "cannot make the folder", error))?;
    let mut written = Vec::new();
    for file in series {
        let path = out.join(&file.name);
        let staged = stage(&path, &file.text)?;
        staged
            .persist(&path)
            .map_err(|error| SourceError::io(&path, "cannot write the file", error.error))?;
        written.push(path);
    }
    sync_folder(out)?;
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
        let file = stage(&path, &edit.new)?;
        copy_permissions(&path, &file)?;
        staged.push((named, path, file, edit));
    }
    let mut done: Vec<(PathBuf, &FileEdit)> = Vec::new();
    let mut edited = Vec::new();
    for (named, path, file, edit) in staged {
        if let Err(error) = file.persist(&path) {
            roll_back(&done);
            return Err(SourceError::io(
                path,
                "cannot replace the file",
                error.error,
            ));
        }
        done.push((path, edit));
        edited.push(named);
    }
    for (path, _) in &done {
        sync_folder(path.parent().unwrap_or(Path::new(".")))?;
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
        Err(error) => return Err(SourceError::io(path, "cannot read the file", error)),
    };
    if now.as_deref() == edit.old.as_deref().map(str::as_bytes) {
        Ok(())
    } else {
        Err(SourceError::Changed {
            path: path.to_owned(),
        })
    }
}

fn stage(path: &Path, text: &str) -> Result<NamedTempFile, SourceError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let fail = |error| SourceError::io(path, "cannot write beside the file", error);
    let mut file = NamedTempFile::new_in(folder).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    Ok(file)
}

/// Temporary files are private; a source file has the mode of the one it
/// replaces, else that of its neighbours by the usual default.
fn copy_permissions(path: &Path, file: &NamedTempFile) -> Result<(), SourceError> {
    let fail = |error| SourceError::io(path, "cannot set permissions", error);
    match fs::metadata(path) {
        Ok(old) => file
            .as_file()
            .set_permissions(old.permissions())
            .map_err(fail),
        Err(_) => readable_by_all(file).map_err(fail),
    }
}

#[cfg(unix)]
fn readable_by_all(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_file: &NamedTempFile) -> std::io::Result<()> {
    Ok(())
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

fn sync_folder(folder: &Path) -> Result<(), SourceError> {
    #[cfg(unix)]
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|error| SourceError::io(folder, "cannot sync the folder", error))?;
    #[cfg(not(unix))]
    let _ = (folder, File::open);
    Ok(())
}
