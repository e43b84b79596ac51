//! Opening shared libraries.

use std::ffi::{CString, c_void};
use std::path::Path;

use libloading::Library;

use super::api::Api;
use crate::error::{Error, Result};

/// Whether the symbols of a library serve those that are opened later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// Visible to every library opened later (`RTLD_GLOBAL`).
    Global,
    /// Visible to itself alone (`RTLD_LOCAL`).
    Local,
}

/// Opens a library for the rest of the process, in the emulator if the runtime is
/// there. All symbols are bound at once, so an undefined one is an error here and
/// not a crash later.
pub fn open(path: &Path, linkage: Linkage) -> Result<()> {
    #[cfg(all(feature = "macho-host", target_os = "linux"))]
    if let Some(opened) = super::emulated::open(path) {
        return opened;
    }
    natively(path, linkage).map(drop)
}

fn natively(path: &Path, linkage: Linkage) -> Result<&'static Library> {
    #[cfg(unix)]
    let opened = {
        use libloading::os::unix::{Library as Unix, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
        let flags = RTLD_NOW
            | match linkage {
                Linkage::Global => RTLD_GLOBAL,
                Linkage::Local => RTLD_LOCAL,
            };
        // SAFETY: initialisers of the library run here; that the file is one
        // the user wants to run is the contract of this crate.
        unsafe { Unix::open(Some(path), flags) }.map(Library::from)
    };
    #[cfg(windows)]
    let opened = {
        use libloading::os::windows::{LOAD_WITH_ALTERED_SEARCH_PATH, Library as Windows};
        let _ = linkage;
        // With this flag a path that is not absolute means nothing.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // SAFETY: as above.
        unsafe { Windows::load_with_flags(path, LOAD_WITH_ALTERED_SEARCH_PATH) }.map(Library::from)
    };
    let library = opened.map_err(|e| Error::Open {
        path: path.to_owned(),
        detail: words(&crate::error::chain(&e), path),
    })?;
    Ok(Box::leak(Box::new(library)))
}

/// The linker's words without what the error says anyway.
fn words(message: &str, path: &Path) -> String {
    let short = message.strip_prefix("dlopen failed: ").unwrap_or(message);
    let prefix = format!("{}: ", path.display());
    short.strip_prefix(&prefix).unwrap_or(short).to_owned()
}

/// Opens libtvm_ffi first and the other libraries after it, in the given order.
pub fn load(ffi: &Path, others: &[(&Path, Linkage)]) -> Result<&'static Api> {
    #[cfg(all(feature = "macho-host", target_os = "linux"))]
    if super::emulated::is_for(ffi) {
        // There all libraries see each other's symbols only by name, as on a Mac.
        let others: Vec<&Path> = others.iter().map(|(path, _)| *path).collect();
        return super::emulated::load(ffi, &others);
    }
    let library = natively(ffi, Linkage::Global)?;
    // SAFETY: the symbols of a library that is never closed (invariant 1).
    let api = unsafe { Api::resolve(|name| symbol(library, name)) }?;
    for (path, linkage) in others {
        open(path, *linkage)?;
    }
    Ok(api)
}

fn symbol(library: &'static Library, name: &str) -> Result<*const c_void> {
    let missing = |detail: String| Error::MissingSymbol {
        symbol: name.to_owned(),
        detail,
    };
    let c_name = CString::new(name).map_err(|e| missing(e.to_string()))?;
    // SAFETY: only its address is taken.
    let found = unsafe { library.get::<*const c_void>(c_name.as_bytes_with_nul()) };
    found.map(|f| *f).map_err(|e| missing(e.to_string()))
}
