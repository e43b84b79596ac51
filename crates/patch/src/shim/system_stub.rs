//! A text stub of macOS's C++ library, for linking where there is no Mac.
//!
//! The device-api part throws and catches exceptions together with the runtime,
//! so it must use the very library that the runtime uses. zig has none of
//! Apple's, so the linker gets a stub with exactly the symbols that the runtime's
//! own libraries import from it: what they find at load, the shim finds too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use object::{NameOrOrdinal, Object as _, ReadCache};

use super::error::ShimError;
use super::runtime::Runtime;
use crate::io_error::io;

const LIBRARY: &str = "/usr/lib/libc++.1.dylib";

/// `std::string::append(size_t, char)`, which the headers of 0.25 use and its
/// libraries happen not to import; those of 0.26 and 0.27 do.
const ALSO_THERE: &str =
    "__ZNSt3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEE6appendEmc";

/// The stub, in the text form that linkers for macOS read.
pub fn cxx_library(runtime: &Runtime) -> Result<String, ShimError> {
    let mut symbols = BTreeSet::from([ALSO_THERE.to_owned()]);
    let libraries = [
        Some(&runtime.runtime),
        Some(&runtime.ffi),
        runtime.metal.as_ref(),
    ];
    for library in libraries.into_iter().flatten() {
        imports(&library.path, &mut symbols)?;
    }
    let list: Vec<String> = symbols.iter().map(|name| format!("'{name}'")).collect();
    Ok(format!(
        "--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]\ninstall-name: '{LIBRARY}'\n\
         exports:\n  - targets: [ arm64-macos ]\n    symbols: [ {} ]\n...\n",
        list.join(", ")
    ))
}

fn imports(path: &Path, symbols: &mut BTreeSet<String>) -> Result<(), ShimError> {
    let file = fs::File::open(path).map_err(io(path, "cannot read the file"))?;
    let bad = |error: object::Error| ShimError::BadLibrary {
        path: path.to_owned(),
        reason: format!("cannot read its imports: {error}"),
    };
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache).map_err(bad)?;
    for import in file.imports().map_err(bad)? {
        let import = import.map_err(bad)?;
        if let (true, NameOrOrdinal::Name(name)) =
            (import.library() == LIBRARY.as_bytes(), import.name())
        {
            symbols.insert(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(())
}
