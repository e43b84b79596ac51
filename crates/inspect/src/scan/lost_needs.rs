//! Libraries that a file asks for and that its run path does not lead to.

use std::path::{Path, PathBuf};

use crate::container::{self, Format};
use crate::parts;
use crate::place::Place;
use crate::runtime::{libraries, process};
use crate::source::map;

/// What tvm-ffi's binding, among some files, asks for and does not find. Its Python has
/// loaded tvm-ffi's own library before; `also` is a folder where its loader looks too.
pub(super) fn unlinked(
    files: impl Iterator<Item = PathBuf>,
    site: &Path,
    also: Option<&Path>,
) -> Option<(String, String)> {
    let places = files.map(Place::file);
    let bindings = places
        .filter(|place| parts::stem(&place.name()) == "core" && parts::comes_with_a_runtime(place));
    for place in bindings {
        let lost = lost_needs(&place, also, |name| {
            libraries::is_family(name) && !process::is_loaded_by_python(name)
        });
        if let Some(name) = lost.into_iter().next() {
            let file = place.path().strip_prefix(site).unwrap_or(place.path());
            return Some((file.display().to_string(), name));
        }
    }
    None
}

/// What a library asks for, of some names, and its run path does not lead to.
pub(super) fn lost_needs(
    place: &Place,
    also: Option<&Path>,
    is_meant: impl Fn(&str) -> bool,
) -> Vec<String> {
    let Ok(bytes) = map::open(place.path()) else {
        return Vec::new();
    };
    let parsed = container::parse(&bytes).unwrap_or_default();
    let mut lost = Vec::new();
    let elf = parsed.iter().map(|one| &one.binary);
    for binary in elf.filter(|binary| binary.format == Format::Elf) {
        let names = binary.needed.iter().map(|needed| &needed.name);
        for name in names.filter(|name| is_meant(name)) {
            let places = libraries::candidates(place, binary, name);
            let is_also = also.is_some_and(|folder| folder.join(name).is_file());
            if !is_also && !places.iter().any(|place| place.path().is_file()) {
                lost.push(name.clone());
            }
        }
    }
    lost
}
