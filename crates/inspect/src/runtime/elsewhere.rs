//! Symbols of other libraries than TVM's: whether anything that a file's process is
//! known to load defines them.
//!
//! A library that the file names and that is not found may define anything: then
//! nothing is said.

use std::collections::BTreeSet;

use super::dependencies::{self, Dependencies};
use super::libraries::Resolution;
use super::load_set::LoadSet;
use super::machine::Machine;
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
pub(crate) struct Lacking<'a> {
    /// As the file asks for it.
    pub(crate) symbol: &'a ForeignSymbol,
    /// A library of the system that the file names, and that may define it.
    pub(crate) may: Option<&'a str>,
}

/// The symbols that nothing defines, in the loader's order. A release has no load set.
pub(crate) fn missing<'a>(
    artifact: &'a Artifact,
    load_set: Option<&LoadSet>,
    companions: &[&Artifact],
    machine: Option<&Machine>,
    known: &Dependencies,
) -> Vec<Lacking<'a>> {
    let Some(binary) = artifact.binary.as_deref().filter(|_| is_asked(artifact)) else {
        return Vec::new();
    };
    let is_of_runtime = |symbol: &ForeignSymbol| match load_set {
        Some(load_set) => !load_set.providers_of(&symbol.name).is_empty(),
        None => RELEASED.contains(&symbol.name.as_str()),
    };
    let left = binary
        .foreign
        .iter()
        .filter(|symbol| symbol.library.is_none() && !is_of_runtime(symbol))
        .filter(|symbol| !system::defines(binary, symbol));
    let left: Vec<&ForeignSymbol> = left.collect();
    if left.is_empty() {
        return Vec::new();
    }
    // What a library of TVM's needs is loaded with it.
    let own = (&artifact.path, binary);
    let members = load_set.map_or_else(Vec::new, |set| named(own, &set.members));
    let asking: Vec<_> = members.into_iter().chain([own]).collect();
    let closure = dependencies::closure(&asking, machine, known);
    if closure.absent.is_some() {
        return Vec::new();
    }
    let beside = companions.iter().map(|companion| &companion.path);
    let files = closure.libraries.iter().map(|one| &one.place).chain(beside);
    let names = left.iter().map(|symbol| symbol.spelled()).collect();
    let Some(nowhere) = dependencies::defined_nowhere(names, files, known) else {
        return Vec::new();
    };
    let is_of_system = |symbol: &ForeignSymbol| {
        let mut libraries = closure.libraries.iter();
        libraries.any(|one| system::defines(&one.binary, symbol))
    };
    let missing = left
        .into_iter()
        .filter(|symbol| nowhere.contains(&symbol.spelled()) && !is_of_system(symbol));
    let told = missing.map(|symbol| Lacking {
        symbol,
        may: system::may_define(binary, symbol),
    });
    told.collect()
}

/// Whether the loader of a file is one of those that are known.
fn is_asked(artifact: &Artifact) -> bool {
    artifact.binary.as_deref().is_some_and(|binary| {
        let is_known = matches!(
            (binary.format, binary.platform),
            (Format::Elf, Platform::Linux) | (Format::MachO, Platform::MacOs)
        );
        is_known && binary.kind != BinaryKind::Object
    })
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
