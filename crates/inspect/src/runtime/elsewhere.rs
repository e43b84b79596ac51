//! Symbols of other libraries than TVM's: whether anything that a file's process is
//! known to load defines them.
//!
//! A library that the file names and that is not found may define anything: then
//! nothing is said. On disk libraries are asked through their own lookup tables.

use std::collections::BTreeSet;

use super::libraries::Resolution;
use super::load_set::LoadSet;
use super::member::Member;
use super::{libraries, system};
use crate::artifact::Artifact;
use crate::container::{self, Binary, BinaryKind, ForeignSymbol, Format, Platform};
use crate::place::Place;
use crate::source::map;

/// What every release's runtime defines for compiled models.
pub(crate) const RELEASED: [&str; 5] = [
    "__gnu_f2h_ieee",
    "__gnu_h2f_ieee",
    "__truncdfhf2",
    "__truncsfhf2",
    "__extendhfsf2",
];

/// A symbol that nothing defines whose symbols are known.
pub struct Lacking<'a> {
    /// As the file asks for it.
    pub symbol: &'a ForeignSymbol,
    /// A library of the system that the file names, and that may define it.
    pub may: Option<&'a str>,
}

/// The symbols that nothing defines, in the loader's order. A release has no load set.
pub fn missing<'a>(
    artifact: &'a Artifact,
    load_set: Option<&LoadSet>,
    companions: &[&Artifact],
) -> Vec<Lacking<'a>> {
    let Some(binary) = artifact.binary.as_deref() else {
        return Vec::new();
    };
    let missing = undefined(artifact, binary, load_set, companions).into_iter();
    let told = missing.map(|symbol| Lacking {
        symbol,
        may: system::may_define(binary, symbol),
    });
    told.collect()
}

fn undefined<'a>(
    artifact: &'a Artifact,
    binary: &'a Binary,
    load_set: Option<&LoadSet>,
    companions: &[&Artifact],
) -> Vec<&'a ForeignSymbol> {
    let is_asked = matches!(
        (binary.format, binary.platform),
        (Format::Elf, Platform::Linux) | (Format::MachO, Platform::MacOs)
    );
    if !is_asked || binary.kind == BinaryKind::Object {
        return Vec::new();
    }
    let is_of_runtime = |symbol: &ForeignSymbol| match load_set {
        Some(load_set) => !load_set.providers_of(&symbol.name).is_empty(),
        None => RELEASED.contains(&symbol.name.as_str()),
    };
    let left = binary
        .foreign
        .iter()
        .filter(|symbol| symbol.library.is_none() && !is_of_runtime(symbol))
        .filter(|symbol| !system::defines(binary, symbol));
    let mut left: Vec<&ForeignSymbol> = left.collect();
    if left.is_empty() {
        return left;
    }
    // What a library of TVM's needs is loaded with it.
    let own = (&artifact.path, binary);
    let members = load_set.map_or_else(Vec::new, |set| named(own, &set.members));
    let asking = members.into_iter().chain([own]);
    let needed: Option<Vec<Vec<Place>>> =
        asking.map(|(place, binary)| found(place, binary)).collect();
    let beside = companions.iter().map(|companion| companion.path.clone());
    let Some(needed) = needed else {
        return Vec::new();
    };
    match drop_defined(needed.into_iter().flatten().chain(beside), &mut left) {
        true => left,
        false => Vec::new(),
    }
}

/// The parts of a set that a file names, and those that they name.
fn named<'a>(own: (&'a Place, &'a Binary), members: &'a [Member]) -> Vec<(&'a Place, &'a Binary)> {
    let parts = members
        .iter()
        .map(|member| (&member.path, member.binary.identity.as_deref()));
    let parts = libraries::Members::of(parts);
    let mut found = BTreeSet::new();
    let mut asking = vec![own];
    let mut all = Vec::new();
    while let Some((place, binary)) = asking.pop() {
        for needed in &binary.needed {
            let (Resolution::OnPath { member } | Resolution::ElsewhereInSet { member, .. }) =
                libraries::resolve(place, binary, &needed.name, &parts)
            else {
                continue;
            };
            if let Some(part) = members.get(member).filter(|_| found.insert(member)) {
                all.push((&part.path, &part.binary));
                asking.push((&part.path, &part.binary));
            }
        }
    }
    all
}

/// Which of some symbols a library of TVM's defines that a file names, and that is no part
/// of a set: tirx has a compiler of its own name.
pub fn in_needed(place: &Place, binary: &Binary, load_set: &LoadSet, names: &[&str]) -> Vec<bool> {
    let mut defined = vec![false; names.len()];
    let family = binary
        .needed
        .iter()
        .filter(|one| libraries::is_family(&one.name));
    for needed in family {
        let places = match load_set.machine {
            Some(_) => libraries::candidates(place, binary, &needed.name),
            None => libraries::beside(place, binary, &needed.name),
        };
        let file = places
            .into_iter()
            .find(|one| !one.is_member() && one.path().is_file());
        let is_member = |file: &Place| load_set.members.iter().any(|one| one.path == *file);
        let Some(file) = file.filter(|file| !is_member(file)) else {
            continue;
        };
        let found = map::open(file.path()).ok();
        let found = found.and_then(|bytes| container::defines(&bytes, names).ok());
        for (defined, found) in defined.iter_mut().zip(found.into_iter().flatten()) {
            *defined |= found;
        }
    }
    defined
}

/// Drops what some libraries and those that they name define; whether all of them
/// are known.
fn drop_defined(libraries: impl Iterator<Item = Place>, left: &mut Vec<&ForeignSymbol>) -> bool {
    let mut seen: BTreeSet<Place> = BTreeSet::new();
    let mut asked: Vec<Place> = libraries.collect();
    while let Some(library) = asked.pop() {
        if !seen.insert(library.clone()) {
            continue;
        }
        if library.is_member() {
            return false;
        }
        let Ok(bytes) = map::open(library.path()) else {
            return false;
        };
        let names: Vec<String> = left.iter().map(|symbol| symbol.spelled()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (Ok(defined), Ok(slices)) =
            (container::defines(&bytes, &names), container::parse(&bytes))
        else {
            return false;
        };
        let mut defined = defined.into_iter();
        left.retain(|_| defined.next() != Some(true));
        for slice in slices {
            left.retain(|symbol| !system::defines(&slice.binary, symbol));
            match found(&library, &slice.binary) {
                Some(more) => asked.extend(more),
                None => return false,
            }
        }
    }
    true
}

/// Where the libraries lie that a file names, less TVM's and the system's; `None`
/// where one is not found.
fn found(place: &Place, binary: &Binary) -> Option<Vec<Place>> {
    let others = binary
        .needed
        .iter()
        .filter(|needed| !libraries::is_family(&needed.name) && !system::is_base(&needed.name));
    let find = |name: &str| {
        let mut places = libraries::candidates(place, binary, name).into_iter();
        places.find(|place| place.is_member() || place.path().is_file())
    };
    others.map(|needed| find(&needed.name)).collect()
}
