//! A C door to [`artcheck_metal_sim::macho`], for drivers that are not Rust: the
//! tests open it from Python.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::path::Path;

use artcheck_metal_sim::macho::{HostLibrary, RawLibrary};

/// What [`artcheck_macho_open`] found.
#[repr(C)]
pub struct Opened {
    library: *mut RawLibrary,
    blob: *const u8,
    blob_bytes: u64,
}

/// Opens a library; the result stays for the life of the process. A null library
/// means that it failed, with the reason on standard error.
///
/// # Safety
/// `path` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn artcheck_macho_open(path: *const c_char) -> Opened {
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) }
        .to_string_lossy()
        .into_owned();
    let nothing = Opened {
        library: std::ptr::null_mut(),
        blob: std::ptr::null(),
        blob_bytes: 0,
    };
    let host = match HostLibrary::open(Path::new(&path)) {
        Ok(host) => Box::leak(Box::new(host)),
        Err(error) => {
            eprintln!("{path}: {error}");
            return nothing;
        }
    };
    match host.blob() {
        Ok(blob) => Opened {
            library: Box::into_raw(host.raw()),
            blob: blob.as_ptr(),
            blob_bytes: blob.len() as u64,
        },
        Err(error) => {
            eprintln!("{path}: {error}");
            nothing
        }
    }
}
