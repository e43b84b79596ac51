//! What a program of a scan loads, and where its loader finds that (ld.so(8)).
//!
//! For each name that a loaded file asks for, in the order of the requests: a library that
//! is loaded already under that name; the `DT_RPATH` of the file and of those that loaded
//! it, up to the program, where the file has no `DT_RUNPATH`; then its `DT_RUNPATH`, which
//! no other file takes. LD_LIBRARY_PATH and the system's own folders are not known.
//!
//! On Windows it is the program's folder, whoever asks; names have no case. Folders of the
//! system and of PATH are not known.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::file_found::{FileFound, look, mapped};
use super::libraries;
use crate::artifact::Artifact;
use crate::container::{Binary, BinaryKind, Format, InProcess, Needed, Platform, Refused};
use crate::parts::stem;
use crate::place::Place;

/// A loaded file.
struct Object<'a> {
    artifact: &'a Artifact,
    binary: &'a Binary,
    /// Who asked for it first.
    loader: Option<usize>,
}

/// Tells each file that a program among some artifacts loads where its loader finds what
/// the file asks for.
pub(crate) fn follow(artifacts: &mut [Artifact], outside: &mut [Artifact]) {
    let mut found: HashMap<Place, InProcess> = HashMap::new();
    {
        let all = || artifacts.iter().chain(outside.iter());
        let is_program = |one: &&Artifact| {
            let binary = one.binary.as_deref();
            let is_followed = |format| matches!(format, Format::Elf | Format::Pe);
            let is =
                |binary: &Binary| binary.kind == BinaryKind::Program && is_followed(binary.format);
            !one.path.is_member() && binary.is_some_and(is)
        };
        let programs: Vec<&Artifact> = all().filter(is_program).collect();
        if programs.is_empty() {
            return;
        }
        let files = Files {
            known: all().map(|one| (key(one), one)).collect(),
            real: OnceCell::new(),
        };
        for program in programs {
            for (place, told) in process(program, &files) {
                found.entry(place).or_insert(told);
            }
        }
    }
    for artifact in artifacts.iter_mut().chain(outside) {
        if let Some(told) = found.remove(&artifact.path)
            && let Some(binary) = &mut artifact.binary
        {
            Arc::make_mut(binary).process = Some(Arc::new(told));
        }
    }
}

/// The files of a scan, as loaders come to them.
struct Files<'a> {
    known: HashMap<Place, &'a Artifact>,
    /// The same by what they are, links aside.
    real: OnceCell<HashMap<PathBuf, &'a Artifact>>,
}

impl<'a> Files<'a> {
    fn get(&self, place: &Place) -> Option<&'a Artifact> {
        if let Some(known) = self.known.get(place) {
            return Some(known);
        }
        let is_link = !place.is_member() && place.path().exists();
        let real = is_link
            .then(|| place.path().canonicalize().ok())
            .flatten()?;
        let all = || {
            let files = self.known.values().filter(|one| one.path.is_whole_file());
            let files = files.filter_map(|one| Some((one.path.path().canonicalize().ok()?, *one)));
            files.collect()
        };
        self.real.get_or_init(all).get(&real).copied()
    }
}

/// What a file is found by.
fn key(artifact: &Artifact) -> Place {
    let binary = artifact.binary.as_deref();
    let is_windows = binary.is_some_and(|binary| binary.format == Format::Pe);
    let place = artifact.path.without_dots();
    match is_windows && !place.is_member() {
        true => without_case(&place),
        false => place,
    }
}

fn without_case(place: &Place) -> Place {
    let name = place.name().to_ascii_lowercase();
    place.beside(&name)
}

/// What one program loads, file by file.
fn process<'a>(program: &'a Artifact, files: &Files<'a>) -> Vec<(Place, InProcess)> {
    let Some(binary) = program.binary.as_deref() else {
        return Vec::new();
    };
    let mut loading = Loading {
        files,
        objects: vec![Object {
            artifact: program,
            binary,
            loader: None,
        }],
        named: HashMap::new(),
        lacking: Vec::new(),
        refused: Vec::new(),
        concerns_tvm: false,
    };
    let mut told: Vec<(Place, InProcess)> = Vec::new();
    while let Some(object) = loading.objects.get(told.len()) {
        let own = object.artifact.path.clone();
        let asked = InProcess {
            program: program.path.path().to_owned(),
            found: loading.needed_by(told.len()),
            lacking: Vec::new(),
            refused: Vec::new(),
        };
        told.push((own, asked));
    }
    if !loading.concerns_tvm {
        return Vec::new();
    }
    if let Some((_, first)) = told.first_mut() {
        first.lacking = loading.lacking;
        first.refused = loading.refused;
    }
    told
}

/// A program while it is loaded.
struct Loading<'f, 'a> {
    files: &'f Files<'a>,
    /// In the loader's order.
    objects: Vec<Object<'a>>,
    /// Libraries by the name they were asked for by, and by their own.
    named: HashMap<String, &'a Artifact>,
    /// Of TVM's libraries those that are not found, with the file that asks for each.
    lacking: Vec<(PathBuf, String)>,
    refused: Vec<Refused>,
    concerns_tvm: bool,
}

