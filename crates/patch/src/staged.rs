//! A new file beside the one whose name it takes: written and flushed under a
//! name of our own, then renamed, and the folder flushed. Whoever looks sees the
//! old file or the new one.
//!
//! A kill in between leaves the file under our name. `scan` passes such files
//! over, and the next one that is staged in the folder removes them.

use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use artcheck_inspect::source::is_temporary;
use tempfile::NamedTempFile;

/// Another artcheck may not have locked a file of this age yet.
const FRESH: Duration = Duration::from_secs(60);

/// A file that has no name of its own yet.
#[derive(Debug)]
pub(crate) struct Staged(NamedTempFile);

impl Staged {
    /// Writes a file beside `target`, with owner and permissions of another one;
    /// without one they are those of any new file in that folder.
    pub(crate) fn beside(target: &Path, bytes: &[u8], like: Option<&Metadata>) -> io::Result<Self> {
        let folder = folder_of(target);
        sweep(folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".artcheck-").suffix(".tmp");
        #[cfg(unix)]
        if like.is_none() {
            // Temporary files are for their owner alone; this is for all that the umask lets.
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(folder)?;
        // Not every file system has locks.
        let _ = file.as_file().try_lock();
        file.write_all(bytes)?;
        if let Some(like) = like {
            keep_owner(like, file.path());
            // WebAssembly's systems know no permissions.
            #[cfg(not(target_family = "wasm"))]
            file.as_file().set_permissions(like.permissions())?;
        }
        file.as_file().sync_all()?;
        Ok(Self(file))
    }

    /// Where it is for now.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes the name, whether or not there is a file of that name.
    pub(crate) fn replace(self, target: &Path) -> io::Result<()> {
        self.0.persist(target).map_err(|error| error.error)?;
        sync_folder(target)
    }

    /// Takes a name that no file has.
    pub(crate) fn create(self, target: &Path) -> io::Result<()> {
        self.0
            .persist_noclobber(target)
            .map_err(|error| error.error)?;
        sync_folder(target)
    }
}

/// Removes what a killed artcheck left. It is a favour: failing is no error.
fn sweep(folder: &Path) {
    let old = |path: &Path| {
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
        modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > FRESH))
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if is_temporary(&entry.file_name())
            && old(&path)
            && File::open(&path).is_ok_and(|file| file.try_lock().is_ok())
        {
            let _ = fs::remove_file(&path);
        }
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Only root may give files away; for anybody else the owner is right already.
#[cfg(unix)]
fn keep_owner(like: &Metadata, path: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    let _ = std::os::unix::fs::chown(path, Some(like.uid()), Some(like.gid()));
}

#[cfg(not(unix))]
fn keep_owner(_: &Metadata, _: &Path) {}

/// Makes the names in a file's folder last.
#[cfg(unix)]
pub(crate) fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(folder_of(file))?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
