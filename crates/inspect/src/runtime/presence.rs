//! Whether a library that a file needs is there: where its loader looks, on the machine that
//! the set claims to be, or where its package puts it in the file's environment.

use std::path::PathBuf;

use super::dependencies::{self, Dependencies};
use super::grouping;
use super::libraries;
use super::machine::Machine;
use super::system::{Brings, brings, is_at};
use crate::container::{Binary, BinaryKind, Format};
use crate::place::Place;
use crate::source::beginning::children;

/// Whether a needed library is there for the loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Where it looks.
    Found,
    /// In this folder of the environment, where it does not look: something must have
    /// loaded the library before, or LD_LIBRARY_PATH must name the folder.
    Beside(PathBuf),
    /// Not in the one place that the file names, which is in its own package or application.
    Gone,
    /// Not where it looks, as far as the paths go.
    Absent,
    /// Inside an archive, where the folders around it are not seen.
    Unknown,
}

/// Where a library is that a file needs.
pub(crate) fn presence(
    place: &Place,
    binary: &Binary,
    needed: &str,
    machine: Option<&Machine>,
    known: &Dependencies,
) -> Presence {
    let are_seen = known.are_seen(place);
    if are_seen && dependencies::is_found(place, binary, needed, machine, known) {
        return Presence::Found;
    }
    let places = libraries::candidates(place, binary, needed);
    let mut levels = places
        .iter()
        .flat_map(|one| libraries::of_levels(one, binary));
    // On processors that are new enough, which is told for itself.
    if levels.any(|file| file.is_file()) {
        return Presence::Found;
    }
    if are_seen && is_of_own_package(place, binary, needed) {
        return Presence::Gone;
    }
    if place.is_member() {
        return Presence::Unknown;
    }
    let Some(environment) = grouping::environment(place) else {
        return Presence::Absent;
    };
    let site = environment.path();
    let is_in = |folder: &PathBuf| is_at(&Place::file(folder.join(needed)), needed);
    if let Some(Brings::Toolkit(package) | Brings::Package(package)) = brings(needed, binary.format)
    {
        let folder = site.join(&package.folder);
        return match (is_in(&folder), package.is_of_toolkit()) {
            // Its package loads it before what asks for it.
            (true, false) => Presence::Found,
            (true, true) => Presence::Beside(folder),
            (false, _) => Presence::Absent,
        };
    }
    // Packages keep their libraries in their own folder, or in `lib` in it.
    let packages = children(site).into_iter();
    let mut folders = packages.flat_map(|package| [package.join("lib"), package]);
    folders
        .find(is_in)
        .map_or(Presence::Absent, Presence::Beside)
}

/// Whether a Mach-O file names a library by the way to it from its own folder, and that stays
/// in the package or the application that it is part of: nothing else brings that file.
fn is_of_own_package(place: &Place, binary: &Binary, needed: &str) -> bool {
    let is_way = match binary.kind {
        BinaryKind::Program => {
            needed.starts_with("@loader_path/") || needed.starts_with("@executable_path/")
        }
        _ => needed.starts_with("@loader_path/"),
    };
    let Some((_, way)) = needed
        .split_once('/')
        .filter(|_| is_way && binary.format == Format::MachO)
    else {
        return false;
    };
    let target = place.beside(way);
    match grouping::environment(place) {
        Some(around) => target.is_below(&around) && top(place, &around) == top(&target, &around),
        None => {
            let archive = place.archive();
            archive.is_some_and(|archive| top(place, &archive) == top(&target, &archive))
        }
    }
}

/// The folder right below another that a place is in.
fn top(place: &Place, outer: &Place) -> Option<Place> {
    let folders = place.folders();
    folders.take_while(|folder| folder != outer).last()
}
