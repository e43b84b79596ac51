//! Writing a file so that whoever looks sees the old one or the new one.
//!
//! The bytes go to a temporary file in the same folder, are flushed to the
//! disk, read again and checked, and only then take the name. Before that the
//! source is read once more: a file that somebody else changed meanwhile is
//! left alone. The result is always a new inode, because macOS remembers
//! signatures by inode.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use artcheck_inspect::source::Spelled as _;

use crate::staged::{Staged, sync_folder};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refused.
    #[error("{}: {doing}: {error}; nothing was changed", path.spelled())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's words.
        error: io::Error,
    },
    /// Not a regular file.
    #[error("{0}: expected a regular file, found something else")]
    NotAFile(PathBuf),
    /// It may not be written.
    #[error(
        "{0}: the file is read-only, and a change in place would replace it; make it writable (chmod u+w) or give another file with --out"
    )]
    ReadOnly(PathBuf),
    /// It has several names.
    #[error(
        "{path}: the file has {links} names (hard links), and a change would reach only this one; use --out, or --break-hard-link to change this name alone"
    )]
    HardLinked {
        /// The file.
        path: PathBuf,
        /// How many names.
        links: u64,
    },
    /// Somebody else changed it.
    #[error("{0}: the file changed while it was being worked on; nothing was written, try again")]
    Changed(PathBuf),
    /// Somebody else is at it.
    #[error("{0}: another artcheck is working on the file; nothing was written, try again")]
    Busy(PathBuf),
    /// The output exists.
    #[error("{0}: the file exists already; choose another name for --out, or remove it")]
    Exists(PathBuf),
    /// The second reader disagrees.
    #[error(
        "{path}: what was written was read again and is not what was planned; nothing was changed: {why}"
    )]
    Recheck {
        /// The file.
        path: PathBuf,
        /// What differs.
        why: String,
    },
}

/// A file as it was read.
#[derive(Debug)]
pub struct Source {
    /// Its path, symbolic links resolved.
    pub path: PathBuf,
    /// The path as it was given, for messages; the resolved one if that is a link.
    pub name: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    metadata: Metadata,
    /// Holds the lock until the work is done.
    file: File,
}

fn io_error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> WriteError {
    move |error| WriteError::Io {
        path: path.to_owned(),
        doing,
        error,
    }
}

impl Source {
    /// Reads a whole file. Fails with `Busy` if another process holds the lock.
    pub fn read(given: &Path) -> Result<Self, WriteError> {
        let path = given.canonicalize().map_err(io_error(given, "open"))?;
        let name = match given.is_symlink() {
            true => path.clone(),
            false => given.to_owned(),
        };
        let mut file = File::open(&path).map_err(io_error(&name, "open"))?;
        let metadata = file.metadata().map_err(io_error(&name, "read"))?;
        if !metadata.is_file() {
            return Err(WriteError::NotAFile(name));
        }
        match file.try_lock() {
            Ok(()) | Err(fs::TryLockError::Error(_)) => {} // not every file system has locks
            Err(fs::TryLockError::WouldBlock) => return Err(WriteError::Busy(name)),
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes).map_err(io_error(&name, "read"))?;
        Ok(Self {
            path,
            name,
            bytes,
            metadata,
            file,
        })
    }

    /// Refuses a file that may not, or should not, be replaced.
    pub fn may_be_replaced(&self, break_hard_link: bool) -> Result<(), WriteError> {
        let writable = File::options().write(true).open(&self.path).is_ok();
        // WebAssembly's systems know no permissions, and say "read-only" of every file.
        let is_marked = !cfg!(target_family = "wasm") && self.metadata.permissions().readonly();
        if is_marked || !writable {
            return Err(WriteError::ReadOnly(self.name.clone()));
        }
        let links = links(&self.metadata);
        if links > 1 && !break_hard_link {
            return Err(WriteError::HardLinked {
                path: self.name.clone(),
                links,
            });
        }
        Ok(())
    }

    /// Whether the file still is what was read.
    fn is_unchanged(&self) -> bool {
        let same = |now: &Metadata| {
            now.len() == self.metadata.len()
                && now.modified().ok() == self.metadata.modified().ok()
                && identity(now) == identity(&self.metadata)
        };
        fs::metadata(&self.path).is_ok_and(|now| same(&now))
            && fs::read(&self.path).is_ok_and(|now| now == self.bytes)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // Closing releases the lock anyway; there is nobody to tell of a failure.
        let _ = self.file.unlock();
    }
}

#[cfg(unix)]
fn links(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
fn links(_: &Metadata) -> u64 {
    1
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64, i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (
        metadata.dev(),
        metadata.ino(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

#[cfg(not(unix))]
fn identity(_: &Metadata) {}

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced.
    Replace,
    /// It stays, and the job fails.
    Refuse,
}

/// Writes `bytes` to `target` with the permissions of `source`. `check` gets
/// what was read back from the disk.
pub fn write(
    source: &Source,
    target: &Path,
    bytes: &[u8],
    existing: Existing,
    check: &dyn Fn(&[u8]) -> Result<(), String>,
) -> Result<(), WriteError> {
    let staged = Staged::beside(target, bytes, Some(&source.metadata));
    let staged = staged.map_err(io_error(target, "write a new file beside it"))?;
    let back = fs::read(staged.path()).map_err(io_error(target, "read what was written"))?;
    if back != bytes {
        let why = "the disk gave back other bytes".to_owned();
        return Err(WriteError::Recheck {
            path: target.to_owned(),
            why,
        });
    }
    check(&back).map_err(|why| WriteError::Recheck {
        path: target.to_owned(),
        why,
    })?;
    if !source.is_unchanged() {
        return Err(WriteError::Changed(source.name.clone()));
    }
    let done = match existing {
        Existing::Replace => staged.replace(target),
        Existing::Refuse => staged.create(target),
    };
    done.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => WriteError::Exists(target.to_owned()),
        _ => io_error(target, "rename")(error),
    })
}

/// Writes a small file of our own (a receipt) in the same way.
pub fn write_text(target: &Path, text: &str) -> Result<(), WriteError> {
    Staged::beside(target, text.as_bytes(), None)
        .and_then(|staged| staged.replace(target))
        .map_err(io_error(target, "write"))
}

/// Removes a file of our own for good.
pub fn remove(path: &Path) -> Result<(), WriteError> {
    fs::remove_file(path)
        .and_then(|()| sync_folder(path))
        .map_err(io_error(path, "remove"))
}
