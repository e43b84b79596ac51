//! Where the loader would find the libraries that a member of a load set asks
//! for, over run paths and within the set.
//!
//! Only libraries of the TVM family are judged; what the system or another
//! package provides is not ours to know.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde::Serialize;

use crate::container::{Architecture, Binary, BinaryKind, CLibrary, Format};
use crate::parts::stem;
use crate::place::Place;

/// How a needed library is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "found")]
pub enum Resolution {
    /// On the search path, in the set.
    OnPath {
        /// Index of the member.
        member: usize,
    },
    /// In the set, but not where this member looks: found only if something
    /// loads it first, as the Python packages do.
    ElsewhereInSet {
        /// Index of the member.
        member: usize,
        /// Places that were looked at.
        searched: Vec<String>,
    },
    /// Not in the set.
    Absent {
        /// Places that were looked at.
        searched: Vec<String>,
    },
    /// Not of the TVM family.
    External,
}

/// Whether a library name belongs to the family that load sets are made of.
pub(crate) fn is_family(name: &str) -> bool {
    let stem = stem(name);
    stem == "tvm" || stem.starts_with("tvm_") || stem == "mlc_llm" || stem.starts_with("mlc_llm_")
}

/// The variable with folders that a loader looks in before its own.
pub(crate) fn search_variable(format: Format) -> &'static str {
    match format {
        Format::MachO => "DYLD_LIBRARY_PATH",
        Format::Pe => "PATH",
        _ => "LD_LIBRARY_PATH",
    }
}

/// The members of a load set by the names and places they answer to.
pub struct Members {
    names: HashMap<String, usize>,
    places: HashMap<Place, usize>,
    /// Windows does not tell letter cases apart.
    lower: HashMap<String, usize>,
    lower_names: HashMap<String, usize>,
    /// The files that the places are, links aside.
    real: OnceLock<HashMap<PathBuf, usize>>,
}

impl Members {
    /// Indexes members by their place and the name they give themselves.
    pub fn of<'a>(members: impl Iterator<Item = (&'a Place, Option<&'a str>)>) -> Self {
        let mut index = Self {
            names: HashMap::new(),
            places: HashMap::new(),
            lower: HashMap::new(),
            lower_names: HashMap::new(),
            real: OnceLock::new(),
        };
        // Of several the first counts.
        for (number, (place, identity)) in members.enumerate() {
            let names = [
                Some(place.name()),
                identity.map(|name| file_name(name).into()),
            ];
            for name in names.into_iter().flatten() {
                let lower = name.to_ascii_lowercase();
                index.lower_names.entry(lower).or_insert(number);
                index.names.entry(name.into_owned()).or_insert(number);
            }
            let place = place.without_dots();
            let lower = place.to_string().to_ascii_lowercase();
            index.lower.entry(lower).or_insert(number);
            index.places.entry(place).or_insert(number);
        }
        index
    }

    fn at(&self, place: &Place, format: Format) -> Option<usize> {
        if format == Format::Pe {
            let lower = place.to_string().to_ascii_lowercase();
            return self.lower.get(&lower).copied();
        }
        let known = self.places.get(place).copied();
        known.or_else(|| self.linked(place))
    }

    /// The member that a link leads to.
    fn linked(&self, place: &Place) -> Option<usize> {
        if place.is_member() {
            return None;
        }
        let real = place.path().canonicalize().ok()?;
        let files = || {
            let files = self.places.iter().filter(|(place, _)| !place.is_member());
            let files = files.filter_map(|(place, number)| {
                let real = place.path().canonicalize().ok()?;
                Some((real, *number))
            });
            files.collect()
        };
        self.real.get_or_init(files).get(&real).copied()
    }

    /// The member that answers to a name, wherever it is.
    fn named(&self, name: &str, format: Format) -> Option<usize> {
        if format == Format::Pe {
            let lower = name.to_ascii_lowercase();
            return self.lower_names.get(&lower).copied();
        }
        self.names.get(name).copied()
    }
}

