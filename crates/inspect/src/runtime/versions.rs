//! Symbol versions that a library is found without: the loader refuses a file that
//! asks a library for a version which that library does not define.
//!
//! Only where the library is known: on the run path, in the set, or on the machine
//! that the set claims to be. One that defines no versions is taken for every version, unless
//! it says nothing of versions at all: the loader does not expect that (glibc's
//! `check_match`), and ends the process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::libraries::{self, Members, Resolution};
use super::load_set::LoadSet;
use super::system;
use crate::container::{self, Binary, CLibrary, Format};
use crate::place::Place;
use crate::source::map;

/// A version that a library does not define.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LackingVersion {
    /// The library that is found.
    pub library: PathBuf,
    /// The version asked of it.
    pub version: String,
    /// Whether the library says nothing of versions, and has a symbol that is asked for.
    pub ends_process: bool,
}

/// The versions that a file asks for in vain.
pub fn lacking(place: &Place, binary: &Binary, load_set: &LoadSet) -> Vec<LackingVersion> {
    // musl's loader reads no versions.
    let is_musl = matches!(binary.c_library(), Some((CLibrary::Musl, _)));
    if binary.format != Format::Elf || binary.version_needs.is_empty() || is_musl {
        return Vec::new();
    }
    let members = load_set.members.iter();
    let members =
        Members::of(members.map(|member| (&member.path, member.binary.identity.as_deref())));
    let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for need in &binary.version_needs {
        asked.entry(&need.library).or_default().push(&need.version);
    }
    let mut lacking = Vec::new();
    for (library, versions) in asked {
        let file = match libraries::resolve(place, binary, library, &members) {
            Resolution::OnPath { member } | Resolution::ElsewhereInSet { member, .. } => {
                let member = load_set.members.get(member);
                let path = member.map(|member| &member.path);
                path.filter(|path| !path.is_member())
                    .map(|path| path.path().to_owned())
            }
            Resolution::Absent { .. } | Resolution::External => {
                system::find(place, binary, library, load_set.machine.as_deref())
            }
        };
        let Some(file) = file else { continue };
        let Ok(bytes) = map::open(&file) else {
            continue;
        };
        let Ok(defined) = container::defined_versions(&bytes) else {
            continue;
        };
        if defined.is_empty() {
            let ends = asked_of(binary, library, &bytes);
            lacking.extend(ends.map(|version| LackingVersion {
                library: file,
                version,
                ends_process: true,
            }));
            continue;
        }
        let missing = versions
            .into_iter()
            .filter(|version| !defined.iter().any(|known| known == version));
        lacking.extend(missing.map(|version| LackingVersion {
            library: file.clone(),
            version: version.to_owned(),
            ends_process: false,
        }));
    }
    lacking
}

/// The version in which a symbol is asked of a library that has it, and says nothing of
/// versions.
fn asked_of(binary: &Binary, library: &str, bytes: &[u8]) -> Option<String> {
    if !container::is_without_versions(bytes) {
        return None;
    }
    let asked = binary.foreign.iter().filter_map(|symbol| {
        let version = symbol.version.as_ref()?;
        (version.library == library).then_some((symbol.name.as_str(), &version.version))
    });
    let (names, versions): (Vec<&str>, Vec<&String>) = asked.unzip();
    let defined = container::defines(bytes, &names).ok()?;
    let mut found = versions.into_iter().zip(defined);
    found.find_map(|(version, is_there)| is_there.then(|| version.clone()))
}
