//! What importing `tvm_ffi` registers besides libtvm_ffi: its Python binding needs a
//! library of functions for tests, which is loaded with it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::container;
use crate::parts::{PartKind, stem};
use crate::runtime::binary::{self, Registered};
use crate::source::beginning::children;
use crate::source::map;

/// The library that the binding needs besides libtvm_ffi.
const TESTING: &str = "tvm_ffi_testing";

/// The functions that come with the binding in a folder `tvm_ffi`.
pub(super) fn registers(package: &Path) -> BTreeSet<String> {
    let bindings = children(package).into_iter().filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let suffix = path.extension().and_then(|suffix| suffix.to_str());
        name.is_some_and(|name| stem(name) == "core")
            && matches!(suffix, Some("so" | "pyd" | "dylib"))
    });
    let libraries: BTreeSet<String> = bindings.flat_map(|path| needed(&path)).collect();
    let libraries = libraries.iter();
    libraries
        .flat_map(|name| functions(&package.join("lib").join(name)))
        .collect()
}

/// The file names under which a binding asks for the library.
fn needed(binding: &Path) -> Vec<String> {
    let Ok(bytes) = map::open(binding) else {
        return Vec::new();
    };
    let parsed = container::parse(&bytes).unwrap_or_default();
    let needed = parsed.iter().flat_map(|parsed| &parsed.binary.needed);
    needed
        .filter(|needed| stem(&needed.name) == TESTING)
        .filter_map(|needed| needed.name.rsplit(['/', '\\']).next())
        .map(str::to_owned)
        .collect()
}

fn functions(library: &Path) -> BTreeSet<String> {
    let Ok(bytes) = map::open(library) else {
        return BTreeSet::new();
    };
    let parsed = container::parse(&bytes).unwrap_or_default();
    let name = library.display().to_string();
    parsed
        .iter()
        .map(|parsed| {
            let kind = PartKind::RuntimeExtra;
            binary::read(&name, &kind, parsed, &[], Registered::Followed)
        })
        .filter_map(|profile| profile.functions.value)
        .flatten()
        .collect()
}