/// Resolves `needed` of the binary at `place` among the members of its set.
pub fn resolve(place: &Place, binary: &Binary, needed: &str, set: &Members) -> Resolution {
    if !is_family(needed) {
        return Resolution::External;
    }
    let places = candidates(place, binary, needed);
    let found = places.iter().find_map(|place| set.at(place, binary.format));
    if let Some(member) = found {
        return Resolution::OnPath { member };
    }
    let searched = places.iter().map(Place::to_string).collect();
    match set.named(file_name(needed), binary.format) {
        Some(member) => Resolution::ElsewhereInSet { member, searched },
        None => Resolution::Absent { searched },
    }
}

/// The loader's words for the folder of the library that asks.
const OWN: [&str; 4] = ["$ORIGIN", "${ORIGIN}", "@loader_path", "@executable_path"];

/// Places at which the loader would look, in order.
pub(crate) fn candidates(own: &Place, binary: &Binary, needed: &str) -> Vec<Place> {
    places(own, None, binary, needed)
}

/// The same where the program is known.
pub(crate) fn places(
    own: &Place,
    program: Option<&Place>,
    binary: &Binary,
    needed: &str,
) -> Vec<Place> {
    if let Some(found) = in_process(binary, needed) {
        return vec![found];
    }
    let own = origin(own, binary);
    let paths = recorded(binary, needed).into_iter();
    paths.map(|path| expand(&own, program, &path)).collect()
}

/// Where a file lies for its loader: of a program that is a link, where that leads.
fn origin<'a>(own: &'a Place, binary: &Binary) -> Cow<'a, Place> {
    let is_program = binary.format == Format::Elf && binary.kind == BinaryKind::Program;
    let is_link = is_program && !own.is_member() && own.path().is_symlink();
    let real = is_link.then(|| own.path().canonicalize().ok()).flatten();
    real.map_or(Cow::Borrowed(own), |real| Cow::Owned(Place::file(real)))
}

/// Where the process of a program has a library that a file of it asks for.
fn in_process(binary: &Binary, needed: &str) -> Option<Place> {
    let mut found = binary.process.as_ref()?.found.iter();
    let (_, file) = found.find(|(name, _)| name == needed)?;
    Some(Place::file(file))
}

/// The folders of a file's own run path, as paths.
pub(crate) fn run_path(own: &Place, program: Option<&Place>, binary: &Binary) -> Vec<Place> {
    let own = origin(own, binary);
    let folders = match binary.format {
        Format::MachO => binary.search_paths.clone(),
        _ => searched(binary),
    };
    let folders = folders.into_iter();
    let folders = folders.filter(|folder| OWN.iter().any(|word| folder.starts_with(word)));
    folders
        .map(|folder| expand(&own, program, &folder))
        .collect()
}

/// Those of them that are told from the asking library's own folder.
pub(crate) fn beside(own: &Place, binary: &Binary, needed: &str) -> Vec<Place> {
    let own = origin(own, binary);
    let paths = recorded(binary, needed).into_iter();
    let paths = paths.filter(|path| OWN.iter().any(|word| path.starts_with(word)));
    paths.map(|path| expand(&own, None, &path)).collect()
}

/// The run path of a file, or the name that it asks by, that begins in the folder in which a
/// process is started: whether the loader finds anything there hangs on that folder.
pub(crate) fn from_start<'a>(binary: &'a Binary, needed: &'a str) -> Option<&'a str> {
    if binary.format != Format::Elf {
        return None;
    }
    let folders = binary.search_paths.iter();
    let mut folders = folders.flat_map(|paths| paths.split(':'));
    match needed.contains('/') {
        true => Some(needed).filter(|name| is_relative(name)),
        false => folders.find(|folder| is_relative(folder)),
    }
}

