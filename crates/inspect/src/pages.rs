//! Memory that is filled page by page when it is first touched: a file's bytes, or
//! zeros. Only what is looked at is ever read or taken.

use std::fs::File;
use std::io;

use memmap2::{Mmap, MmapMut, MmapOptions};

/// The bytes of a file.
pub(crate) type FilePages = Mmap;

/// Bytes that are zero until they are written.
pub(crate) type ZeroPages = MmapMut;

/// Maps a file.
#[allow(unsafe_code)]
pub(crate) fn of_file(file: &File) -> io::Result<FilePages> {
    // SAFETY: the map is read-only and private to this process. Its bytes may
    // change if another process writes the file; every decoder reads bytes
    // without relying on two reads being equal for memory safety, because all
    // lengths and offsets are checked where they are used. Truncation by
    // another process ends this one with SIGBUS, as `source::map` says.
    unsafe { Mmap::map(file) }
}

/// Maps zeros.
pub(crate) fn zeros(length: usize) -> io::Result<ZeroPages> {
    let memory = MmapOptions::new()
        .len(length)
        .no_reserve_swap()
        .map_anon()?;
    // A large page would take two megabytes for one byte.
    #[cfg(target_os = "linux")]
    let _kernel_without_large_pages = memory.advise(memmap2::Advice::NoHugePage);
    Ok(memory)
}