impl<'a> Loading<'_, 'a> {
    /// What an object asks for, by name, and where that is.
    fn needed_by(&mut self, index: usize) -> Vec<(String, PathBuf)> {
        let mut found = Vec::new();
        let Some(Object {
            artifact, binary, ..
        }) = self.objects.get(index)
        else {
            return found;
        };
        let (own, binary) = (*artifact, *binary);
        for needed in &binary.needed {
            let library = self.library(index, (own, binary), needed);
            found.extend(library.map(|path| (needed.name.clone(), path)));
        }
        found
    }

    /// Where a library is that an object asks for; loads it.
    fn library(
        &mut self,
        index: usize,
        (own, binary): (&Artifact, &Binary),
        needed: &Needed,
    ) -> Option<PathBuf> {
        let name = &needed.name;
        if let Some(loaded) = self.named.get(&spelled(name, binary.format)) {
            return Some(loaded.path.path().to_owned());
        }
        let is_family = libraries::is_family(name);
        self.concerns_tvm |= is_family;
        let asking = || own.path.path().to_owned();
        match first_met(places(&self.objects, index, name), binary, self.files) {
            Some(Ok(place)) => return Some(self.load(index, name, &place)),
            Some(Err((file, message))) if is_family => self.refused.push(Refused {
                asking: asking(),
                name: name.clone(),
                file: file.path().to_owned(),
                message,
            }),
            None if is_family && !needed.optional => self.lacking.push((asking(), name.clone())),
            Some(Err(_)) | None => {}
        }
        None
    }

    /// Loads a file for an object; its path as the disk spells it, where it was read.
    fn load(&mut self, loader: usize, name: &str, place: &Place) -> PathBuf {
        let file = self.files.get(place);
        let path = file.map_or(place, |file| &file.path).path().to_owned();
        if let Some((artifact, binary)) =
            file.and_then(|file| Some((file, file.binary.as_deref()?)))
        {
            self.objects.push(Object {
                artifact,
                binary,
                loader: Some(loader),
            });
            for name in [Some(name), binary.identity.as_deref()]
                .into_iter()
                .flatten()
            {
                let name = spelled(name, binary.format);
                self.named.entry(name).or_insert(artifact);
            }
        }
        path
    }
}

/// A name as the system compares it.
fn spelled(name: &str, format: Format) -> String {
    match format {
        Format::Pe => name.to_ascii_lowercase(),
        _ => name.to_owned(),
    }
}

/// The first of some places that the loader takes, or that it ends at.
fn first_met(
    places: Vec<Place>,
    binary: &Binary,
    files: &Files<'_>,
) -> Option<Result<Place, (Place, &'static str)>> {
    let mut places = places.into_iter();
    places.find_map(|place| match found_at(&place, binary, files) {
        FileFound::Nothing => None,
        FileFound::Library => Some(Ok(place)),
        FileFound::Refused(message) => Some(Err((place, message))),
    })
}

/// What the loader makes of a place where it looks.
fn found_at(place: &Place, binary: &Binary, files: &Files<'_>) -> FileFound {
    let known = files.get(place).map(|file| file.binary.as_ref());
    let is_same =
        |found: &Binary| found.format == binary.format && found.architecture == binary.architecture;
    let is_there = match known {
        Some(Some(found)) if is_same(found) => return mapped(found),
        _ if place.is_member() => false,
        _ if binary.format == Format::Elf && binary.platform == Platform::Linux => {
            return look(place.path(), binary);
        }
        Some(_) => false,
        None => place.path().is_file(),
    };
    match is_there {
        true => FileFound::Library,
        false => FileFound::Nothing,
    }
}

/// Where the loader looks for a name that a loaded file asks for, in order.
fn places(objects: &[Object<'_>], index: usize, needed: &str) -> Vec<Place> {
    let Some(object) = objects.get(index) else {
        return Vec::new();
    };
    if let (Format::Pe, Some(program)) = (object.binary.format, objects.first()) {
        return vec![without_case(&program.artifact.path.beside(needed))];
    }
    let own = libraries::candidates(&object.artifact.path, object.binary, needed);
    // Either all of a file's paths are DT_RUNPATH, or none.
    if needed.contains('/') || object.binary.has_runpath {
        return own;
    }
    let mut places = own;
    let mut next = object.loader;
    while let Some(object) = next.and_then(|index| objects.get(index)) {
        if !object.binary.has_runpath {
            let passed = libraries::candidates(&object.artifact.path, object.binary, needed);
            places.extend(passed);
        }
        next = object.loader;
    }
    places.iter().map(Place::without_dots).collect()
}

/// Whether a library is what tvm-ffi's Python loads before its binding.
pub(crate) fn is_loaded_by_python(library: &str) -> bool {
    stem(library) == "tvm_ffi"
}
