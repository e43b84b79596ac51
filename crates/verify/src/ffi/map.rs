//! Read-only maps of weight files.

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

/// A mapped file.
pub struct FileMap(Mmap);

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Maps a file to read it.
pub fn map_file(file: &File) -> io::Result<FileMap> {
    // SAFETY: the map is private to this process and never written. A file
    // that another process truncates meanwhile ends this row with SIGBUS; the
    // bytes are only copied to the device, so a change of content is harmless.
    unsafe { Mmap::map(file) }.map(FileMap)
}
