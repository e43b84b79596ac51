//! A file's bytes: read when small or wanted whole, mapped when large.
//!
//! Mapping is what keeps a scan of gigabytes at tens of milliseconds: only the
//! pages that are looked at are ever read. It has one price. If another
//! process truncates a mapped file, touching a lost page raises `SIGBUS`, as it
//! would for any program that loads the library. Small files are therefore
//! read, and large ones are expected to stay as they are during a scan.
//!
//! What is wanted nearly whole, a VM runtime, is read too: copying a page costs less
//! than mapping and unmapping it, and threads that map wait for each other.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::{MAX_BUFFERS, MAX_READ_FILE, MAX_READ_RUNTIME};
use crate::pages::{self, FilePages};
use crate::parts::stem;

/// The bytes of one file.
#[derive(Debug)]
pub struct FileBytes(Bytes);

#[derive(Debug)]
enum Bytes {
    Read(Vec<u8>),
    Mapped(FilePages),
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
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let Some(mut bytes) = buffer(path, size) else {
        return pages::of_file(&file).map(|map| FileBytes(Bytes::Mapped(map)));
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
        if let Bytes::Read(bytes) = &mut self.0 {
            let mut bytes = std::mem::take(bytes);
            bytes.clear();
            // A thread that ends has no place for it any more.
            let _gone = BUFFER.try_with(|buffer| buffer.set(bytes));
        }
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Read(bytes) => bytes,
            Bytes::Mapped(map) => map,
        }
    }
}
