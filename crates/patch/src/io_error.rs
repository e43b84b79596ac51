//! What the system refused: which file, and what was being done.

use std::io;
use std::path::{Path, PathBuf};

use artcheck_inspect::source::Spelled as _;

/// Reading or writing failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {doing}: {source}", path.spelled())]
pub struct IoError {
    path: PathBuf,
    doing: &'static str,
    source: io::Error,
}

/// For use with `map_err` on what is done to `path`.
pub(crate) fn io(
    path: impl Into<PathBuf>,
    doing: &'static str,
) -> impl FnOnce(io::Error) -> IoError {
    move |source| IoError {
        path: path.into(),
        doing,
        source,
    }
}

/// A walk below `folder` that went wrong.
pub(crate) fn walk(folder: &Path, error: walkdir::Error) -> IoError {
    let path = error.path().unwrap_or(folder).to_owned();
    let circle = || io::Error::other("links that lead in a circle");
    let source = error.into_io_error().unwrap_or_else(circle);
    io(path, "cannot list the folder")(source)
}
