//! What each emulated thread has of its own: thread-local variables of images, the
//! words of `host_thread`, `errno`, the loader's last error.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CString;

use super::host;
use super::images::Loaded;

/// As `darwin/host.h` says.
const THREAD_WORDS: usize = 1024;

/// By process and image (0: the thread's own words).
type Blocks = HashMap<(u64, u64), Box<[u64]>>;

thread_local! {
    static BLOCKS: RefCell<Blocks> = RefCell::new(HashMap::new());
    static ERROR: Cell<i32> = const { Cell::new(0) };
    static LOADER: RefCell<Option<CString>> = const { RefCell::new(None) };
    static IS_TOLD: Cell<bool> = const { Cell::new(true) };
}

fn block(process: u64, image: u64, make: impl FnOnce() -> Box<[u64]>) -> u64 {
    BLOCKS.with_borrow_mut(|all| {
        let block = all.entry((process, image)).or_insert_with(make);
        block.as_ptr() as u64
    })
}

/// The words of this thread.
pub(super) fn words(process: u64) -> u64 {
    block(process, 0, || vec![0; THREAD_WORDS].into())
}

/// This thread's copy of an image's variables, `offset` bytes in.
pub(super) fn variable(process: u64, image: &Loaded, offset: u64) -> Result<u64, String> {
    let (start, size) = image.mapped.image.thread_locals.template.unwrap_or((0, 0));
    if offset >= size {
        return Err(format!(
            "a thread-local variable at {offset} of {size} bytes of {}",
            image.path.display()
        ));
    }
    let address = block(process, image.id, || {
        let bytes = usize::try_from(size).unwrap_or(0);
        let mut words = vec![0u64; bytes.div_ceil(8)];
        let from = image.mapped.from(start).unwrap_or(&[]);
        let from = from.get(..bytes).unwrap_or(from);
        for (word, chunk) in words.iter_mut().zip(from.chunks(8)) {
            let mut whole = [0; 8];
            for (to, byte) in whole.iter_mut().zip(chunk) {
                *to = *byte;
            }
            *word = u64::from_le_bytes(whole);
        }
        words.into()
    });
    Ok(address.wrapping_add(offset))
}

/// Where emulated code finds `errno`.
pub(super) fn error_place() -> u64 {
    ERROR.with(|cell| cell.as_ptr() as u64)
}

/// Calls a function of the host and keeps the error number that it leaves.
pub(super) fn with_error(call: impl FnOnce() -> u64) -> u64 {
    let (word, error) = host::with_error_number(call);
    if error != 0 {
        ERROR.set(darwin(error));
    }
    word
}

/// Apple's number of an error; those up to 34 are the same but one.
fn darwin(linux: i32) -> i32 {
    match linux {
        libc::EAGAIN => 35,
        libc::EDEADLK => 11,
        libc::ENAMETOOLONG => 63,
        libc::ENOSYS => 78,
        libc::ENOTEMPTY => 66,
        libc::ELOOP => 62,
        libc::EILSEQ => 92,
        libc::EOVERFLOW => 84,
        other => other,
    }
}

/// Keeps the loader's words for `dlerror`.
pub(super) fn set_loader_error(words: &str) {
    let text = CString::new(words.replace('\0', " ")).unwrap_or_default();
    LOADER.set(Some(text));
    IS_TOLD.set(false);
}

/// The loader's words, once; they stay until the next error.
pub(super) fn loader_error() -> u64 {
    if IS_TOLD.replace(true) {
        return 0;
    }
    LOADER.with_borrow(|text| text.as_ref().map_or(0, |t| t.as_ptr() as u64))
}
