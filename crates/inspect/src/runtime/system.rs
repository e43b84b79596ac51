//! Libraries from outside the TVM family: who brings them, and whether they are
//! there (`data/system_libraries.toml`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{grouping, libraries};
use crate::container::{self, Binary, Format};
use crate::parts::stem;
use crate::place::Place;
use crate::source::map;

const TABLE: &str = include_str!(concat!(env!("OUT_DIR"), "/system_libraries.json"));

static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    // The build script wrote it; a test reads every row.
    serde_json::from_str(TABLE).unwrap_or_default()
});

#[derive(Default, Deserialize)]
struct Rows {
    system: Vec<System>,
    driver: Vec<Driver>,
    package: Vec<Package>,
}

/// What every machine of a kind has, or nearly every.
#[derive(Default, Deserialize)]
#[serde(default)]
struct System {
    always: Vec<String>,
    usual: Vec<String>,
    prefixes: Vec<String>,
    interpreter: Vec<String>,
    since: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
struct Driver {
    brings: String,
    names: Vec<String>,
}

/// A Python package that brings a library.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Its name on PyPI.
    pub name: String,
    /// A version that has the library.
    pub version: String,
    folder: String,
    names: Vec<String>,
}

/// Who brings a library.
#[derive(Debug, Clone, Copy)]
pub enum Brings {
    /// The machine, with this.
    Machine(&'static str),
    /// The machine, by a toolkit or by this package.
    Toolkit(&'static Package),
    /// A package that the asking one should require.
    Package(&'static Package),
}

/// Whether a library is the system's own, or has been loaded by the Python that
/// imports the asking one.
pub(crate) fn is_base(library: &str) -> bool {
    let lower = library.to_ascii_lowercase();
    let is = |name: &String| *name == library || *name == lower;
    let begins = |start: &String| library.starts_with(start.as_str()) || lower.starts_with(start);
    ROWS.system.iter().any(|system| {
        let mut names = system.always.iter().chain(&system.usual);
        let mut starts = system.prefixes.iter().chain(&system.interpreter);
        names.any(is) || system.since.contains_key(library) || starts.any(begins)
    })
}

/// Who brings a library of this name, where that is known.
pub fn brings(library: &str, format: Format) -> Option<Brings> {
    let is_named = |names: &[String]| {
        names.iter().any(|name| match format {
            Format::Pe => name.eq_ignore_ascii_case(library),
            _ => name == library,
        })
    };
    if let Some(driver) = ROWS.driver.iter().find(|driver| is_named(&driver.names)) {
        return Some(Brings::Machine(&driver.brings));
    }
    let package = ROWS
        .package
        .iter()
        .find(|package| is_named(&package.names))?;
    Some(match package.name.starts_with("nvidia-") {
        true => Brings::Toolkit(package),
        false => Brings::Package(package),
    })
}

/// Whether a library that a file needs is where the loader looks, or where its
/// package puts it in the file's environment; `None` inside an archive, where the
/// folders around it are not seen.
pub fn is_there(place: &Place, binary: &Binary, needed: &str) -> Option<bool> {
    if place.is_member() {
        return None;
    }
    let mut places = libraries::candidates(place, binary, needed);
    if let Some(Brings::Toolkit(package) | Brings::Package(package)) = brings(needed, binary.format)
        && let Some(environment) = grouping::environment(place)
    {
        let file = environment.path().join(&package.folder).join(needed);
        places.push(Place::file(file));
    }
    let found = |place: &Place| place.path().is_file() || is_under_its_plain_name(place, needed);
    Some(places.iter().any(found))
}

/// Whether the file without a version beside a place answers to the name: a package
/// that loads `libz3.so` first has loaded what calls itself `libz3.so.4.15`.
fn is_under_its_plain_name(place: &Place, needed: &str) -> bool {
    let plain = format!("lib{}.so", stem(needed));
    if plain == needed {
        return false;
    }
    let file = place.path().parent().unwrap_or(Path::new("")).join(plain);
    let Ok(bytes) = map::open(&file) else {
        return false;
    };
    container::parse(&bytes).is_ok_and(|found| {
        let mut names = found
            .iter()
            .filter_map(|one| one.binary.identity.as_deref());
        names.any(|name| name == needed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_own_libraries_are_known() {
        for own in [
            "libc.so.6",
            "libstdc++.so.6",
            "KERNEL32.dll",
            "api-ms-win-crt-heap-l1-1-0.dll",
            "/usr/lib/libSystem.B.dylib",
            "libpython3.11.so.1.0",
            "liblog.so",
        ] {
            assert!(is_base(own), "{own}");
        }
        for other in ["libcuda.so.1", "libz3.so.4.15", "libgomp.so.2", ""] {
            assert!(!is_base(other), "{other}");
        }
    }

    #[test]
    fn the_table_says_who_brings_a_library() {
        let elf = |name| brings(name, Format::Elf);
        assert!(matches!(elf("libcuda.so.1"), Some(Brings::Machine(_))));
        let package = |brings| match brings {
            Some(Brings::Toolkit(package) | Brings::Package(package)) => package.name.as_str(),
            _ => "",
        };
        assert_eq!(package(elf("libnvrtc.so.13")), "nvidia-cuda-nvrtc");
        assert_eq!(package(elf("libz3.so.4.15")), "z3-solver");
        assert!(matches!(elf("libz3.so.4.15"), Some(Brings::Package(_))));
        for other in ["libc.so.6", "libz3.so.4.13", "LIBCUDA.so.1", ""] {
            assert!(elf(other).is_none(), "{other}");
        }
        let dll = brings("NVCUDA.dll", Format::Pe);
        assert!(matches!(dll, Some(Brings::Machine(_))));
    }
}
