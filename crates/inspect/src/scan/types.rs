//! Types that Python registers and that no library of TVM's or tvm-ffi's has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::python::closure::Closure;
use crate::runtime::installation::{self, Installation};
use crate::source::beginning::children;
use crate::source::map;

/// Types that are named.
const MAX_NAMED: usize = 8;
/// A type's name. Shorter ones are not looked for.
const LENGTHS: std::ops::RangeInclusive<usize> = TAIL..=256;
/// The letters at the end of a name that are looked up before the whole.
const TAIL: usize = 4;

/// Types that an import of a package registers in vain, with the file. Where its libraries
/// are those that it brought, they have the types of the files that it brought.
pub(super) fn unknown(
    site: &Path,
    closure: &Closure,
    package: &Installation,
) -> Vec<(String, String)> {
    let changed = package.changed.iter();
    let is_doubtful = |file: &str| {
        !package.replaced.is_empty() || changed.clone().any(|one| one.file.file == file)
    };
    let types = closure.types.iter();
    let types = types.filter(|(key, file)| LENGTHS.contains(&key.len()) && is_doubtful(file));
    let mut sought = Sought::of(types);
    let folders = ["tvm/lib", "tvm_ffi/lib", "tvm_ffi"].map(|folder| site.join(folder));
    let files = folders.iter().flat_map(|folder| children(folder));
    let libraries = files.filter(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        installation::is_library(&name)
    });
    for library in libraries {
        if sought.left.is_empty() {
            break;
        }
        // What cannot be read may have all of them.
        let Ok(bytes) = map::open(&library) else {
            return Vec::new();
        };
        sought.strike(&bytes);
    }
    let left = sought.left.into_values().take(MAX_NAMED);
    left.map(|(key, file)| (key.clone(), file.clone()))
        .collect()
}

/// Names that are looked for.
struct Sought<'a> {
    left: BTreeMap<&'a [u8], (&'a String, &'a String)>,
    lengths: BTreeSet<usize>,
    /// How they end.
    tails: BTreeSet<[u8; TAIL]>,
    /// Their last letters.
    last: [bool; 256],
}

impl<'a> Sought<'a> {
    fn of(types: impl Iterator<Item = (&'a String, &'a String)>) -> Self {
        let left: BTreeMap<&[u8], _> = types
            .map(|(key, file)| (key.as_bytes(), (key, file)))
            .collect();
        let tails = left.keys().filter_map(|key| key.last_chunk().copied());
        let tails: BTreeSet<[u8; TAIL]> = tails.collect();
        let mut last = [false; 256];
        for [.., letter] in &tails {
            if let Some(is_last) = last.get_mut(usize::from(*letter)) {
                *is_last = true;
            }
        }
        Self {
            lengths: left.keys().map(|key| key.len()).collect(),
            left,
            tails,
            last,
        }
    }

    /// Takes out what some bytes have: nearly all stand alone, the others at the end of
    /// another text. Of megabytes of code little ends as a name does.
    fn strike(&mut self, bytes: &[u8]) {
        let mut start = 0usize;
        for end in memchr::memchr_iter(0, bytes) {
            let text = bytes.get(start..end).unwrap_or_default();
            start = end.saturating_add(1);
            let Some(tail @ [.., letter]) = text.last_chunk::<TAIL>() else {
                continue;
            };
            let is_last = self.last.get(usize::from(*letter)) == Some(&true);
            if !is_last || !self.tails.contains(tail) {
                continue;
            }
            for length in self.lengths.range(..=text.len()) {
                let key = text.len().checked_sub(*length);
                self.left
                    .remove(key.and_then(|key| text.get(key..)).unwrap_or_default());
            }
            if self.left.is_empty() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;
    use crate::runtime::installation::{Brings, Changed, Replaced};

    /// Thousands of types against megabytes of names.
    #[test]
    fn many_types_are_looked_for_in_one_pass() {
        let folder = tempfile::tempdir().expect("a folder");
        let lib = folder.path().join("tvm_ffi/lib");
        std::fs::create_dir_all(&lib).expect("a folder");
        let all = 40_000;
        let name = |number: usize| format!("my.Type{number}");
        let mut bytes: Vec<u8> = b"zero".to_vec();
        for number in 1..all {
            // Alone, and at the end of another text.
            let before = if number % 2 == 0 { "" } else { "not " };
            bytes.extend(format!("\0{before}{}\0{}", name(number), "x".repeat(300)).bytes());
        }
        bytes.push(0);
        std::fs::write(lib.join("libtvm_ffi.so"), &bytes).expect("written");
        let types = (0..all).map(|number| (name(number), "a.py".to_owned()));
        let closure = Closure {
            types: types.collect(),
            ..Closure::default()
        };
        let place = Place::file(folder.path());
        let mut package = Installation::new(place, String::new(), Brings::Runtime);
        let file = |name: &str| Replaced {
            file: name.to_owned(),
            recorded: 1,
            found: 2,
        };
        let of = |package: &Installation| unknown(folder.path(), &closure, package);
        assert_eq!(of(&package), []);
        package.replaced.push(file("tvm_ffi/lib/libtvm_ffi.so"));
        let lost = [(name(0), "a.py".to_owned())];
        assert_eq!(of(&package), lost);
        // The libraries have the types of what was not edited.
        package.replaced.clear();
        package.changed = ["b.py", "a.py"]
            .map(|name| Changed {
                file: file(name),
                says: None,
                is_cut: false,
                is_reached: true,
                hides: None,
            })
            .into();
        assert_eq!(of(&package), lost);
        package.changed.truncate(1);
        assert_eq!(of(&package), []);
    }
}
