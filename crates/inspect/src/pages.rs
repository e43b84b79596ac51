//! Memory that is filled page by page when it is first touched: a file's bytes, or
//! zeros. Only what is looked at is ever read or taken.

use std::fs::File;
use std::io;

use std::ops::Deref;

use memmap2::{Mmap, MmapMut, MmapOptions};

#[cfg(unix)]
use crate::pages_lost::Watch;

/// The bytes of a file.
#[derive(Debug)]
pub(crate) struct FilePages {
    // Let go before the pages: their addresses may be another file's then.
    #[cfg(unix)]
    watch: Option<Watch>,
    map: Mmap,
}

/// Bytes that are zero until they are written.
pub(crate) type ZeroPages = MmapMut;

impl FilePages {
    /// Whether pages were wanted that the file no longer had, or that its disk did not
    /// give: there are zeros instead.
    pub(crate) fn is_lost(&self) -> bool {
        #[cfg(unix)]
        return self.watch.as_ref().is_some_and(Watch::is_lost);
        #[cfg(not(unix))]
        false
    }
}

impl Deref for FilePages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

/// Maps a file.
#[allow(unsafe_code)]
pub(crate) fn of_file(file: &File) -> io::Result<FilePages> {
    // SAFETY: the map is read-only and private to this process. Its bytes may
    // change if another process writes the file; every decoder reads bytes
    // without relying on two reads being equal for memory safety, because all
    // lengths and offsets are checked where they are used. Pages that another
    // process cuts off become zeros, see `pages_lost`.
    let map = unsafe { Mmap::map(file) }?;
    Ok(FilePages {
        #[cfg(unix)]
        watch: Watch::of(&map),
        map,
    })
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
