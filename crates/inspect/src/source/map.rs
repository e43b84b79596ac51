//! A file's bytes: read when small, mapped when large.
//!
//! Mapping is what keeps a scan of gigabytes at tens of milliseconds: only the
//! pages that are looked at are ever read. It has one price. If another
//! process truncates a mapped file, touching a lost page raises `SIGBUS`, as it
//! would for any program that loads the library. Small files are therefore
//! read, and large ones are expected to stay as they are during a scan.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::limits::MAX_READ_FILE;

/// The bytes of one file.
#[derive(Debug)]
pub struct FileBytes(Bytes);

#[derive(Debug)]
enum Bytes {
    Read(Vec<u8>),
    Mapped(Mmap),
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
    if size > MAX_READ_FILE {
        return map(&file).map(|map| FileBytes(Bytes::Mapped(map)));
    }
    let mut bytes = Vec::new();
    // A file that grows meanwhile is cut at the size it had.
    Read::by_ref(&mut file).take(size).read_to_end(&mut bytes)?;
    Ok(FileBytes(Bytes::Read(bytes)))
}

#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and private to this process. Its bytes may
    // change if another process writes the file; every decoder reads bytes
    // without relying on two reads being equal for memory safety, because all
    // lengths and offsets are checked where they are used. Truncation by
    // another process ends this one with SIGBUS, as stated above.
    unsafe { Mmap::map(file) }
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
