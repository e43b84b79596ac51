//! Memory that is filled when it is first touched, on WebAssembly.
//!
//! The machine has no pages that could be missing. A file gets memory of its own,
//! and the host is asked to fill it: now, or, where the host can watch loads
//! (`web/lazy.js`), when a page is first looked at. A host that does neither lets
//! the program read the file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::{Deref, DerefMut};
use std::os::fd::AsRawFd;
use std::sync::{Mutex, PoisonError};

/// Bytes of what the machine calls a page: what memory grows by.
const PAGE: usize = 64 << 10;

/// Memory of files that were let go. Only the host writes there, so that it knows
/// which pages are still to be filled; nothing else may use it.
static FREE: Mutex<Vec<&'static mut [u8]>> = Mutex::new(Vec::new());

/// The bytes of a file.
#[derive(Debug)]
pub(crate) struct FilePages {
    memory: &'static mut [u8],
    length: usize,
}

/// Bytes that are zero until they are written.
#[derive(Debug)]
pub(crate) struct ZeroPages {
    memory: &'static mut [u8],
    length: usize,
}

#[allow(unsafe_code)]
mod host {
    use std::ffi::c_int;

    #[link(wasm_import_module = "artcheck")]
    unsafe extern "C" {
        /// Fills `length` bytes at `at` with the start of an open file, now or when
        /// they are first loaded, and returns 1; or does nothing and returns 0.
        safe fn pages(file: c_int, at: *mut u8, length: usize) -> c_int;
    }

    /// Whether the host takes care of it.
    pub(super) fn fills(file: c_int, memory: &mut [u8]) -> bool {
        pages(file, memory.as_mut_ptr(), memory.len()) == 1
    }

    /// New memory, all zeros; it is never given back to the machine.
    pub(super) fn grow(pages: usize) -> Option<&'static mut [u8]> {
        let before = core::arch::wasm32::memory_grow::<0>(pages);
        let length = pages.checked_mul(super::PAGE)?;
        let fits = before != usize::MAX && isize::try_from(length).is_ok();
        let start = before.checked_mul(super::PAGE).filter(|_| fits)?;
        // SAFETY: the machine has just added these pages. The allocator knows only
        // those that it asked for itself, so nothing else refers to them.
        Some(unsafe { std::slice::from_raw_parts_mut(start as *mut u8, length) })
    }
}

fn no_room() -> io::Error {
    let why = "a page has no memory for a file of this size; artcheck on the command line reads it";
    io::Error::new(io::ErrorKind::OutOfMemory, why)
}

fn grow(length: usize) -> io::Result<&'static mut [u8]> {
    host::grow(length.div_ceil(PAGE)).ok_or_else(no_room)
}

/// Memory for a file: the smallest that was let go and is large enough.
fn memory_for(length: usize) -> io::Result<&'static mut [u8]> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let enough = free.iter().enumerate();
    let enough = enough.filter(|(_, memory)| memory.len() >= length);
    match enough.min_by_key(|(_, memory)| memory.len()) {
        Some((at, _)) => Ok(free.swap_remove(at)),
        None => grow(length),
    }
}

/// The bytes of an open file.
pub(crate) fn of_file(file: &File) -> io::Result<FilePages> {
    let length = usize::try_from(file.metadata()?.len());
    let length = length.map_err(|_| no_room())?;
    let mut pages = FilePages {
        memory: memory_for(length)?,
        length: 0,
    };
    let memory = pages.memory.get_mut(..length).unwrap_or_default();
    if host::fills(file.as_raw_fd(), memory) {
        pages.length = length;
        return Ok(pages);
    }
    let mut file = file;
    file.seek(SeekFrom::Start(0))?;
    // A file that shrank ends early.
    while let Some(rest) = memory
        .get_mut(pages.length..)
        .filter(|rest| !rest.is_empty())
    {
        match file.read(rest)? {
            0 => break,
            read => pages.length = pages.length.saturating_add(read),
        }
    }
    Ok(pages)
}

/// Zeros.
pub(crate) fn zeros(length: usize) -> io::Result<ZeroPages> {
    let memory = grow(length)?;
    Ok(ZeroPages { memory, length })
}

impl FilePages {
    /// Whether pages were wanted that could not be had: the host gives all.
    pub(crate) fn is_lost(&self) -> bool {
        false
    }
}

impl Drop for FilePages {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(std::mem::take(&mut self.memory));
    }
}

impl Deref for FilePages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }
}

impl Deref for ZeroPages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }
}

impl DerefMut for ZeroPages {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(..self.length).unwrap_or_default()
    }
}