fn is_relative(path: &str) -> bool {
    !path.is_empty() && !path.starts_with(['/', '$'])
}

/// Folders that glibc looks in below each other one, on processors that are new enough.
pub(crate) const LEVELS: [&str; 3] = ["x86-64-v4", "x86-64-v3", "x86-64-v2"];

/// The files that the loader takes for a library before the one of a place.
pub(crate) fn of_levels(place: &Place, binary: &Binary) -> Vec<PathBuf> {
    let is_meant = binary.format == Format::Elf
        && binary.architecture == Architecture::X86_64
        && !place.is_member();
    let (Some(folder), Some(name)) = (place.path().parent(), place.path().file_name()) else {
        return Vec::new();
    };
    let levels = LEVELS.iter().filter(|_| is_meant);
    let files = levels.map(|level| folder.join("glibc-hwcaps").join(level).join(name));
    files.collect()
}

/// The paths that the loader tries for a library, as they are recorded.
fn recorded(binary: &Binary, needed: &str) -> Vec<String> {
    let search = binary.search_paths.iter().map(String::as_str);
    match binary.format {
        Format::MachO => match needed.strip_prefix("@rpath/") {
            Some(name) => search.map(|folder| format!("{folder}/{name}")).collect(),
            None => vec![needed.to_owned()],
        },
        // Windows looks beside the library that asks.
        Format::Pe => vec![format!("$ORIGIN/{needed}")],
        _ if needed.contains('/') => match is_relative(needed) {
            true => Vec::new(),
            false => vec![needed.to_owned()],
        },
        _ => {
            let folders = searched(binary).into_iter();
            folders.map(|folder| format!("{folder}/{needed}")).collect()
        }
    }
}

