//! The folder for the temporary files of a row's process and of what it starts.
//!
//! It goes when the row has ended, however it ended. If we are killed ourselves, the next
//! run removes it: it is one whose lock is free.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Begins the names of the folders.
const PREFIX: &str = "artcheck-row-";
/// The file in each that is locked as long as its run lives.
const LOCK: &str = "lock";

/// Held as long as the row runs.
pub(super) struct Scratch {
    folder: PathBuf,
    _lock: File,
}

impl Scratch {
    /// A folder of its own, where the system wants temporary files.
    pub fn new() -> io::Result<Scratch> {
        static SWEPT: Once = Once::new();
        let top = std::env::temp_dir();
        SWEPT.call_once(|| sweep(&top));
        // Locked before it has the name that another run's sweep looks for.
        let made = tempfile::Builder::new()
            .prefix("artcheck-new-")
            .tempdir_in(&top)?;
        let lock = File::create(made.path().join(LOCK))?;
        lock.try_lock()?;
        let made = made.keep();
        let name = made.file_name().unwrap_or_default().to_string_lossy();
        let folder = top.join(name.replace("artcheck-new-", PREFIX));
        fs::rename(&made, &folder)?;
        Ok(Scratch {
            folder,
            _lock: lock,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// What makes a child process use it.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        match cfg!(unix) {
            true => vec![("TMPDIR", self.folder.as_os_str().to_owned())],
            false => Vec::new(),
        }
    }
}

impl Drop for Scratch {
    /// What something still writes into goes with the next run.
    fn drop(&mut self) {
        let _ = remove(&self.folder);
    }
}

/// The lock last: what cannot be removed now is found again.
fn remove(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    fs::remove_dir_all(folder)
}

/// Removes the folders of runs that were killed. What cannot be read or removed is not
/// ours.
fn sweep(top: &Path) {
    for entry in fs::read_dir(top).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let lock = File::open(entry.path().join(LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = remove(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_row_and_after_a_kill_with_the_next_run() {
        let scratch = Scratch::new().expect("a folder");
        let folder = scratch.path().to_owned();
        fs::write(folder.join("file"), "text").expect("a file");
        sweep(&std::env::temp_dir());
        assert!(folder.join("file").is_file(), "a live run keeps its folder");
        drop(scratch);
        assert!(!folder.exists());

        let top = tempfile::tempdir().expect("a folder");
        let (killed, other) = (top.path().join("artcheck-row-x"), top.path().join("y"));
        for folder in [&killed, &other] {
            fs::create_dir_all(folder.join("deep")).expect("a folder");
            fs::write(folder.join(LOCK), "").expect("a file");
        }
        sweep(top.path());
        assert!(!killed.exists() && other.exists());
    }
}
