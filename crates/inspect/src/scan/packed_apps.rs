//! Applications of one file: programs that PyInstaller made with all that they need in
//! themselves, and zip archives, of which Python loads no library.

use std::collections::BTreeMap;

use super::ffi_package::{Files, PACKAGE};
use super::frozen;
use crate::container::pyinstaller;
use crate::place::Place;
use crate::runtime::installation::{Brings, Installation};
use crate::source::{all_members, map};

/// What is wrong with tvm-ffi in the files that some members lie in.
pub(super) fn look<'a>(members: impl Iterator<Item = &'a Place>) -> Vec<Installation> {
    let mut of_files: BTreeMap<Place, Files> = BTreeMap::new();
    for member in members {
        let Some(file) = member.archive().filter(|file| !file.is_member()) else {
            continue;
        };
        let package = file.member(PACKAGE.as_bytes(), 1);
        if member.is_below(&package) {
            of_files.entry(file).or_default().add(member, &package);
        }
    }
    let found = of_files.iter();
    found
        .filter_map(|(file, files)| in_file(file, files))
        .collect()
}

fn in_file(file: &Place, files: &Files) -> Option<Installation> {
    let new = |what: &str| {
        let place = file.member(PACKAGE.as_bytes(), 1);
        let mut found = Installation::new(place, format!("{PACKAGE} of this {what}"), Brings::Ffi);
        found.is_frozen = true;
        found
    };
    let ends = [b".pyz".as_slice(), b".pyzw"];
    if ends.iter().any(|end| file.raw_name().ends_with(end)) {
        let mut is_run = false;
        all_members(file, &mut |member| {
            is_run = member.name == b"__main__.py";
            !is_run
        });
        let mut found = new("archive");
        found.zipped = Some(files.library());
        return is_run.then_some(found);
    }
    let program = map::open(file.path()).ok()?;
    if pyinstaller::archive(&program).is_none() || !frozen::imports(&program) {
        return None;
    }
    let mut found = new("application");
    found.missing = files.missing();
    found.vital = found.missing.first().cloned();
    if !frozen::has_required(&program) {
        found.unmet.push(frozen::unmet());
    }
    (found.faults() > 0).then_some(found)
}
