//! Libraries from outside the TVM family: who brings them, and whether they are
//! there (`data/system_libraries.toml`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use super::libraries;
use super::machine::Machine;
use crate::container::{self, Binary, ForeignSymbol, Format};
use crate::parts::stem;
use crate::place::Place;
use crate::source::beginning::children;
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
    /// The API sets of Windows' C library.
    crt: Vec<String>,
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
    pub(crate) folder: String,
    names: Vec<String>,
}

impl Package {
    /// Whether a toolkit of the machine has the same libraries.
    pub(crate) fn is_of_toolkit(&self) -> bool {
        self.name.starts_with("nvidia-")
    }
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
    }) && !is_no_api_set(&lower)
}

/// Whether a library of the system that an ELF file names defines a symbol that it asks for:
/// by the version, or as the name tells.
pub(crate) fn defines(binary: &Binary, symbol: &ForeignSymbol) -> bool {
    let version = symbol.version.as_ref();
    let mut needed = binary.needed.iter();
    version.is_some_and(|version| is_base(&version.library))
        || needed.any(|one| container::is_defined_by(&one.name, &symbol.name))
}

/// A library of the system that an ELF file names and that may define a symbol: which symbols
/// it has is not known in full. Those libraries are C's, and give no versions.
pub(crate) fn may_define<'a>(binary: &'a Binary, symbol: &ForeignSymbol) -> Option<&'a str> {
    if symbol.version.is_some() || symbol.name.starts_with("_Z") {
        return None;
    }
    let needed = binary.needed.iter().map(|one| one.name.as_str());
    let mut base = needed.filter(|name| is_base(name));
    base.find(|name| !container::is_known_whole(name))
}

/// Whether a name begins as those of Windows' API sets and is none: they end in a version,
/// and those of the C library are known (`data/system_libraries.toml`).
fn is_no_api_set(lower: &str) -> bool {
    let set = lower.strip_prefix("api-ms-win-");
    let Some(set) = set.or_else(|| lower.strip_prefix("ext-ms-")) else {
        return false;
    };
    let set = set.strip_suffix(".dll").unwrap_or(set);
    let Some((name, version)) = set.rsplit_once("-l") else {
        return true;
    };
    let numbers = version.split('-');
    let are_numbers = numbers.clone().count() == 3 && numbers.clone().all(is_number);
    let of_c = name.strip_prefix("crt-");
    let known = || ROWS.system.iter().flat_map(|system| &system.crt);
    let is_other = |name: &str| version != "1-1-0" || !known().any(|one| one == name);
    !are_numbers || of_c.is_some_and(is_other)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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
    Some(match package.is_of_toolkit() {
        true => Brings::Toolkit(package),
        false => Brings::Package(package),
    })
}

/// Whether a driver, a toolkit or a known package brings a library of this name.
pub(crate) fn is_brought(library: &str) -> bool {
    brings(library, Format::Elf).is_some() || brings(library, Format::Pe).is_some()
}

/// The file that the loader takes for a needed library: on the run path, or on the
/// machine that the set claims to be.
pub fn find(
    place: &Place,
    binary: &Binary,
    needed: &str,
    machine: Option<&Machine>,
) -> Option<PathBuf> {
    let places = libraries::candidates(place, binary, needed);
    let on_path = places
        .iter()
        .find(|place| !place.is_member() && is_at(place, needed));
    let on_path = on_path.map(|place| place.path().to_owned());
    let recorded = places.iter().map(Place::path);
    on_path.or_else(|| machine.and_then(|machine| machine.find(needed, recorded)))
}

/// The file where the loader looks that calls itself by a name, and to which the link of that
/// name is not there: `libz3.so.4.15`, or `libz3.so`, of `libz3.so.4`.
pub(crate) fn without_link(place: &Place, binary: &Binary, needed: &str) -> Option<PathBuf> {
    if binary.format != Format::Elf || place.is_member() {
        return None;
    }
    let start = format!("{needed}.");
    let is_like = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| {
            let rest = needed.strip_prefix(name);
            name.starts_with(&start) || rest.is_some_and(|rest| rest.starts_with('.'))
        })
    };
    let places = libraries::candidates(place, binary, needed).into_iter();
    let files = places.flat_map(|place| children(place.path().parent().unwrap_or(Path::new(""))));
    files
        .filter(is_like)
        .find(|file| calls_itself(file, needed))
}

/// Whether a library is in a place, under its name or without its version.
pub(crate) fn is_at(place: &Place, needed: &str) -> bool {
    place.path().is_file() || is_under_its_plain_name(place, needed)
}

/// Whether the file without a version beside a place answers to the name: a package
/// that loads `libz3.so` first has loaded what calls itself `libz3.so.4.15`.
fn is_under_its_plain_name(place: &Place, needed: &str) -> bool {
    let plain = format!("lib{}.so", stem(needed));
    if plain == needed {
        return false;
    }
    let file = place.path().parent().unwrap_or(Path::new("")).join(plain);
    calls_itself(&file, needed)
}

/// Whether a name is a library's own.
fn calls_itself(file: &Path, needed: &str) -> bool {
    let Ok(bytes) = map::open(file) else {
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
            "API-MS-Win-core-synch-l1-2-0.dll",
            "/usr/lib/libSystem.B.dylib",
            "libpython3.11.so.1.0",
            "liblog.so",
        ] {
            assert!(is_base(own), "{own}");
        }
        for other in [
            "libcuda.so.1",
            "libz3.so.4.15",
            "libgomp.so.2",
            "",
            "api-ms-win-crt-heap-l0-1-0.dll",
            "api-ms-win-crt-heaq-l1-1-0.dll",
            "api-ms-win-core-synch-l1.dll",
        ] {
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
