//! Opening shared libraries.

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

/// Opens a library for the rest of the process. All symbols are bound at once,
/// so an undefined one is an error here and not a crash later.
pub fn open(path: &Path, linkage: Linkage) -> Result<&'static Library> {
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
    let library = open(ffi, Linkage::Global)?;
    let api = Api::resolve(library)?;
    for (path, linkage) in others {
        open(path, *linkage)?;
    }
    Ok(api)
}