/// A word of the loader, and what systems have for it.
type Word = (&'static str, &'static [&'static str]);

/// Words that are what the system's builder chose: all that are known (ld.so(8), Debian's
/// glibc, Fedora's).
fn words(architecture: Architecture) -> [Word; 2] {
    let (lib, platform): (&[&str], &[&str]) = match architecture {
        Architecture::X86_64 => (
            &["lib/x86_64-linux-gnu", "lib64", "lib"],
            &["haswell", "xeon_phi", "x86_64"],
        ),
        Architecture::Aarch64 => (&["lib/aarch64-linux-gnu", "lib64", "lib"], &["aarch64"]),
        _ => (&["lib"], &[]),
    };
    [("LIB", lib), ("PLATFORM", platform)]
}

/// The word of a run path on which it depends whether that leads to a library, and with what
/// for it it does.
pub(crate) fn by_word(
    own: &Place,
    binary: &Binary,
    needed: &str,
) -> Option<(&'static str, Vec<&'static str>)> {
    let own = origin(own, binary);
    let known = words(binary.architecture);
    known.into_iter().find_map(|(word, values)| {
        let leads = |value: &'static &'static str| {
            let others = known.into_iter().filter(|(other, _)| *other != word);
            let chosen: Vec<Word> = others
                .chain([(word, std::slice::from_ref(value))])
                .collect();
            let mut folders = searched_with(binary, &chosen).into_iter();
            folders.any(|folder| {
                let place = expand(&own, None, &format!("{folder}/{needed}"));
                !place.is_member() && place.path().is_file()
            })
        };
        let leading: Vec<&str> = values.iter().filter(|one| leads(one)).copied().collect();
        (!leading.is_empty() && leading.len() < values.len()).then_some((word, leading))
    })
}

/// The folders of an ELF file's run path, less those that begin nowhere.
fn searched(binary: &Binary) -> Vec<String> {
    searched_with(binary, &words(binary.architecture))
}

fn searched_with(binary: &Binary, words: &[Word]) -> Vec<String> {
    // musl takes no run path that has another word than `$ORIGIN`.
    let is_musl = matches!(binary.c_library(), Some((CLibrary::Musl, _)));
    let has_others = |paths: &str| {
        let others = paths.replace("$ORIGIN", "").replace("${ORIGIN}", "");
        others.contains('$')
    };
    let mut folders: Vec<String> = Vec::new();
    let taken = binary.search_paths.iter();
    for paths in taken.filter(|paths| !(is_musl && has_others(paths))) {
        let all = paths.split(':');
        let all = all.filter(|folder| !folder.is_empty() && !is_relative(folder));
        folders.extend(all.map(str::to_owned));
    }
    for (word, values) in words {
        let (plain, braced) = (format!("${word}"), format!("${{{word}}}"));
        let with = |folder: String| -> Vec<String> {
            let folder = folder.replace(&braced, &plain);
            match folder.contains(&plain) {
                true => values
                    .iter()
                    .map(|one| folder.replace(&plain, one))
                    .collect(),
                false => vec![folder],
            }
        };
        folders = folders.into_iter().flat_map(with).collect();
    }
    folders
}

/// The place a recorded path leads to: from the asking library's own folder
/// where it begins with the loader's word for that, else on disk. Where the program is not
/// known its folder is taken to be the same.
fn expand(own: &Place, program: Option<&Place>, path: &str) -> Place {
    let of_program = program.filter(|_| path.starts_with("@executable_path"));
    let own = of_program.unwrap_or(own);
    let rest = OWN.iter().find_map(|word| path.strip_prefix(word));
    match rest {
        Some(rest) => own.beside(rest.trim_start_matches('/')),
        None => Place::file(path).without_dots(),
    }
}

/// The last name of a library as a binary asks for it.
fn file_name(library: &str) -> &str {
    library.rsplit(['/', '\\']).next().unwrap_or(library)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{Needed, Platform};

    #[test]
    fn recorded_paths_lead_from_the_library_or_from_the_disk() {
        let own = Place::file("/a/b/x.so");
        assert_eq!(
            expand(&own, None, "$ORIGIN/../lib/y"),
            Place::file("/a/lib/y")
        );
        assert_eq!(
            expand(&own, None, "/opt/./lib/y"),
            Place::file("/opt/lib/y")
        );
        let packed = Place::file("a!b.whl").member(b"tvm/lib/x.so", 1);
        assert_eq!(
            expand(&packed, None, "$ORIGIN/../../tvm_ffi/lib/y"),
            Place::file("a!b.whl").member(b"tvm_ffi/lib/y", 1)
        );
    }

    #[test]
    fn musl_takes_no_run_path_with_other_words() {
        let folders = |library: &str, paths: &str| {
            let binary = Binary {
                needed: vec![Needed {
                    name: library.to_owned(),
                    optional: false,
                }],
                search_paths: vec![paths.to_owned()],
                ..Binary::new(
                    Format::Elf,
                    BinaryKind::Program,
                    Architecture::Aarch64,
                    Platform::Linux,
                )
            };
            searched(&binary)
        };
        let (musl, own) = ("libc.musl-aarch64.so.1", "$ORIGIN/lib:${ORIGIN}");
        assert_eq!(folders(musl, own), ["$ORIGIN/lib", "${ORIGIN}"]);
        assert_eq!(folders(musl, "$ORIGIN/lib:/opt/${LIB}").len(), 0);
        let debian = "/opt/lib/aarch64-linux-gnu";
        let of_gnu = ["$ORIGIN", debian, "/opt/lib64", "/opt/lib"];
        assert_eq!(folders("libc.so.6", "$ORIGIN:/opt/${LIB}"), of_gnu);
    }

    #[test]
    fn the_family_ends_at_its_names() {
        assert!(is_family("libtvm_runtime.so"));
        assert!(is_family("@rpath/libtvm_ffi.dylib"));
        assert!(is_family("tvm.dll"));
        assert!(!is_family("libc.so.6"));
        assert!(!is_family("libtvmlike.so"));
    }
}
