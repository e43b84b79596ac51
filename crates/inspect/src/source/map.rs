//! A file's bytes: read when small or wanted whole, mapped when large.
//!
//! Mapping is what keeps a scan of gigabytes at tens of milliseconds: only the
//! pages that are looked at are ever read. It has one price. If another
//! process truncates a mapped file, or its disk has an error, a lost page is met
//! long after the file was opened. What was read of it then holds zeros
//! (`pages_lost`), so the path is noted: [`whole`] reads all again, and from then on
//! [`open`] refuses the file.
//!
//! What is wanted nearly whole, a VM runtime, is read too: copying a page costs less
//! than mapping and unmapping it, and threads that map wait for each other.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::limits::{MAX_BUFFERS, MAX_READ_FILE, MAX_READ_RUNTIME};
use crate::pages::{self, FilePages};
use crate::parts::stem;

/// The bytes of one file.
#[derive(Debug)]
pub struct FileBytes(Bytes);

#[derive(Debug)]
enum Bytes {
    Read(Vec<u8>),
    Mapped(FilePages, PathBuf),
}

/// Files of which pages were lost.
static LOST: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
/// How many they are.
static LOST_FILES: AtomicUsize = AtomicUsize::new(0);

fn with_lost<T>(ask: impl FnOnce(&mut BTreeSet<PathBuf>) -> T) -> T {
    let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = ask(&mut lost);
    LOST_FILES.store(lost.len(), Ordering::Release);
    answer
}

fn was_lost(path: &Path) -> bool {
    LOST_FILES.load(Ordering::Acquire) > 0 && with_lost(|lost| lost.contains(path))
}

/// Reads something, until no file loses pages meanwhile. One that did is read no more.
pub(crate) fn whole<T>(read: impl Fn() -> T) -> T {
    loop {
        let before = LOST_FILES.load(Ordering::Acquire);
        let found = read();
        if LOST_FILES.load(Ordering::Acquire) == before {
            return found;
        }
    }
}

/// Opens a regular file; anything else is refused before it is opened, so that
/// no FIFO blocks and no device acts.
pub fn open(path: &Path) -> io::Result<FileBytes> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    if was_lost(path) {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "it became shorter while it was read, or its disk has an error",
        ));
    }
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let Some(mut bytes) = buffer(path, size) else {
        let pages = pages::of_file(&file)?;
        return Ok(FileBytes(Bytes::Mapped(pages, path.to_owned())));
    };
    // A file that grows meanwhile is cut at the size it had.
    Read::by_ref(&mut file).take(size).read_to_end(&mut bytes)?;
    Ok(FileBytes(Bytes::Read(bytes)))
}

/// Up to which size a file of this name is read.
fn most_read(path: &Path) -> u64 {
    let name = path.file_name().and_then(|name| name.to_str());
    if name.is_some_and(|name| stem(name) == "tvm_runtime") {
        MAX_READ_RUNTIME
    } else {
        MAX_READ_FILE
    }
}

thread_local! {
    /// The buffer of the file read last on this thread, for the next one.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes of the buffers of all threads.
static BUFFERS: AtomicUsize = AtomicUsize::new(0);

/// A buffer for a file of `size` bytes; `None` where it is to be mapped: large
/// files, and runtimes while many threads read.
fn buffer(path: &Path, size: u64) -> Option<Vec<u8>> {
    if size > most_read(path) {
        return None;
    }
    // One byte more than the file has: its end is then met without growing.
    let wanted = usize::try_from(size).ok()?.saturating_add(1);
    let bytes = BUFFER.take();
    let more = wanted.saturating_sub(bytes.capacity());
    if more == 0 {
        return Some(bytes);
    }
    let before = BUFFERS.fetch_add(more, Ordering::Relaxed);
    if size > MAX_READ_FILE && before > MAX_BUFFERS {
        BUFFERS.fetch_sub(more, Ordering::Relaxed);
        BUFFER.set(bytes);
        return None;
    }
    Some(Vec::with_capacity(wanted))
}

impl Drop for FileBytes {
    fn drop(&mut self) {
        match &mut self.0 {
            Bytes::Read(bytes) => {
                let mut bytes = std::mem::take(bytes);
                bytes.clear();
                // A thread that ends has no place for it any more.
                let _gone = BUFFER.try_with(|buffer| buffer.set(bytes));
            }
            Bytes::Mapped(pages, path) if pages.is_lost() => {
                let path = std::mem::take(path);
                with_lost(|lost| lost.insert(path));
            }
            Bytes::Mapped(..) => {}
        }
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Read(bytes) => bytes,
            Bytes::Mapped(pages, _) => pages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_file_that_becomes_shorter_while_it_is_read_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, &vec![1; 4 << 20]).unwrap();
        let mut reads = std::cell::Cell::new(0);
        let read = || {
            reads.set(reads.get() + 1);
            let bytes = open(file.path())?;
            assert_eq!(bytes[1 << 20], 1);
            file.as_file().set_len(5000).unwrap();
            assert_eq!((bytes[4999], bytes[1 << 20], bytes[3 << 20]), (1, 0, 0));
            Ok(())
        };
        let read: io::Result<()> = whole(read);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(*reads.get_mut(), 2);
    }
}
