//! One file to its artifacts and runtime members: container, blob, role.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use super::file_facts::FileFacts;
use super::join_objects::join_archive_objects;
use super::weight::{ARTIFACT, SYMBOL, weight};
use super::{packages, static_parts, strange};
use crate::artifact::{Artifact, Libraries, Problem, ProblemKind, Role};
use crate::container::{self, Architecture, Binary, FileType, Parsed};
use crate::error::DecodeError;
use crate::limits::MAX_FACTS;
use crate::module::{self, ModelLibrary, Payload, locate};
use crate::parts::{self, PartKind};
use crate::place::Place;
use crate::runtime::binary::Registered;
use crate::runtime::java;
use crate::runtime::member::Member;
use crate::runtime::strings::Exclusion;
use crate::source::beginning::first_bytes;
use crate::source::{self, Event, VirtualFile, is_artifact_suffix};

/// Takes facts in while a file is read.
#[derive(Default)]
struct Reader {
    facts: FileFacts,
    /// Whether compilers may be left unlisted, and code unread.
    later: bool,
    /// Whether something was left out for that.
    is_cut: bool,
    /// Memory, roughly, that all this takes, findings and verdicts included.
    weight: usize,
    /// Bytes of the file itself.
    whole: u64,
    /// Objects that are linked with a library.
    objects: Vec<Member>,
    /// Artifacts that are only a problem so far: archives may have hundreds of
    /// thousands.
    alone: HashMap<Place, usize>,
    /// The artifacts in archives with links, by their places, as far as they are listed.
    by_place: HashMap<Place, usize>,
    listed: usize,
}

impl Reader {
    /// Takes what a file or its archive holds, up to [`MAX_FACTS`] of it.
    fn take(&mut self, event: Event<'_>) {
        let full = self.weight > MAX_FACTS;
        match event {
            Event::File(file) if full && file.depth > 0 => self.is_full(file.place),
            Event::File(file) => {
                if file.depth == 0 {
                    self.whole = file.size;
                }
                read_file(&file, self);
            }
            Event::Problem(problem) if full => self.is_full(&problem.place),
            Event::Problem(problem) => add_problem(problem, self),
            Event::Link { place, .. } if full => self.is_full(&place),
            Event::Link {
                place,
                target,
                was_read,
            } => self.link(place, &target, was_read),
        }
    }

    /// Takes what a member is for what a hard link to it is, where that is the same under
    /// the other name. Else it would have to be read again, which cannot be done here.
    fn link(&mut self, place: Place, target: &Place, was_read: bool) {
        let artifacts = self.facts.artifacts.iter().enumerate();
        for (index, artifact) in artifacts.skip(self.listed) {
            self.by_place.entry(artifact.path.clone()).or_insert(index);
        }
        self.listed = self.facts.artifacts.len();
        let index = self.by_place.get(target);
        let artifact = index.and_then(|index| self.facts.artifacts.get(*index));
        let is_same = artifact.is_some_and(|artifact| is_same_under(artifact, target, &place));
        let Some(artifact) = artifact.filter(|_| is_same) else {
            let is_library = suffix(&place.name()).is_some_and(|end| is_artifact_suffix(&end));
            // What was read and is no artifact is none under this name.
            let concerns_tvm = artifact.is_some_and(|one| one.role != Role::Unrelated);
            if concerns_tvm || (is_library && !was_read) {
                let detail = format!("it is a hard link to {target}, and was not read as such");
                let problem = Problem {
                    kind: ProblemKind::NotOpened,
                    detail,
                    offset: None,
                };
                note(place, 0, problem, self);
            }
            return;
        };
        let artifact = Artifact {
            path: place.clone(),
            ..artifact.clone()
        };
        if artifact.part.is_some() {
            let members = self.facts.members.iter();
            let members = members.filter(|member| member.path == *target);
            let members: Vec<Member> = members
                .map(|member| member.in_place(place.clone()))
                .collect();
            self.facts.members.extend(members);
        }
        self.push(artifact);
    }

    /// Says once of the archive that what follows in it is not looked at.
    fn is_full(&mut self, member: &Place) {
        if self.is_cut {
            return;
        }
        self.is_cut = true;
        let problem = Problem {
            kind: ProblemKind::Limit,
            detail: format!(
                "too much is found in it: {member} and what follows is not looked at; \
                 unpack the archive and scan the folder"
            ),
            offset: None,
        };
        note(member.whole_file(), self.whole, problem, self);
    }

    /// Adds what was read. A problem with its name may have come before it.
    fn push(&mut self, mut artifact: Artifact) {
        self.weight = self.weight.saturating_add(weight(&artifact));
        match self.facts.artifacts.last_mut() {
            Some(last) if last.path == artifact.path && last.binary.is_none() => {
                artifact.problems.splice(0..0, last.problems.drain(..));
                *last = artifact;
            }
            _ => self.facts.artifacts.push(artifact),
        }
    }

    /// What was taken in, the objects of each archive together.
    fn finish(mut self) -> FileFacts {
        join_archive_objects(&mut self.facts.artifacts);
        let parts = static_parts::join(self.objects, &mut self.facts.artifacts);
        self.facts.members.extend(parts);
        self.facts.artifacts.shrink_to_fit();
        self.facts
    }
}

/// Suffixes of what a process opens as it is.
const LOADED_SUFFIXES: [&str; 6] = ["so", "dylib", "dll", "pyd", "node", "wasm"];

/// Reads one file with everything inside it. With `later` the exports
/// of a compiler are left for [`super::exports`], and code for [`super::registered`].
pub(super) fn facts(place: &Place, later: bool) -> FileFacts {
    let mut reader = Reader {
        later,
        ..Reader::default()
    };
    source::visit(place, &mut |event| reader.take(event));
    reader.finish()
}

/// The same for a file whose bytes are in memory.
pub(super) fn facts_of_bytes(place: &Place, bytes: &[u8]) -> FileFacts {
    let mut reader = Reader::default();
    source::visit_bytes(place, bytes, &mut |event| reader.take(event));
    reader.finish()
}

/// What a hard link to a file that was read holds. What a file is may depend on its name:
/// where it would, under the other one, it is read again.
pub(super) fn facts_of_link(
    found: &FileFacts,
    file: &Place,
    link: &Place,
    later: bool,
) -> FileFacts {
    let is_plain = found.packages.is_empty() && found.natives.is_empty();
    let mut artifacts = found.artifacts.iter();
    let is_same = match file.raw_name() == link.raw_name() {
        true => parts::comes_with_a_runtime(file) == parts::comes_with_a_runtime(link),
        // Wheels and jars say by their names what they are.
        false => {
            is_plain && artifacts.all(|one| one.path.is_member() || is_same_under(one, file, link))
        }
    };
    match is_same {
        true => found.in_link(link.path()),
        false => facts(link, later),
    }
}

/// Whether what was read of a file would be the same under the name of a link.
fn is_same_under(artifact: &Artifact, file: &Place, link: &Place) -> bool {
    let (own, other) = (file.name(), link.name());
    let of_names = || {
        let binary = artifact.binary.as_deref();
        suffix(&own) == suffix(&other)
            && binary.is_none_or(|binary| {
                parts::classify(binary, &own) == parts::classify(binary, &other)
            })
    };
    parts::comes_with_a_runtime(file) == parts::comes_with_a_runtime(link)
        && (own == other || of_names())
}

fn read_file(file: &VirtualFile<'_>, reader: &mut Reader) {
    let file_type = file.file_type;
    if file_type.is_binary() {
        match container::parse(file.bytes) {
            Ok(slices) => read_slices(file, slices, reader),
            Err(error) => {
                let mut problem = Problem::of(&error, &file_type.describe());
                strange::weigh(&mut problem, file.place, file.bytes);
                reader.push(unreadable(file, problem));
            }
        }
    } else if let Some(kind) = named_as_library(file) {
        reader.push(unreadable(file, problem_of(kind, file)));
    } else if let Some(package) = packages::in_wheel(file.place, file.bytes) {
        reader.facts.packages.push(package);
    } else if let Some(natives) = java::natives(file.place, file.bytes) {
        reader.weight = reader.weight.saturating_add(ARTIFACT);
        reader.facts.natives.push(natives);
    } else if matches!(file_type, FileType::Sealed(_)) && !is_control(file.place) {
        reader.push(unreadable(file, problem_of(ProblemKind::NotOpened, file)));
    } else if let Some(kind) = impostor(file) {
        reader.push(unreadable(file, problem_of(kind, file)));
    }
}

/// Whether a packed file is what a Debian package says of itself: it holds no library.
fn is_control(place: &Place) -> bool {
    let archive = place.archive();
    let is_deb = archive.is_some_and(|archive| archive.raw_name().ends_with(b".deb"));
    is_deb && place.raw_name().starts_with(b"control.tar.")
}

/// What follows the last dot, in small letters: also where nothing is before it.
fn suffix(name: &str) -> Option<String> {
    let (_, suffix) = name.rsplit_once('.')?;
    Some(suffix.to_ascii_lowercase())
}

/// Something else under an artifact's name.
fn impostor(file: &VirtualFile<'_>) -> Option<ProblemKind> {
    let suffix = suffix(&file.place.name())?;
    if !is_artifact_suffix(&suffix) {
        return None;
    }
    // Compilers for the web bring archives of them by the hundred.
    let is_strange = || file.depth > 0 && !strange::shows_tvm(file.bytes);
    match file.file_type {
        FileType::Empty | FileType::Zeros => Some(ProblemKind::Empty),
        FileType::LfsPointer => Some(ProblemKind::LfsPointer),
        FileType::Html => Some(ProblemKind::WebPage),
        FileType::AppleDouble => Some(ProblemKind::AppleDouble),
        FileType::LinkerScript => Some(ProblemKind::LinkerScript),
        FileType::Bitcode | FileType::GccBytecode if is_strange() => None,
        FileType::Unknown if is_nearly_elf(file.bytes) => Some(ProblemKind::Corrupt),
        FileType::Bitcode | FileType::GccBytecode | FileType::Unknown => {
            Some(ProblemKind::Unsupported)
        }
        _ => None,
    }
}

/// Whether bytes are those of an ELF file but for its first four.
fn is_nearly_elf(bytes: &[u8]) -> bool {
    let Some((magic, [class, order, version, ..])) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    let same = magic
        .iter()
        .zip(b"\x7fELF")
        .filter(|(one, other)| one == other);
    same.count() > 1 && matches!((class, order, version), (1 | 2, 1 | 2, 1))
}

/// An archive, or something packed, under the name of what a process opens as it is.
fn named_as_library(file: &VirtualFile<'_>) -> Option<ProblemKind> {
    let suffix = suffix(&file.place.name())?;
    if !LOADED_SUFFIXES.contains(&suffix.as_str()) {
        return None;
    }
    match file.file_type {
        FileType::Sealed(_) => Some(ProblemKind::PackedAsLibrary),
        archive if archive.is_archive() => Some(ProblemKind::ArchiveAsLibrary),
        _ => None,
    }
}

/// What the bytes are instead.
fn problem_of(kind: ProblemKind, file: &VirtualFile<'_>) -> Problem {
    Problem {
        kind,
        detail: format!("{}, {} bytes", file.file_type.describe(), file.size),
        offset: None,
    }
}

fn unreadable(file: &VirtualFile<'_>, problem: Problem) -> Artifact {
    Artifact::unread(file.place.clone(), file.size, problem)
}

fn read_slices(file: &VirtualFile<'_>, slices: Vec<Parsed<'_>>, reader: &mut Reader) {
    let several = slices.len() > 1;
    let all: Vec<Architecture> = slices.iter().map(|one| one.binary.architecture).collect();
    for mut parsed in slices {
        let own = parsed.binary.architecture;
        let others = all.iter().copied().filter(|other| *other != own);
        parsed.binary.other_slices = others.collect();
        let place = if several {
            file.place.slice(parsed.binary.architecture)
        } else {
            file.place.clone()
        };
        read_slice(place, file, parsed, reader);
    }
}

fn read_slice(place: Place, file: &VirtualFile<'_>, parsed: Parsed<'_>, reader: &mut Reader) {
    let part = parts::classify(&parsed.binary, &file.place.name());
    let is_plain_part = part
        .as_ref()
        .is_some_and(|part| *part != PartKind::WasmRuntime);
    // A runtime part holds the VM magic in its code; it is no model library.
    let libraries = if is_plain_part {
        Vec::new()
    } else {
        locate::find(&parsed)
    };
    let mut libraries = libraries;
    for library in &mut libraries {
        module::read_device_needs(&parsed, library);
    }
    let mut problems: Vec<Problem> = libraries.iter().flat_map(limits_of).collect();
    // Hashing reads every page: of the files a project ships, not of the
    // runtimes and what comes with them, which are large and come signed.
    let is_client = uses_tvm(&parsed.binary) && !parts::comes_with_a_runtime(file.place);
    if part.is_none() && (!libraries.is_empty() || is_client) {
        problems.extend(signature_problem(file.bytes, &parsed));
    }
    let start = usize::try_from(parsed.slice_offset).unwrap_or(usize::MAX);
    let data = file.bytes.get(start..).unwrap_or_default();
    if libraries.is_empty() && static_parts::is_object(&parsed.binary) {
        match Member::read(
            &place,
            PartKind::Objects,
            data,
            &parsed,
            &[],
            Registered::Followed,
        ) {
            Ok(object) => {
                let names = object.exports.len().saturating_mul(SYMBOL);
                reader.weight = reader.weight.saturating_add(names);
                reader.objects.push(object);
            }
            Err(error) => problems.push(Problem::of(&error, &"the object's symbols")),
        }
    }
    if let Some(part) = &part {
        let exclude = Exclusion::of(&parsed, &libraries);
        problems.extend(read_part(&place, part, data, &parsed, &exclude, reader));
    }
    let kernels = match libraries.is_empty() && part.is_none() {
        true => locate::kernels_alone(&parsed),
        false => None,
    };
    let role = if !libraries.is_empty() {
        Role::ModelLibrary
    } else if part.is_some() {
        Role::RuntimePart
    } else if uses_tvm(&parsed.binary) {
        Role::Client
    } else {
        Role::Unrelated
    };
    if role == Role::Unrelated && strange::has_lost_its_tables(&parsed.binary, data) {
        problems.push(strange::lost_tables());
    }
    reader.push(Artifact {
        path: place,
        size: file.size,
        role,
        part,
        binary: Some(Arc::new(parsed.binary)),
        in_zip: file.in_zip,
        libraries: Libraries::from(libraries),
        kernels: kernels.map(|one| vec![one].into()).unwrap_or_default(),
        problems,
    });
}

/// Adds a part of a runtime to what was read, or says why it is not.
fn read_part(
    place: &Place,
    part: &PartKind,
    data: &[u8],
    parsed: &Parsed<'_>,
    exclude: &[Exclusion],
    reader: &mut Reader,
) -> Option<Problem> {
    // One slice of a file that can be opened again.
    let later = reader.later && place.is_whole_file();
    let registered = match later && exclude.is_empty() {
        true => Registered::Strings,
        false => Registered::Followed,
    };
    if later && *part == PartKind::Compiler {
        reader.facts.unlisted.push(place.clone());
        let member = Member::read_unlisted(place, part.clone(), parsed, exclude, registered);
        reader.facts.members.push(member);
        return None;
    }
    match Member::read(place, part.clone(), data, parsed, exclude, registered) {
        Ok(member) => {
            reader.facts.members.push(member);
            None
        }
        Err(error) => Some(Problem::of(&error, part)),
    }
}

/// The limits that parts of a library went over: what they hold is not decided.
fn limits_of(library: &ModelLibrary) -> Vec<Problem> {
    let problem = |error: &DecodeError, at: u64, what: &dyn Display| {
        error
            .is_limit
            .then(|| Problem::of(&error.clone().rebase(at), what))
    };
    let start = library.file_offset;
    match &library.blob {
        Err(error) => problem(error, start, &"the module blob")
            .into_iter()
            .collect(),
        Ok(blob) => {
            let undecodable = blob.modules.iter().filter_map(|module| {
                let Payload::Undecodable { error } = &module.payload else {
                    return None;
                };
                let at = start.saturating_add(module.payload_offset);
                problem(error, at, &format_args!("the `{}` module", module.kind))
            });
            undecodable.collect()
        }
    }
}

/// What a code signature does not vouch for.
fn signature_problem(bytes: &[u8], parsed: &Parsed<'_>) -> Option<Problem> {
    let start = usize::try_from(parsed.slice_offset).ok()?;
    let broken = container::broken_signature(bytes.get(start..)?)?;
    Some(Problem {
        kind: ProblemKind::BrokenSignature,
        detail: broken.to_string(),
        offset: Some(parsed.slice_offset.saturating_add(broken.offset())),
    })
}

fn uses_tvm(binary: &Binary) -> bool {
    !binary.undefined.is_empty() || !binary.defined.is_empty()
}

fn add_problem(problem: source::Problem, reader: &mut Reader) {
    let (place, size) = (problem.place.clone(), problem.size);
    let mut problem = Problem::from(problem);
    if place.is_whole_file() && strange::is_strange_name(&place.name()) {
        let start = first_bytes(place.path(), strange::MOST).unwrap_or_default();
        strange::weigh(&mut problem, &place, &start);
    }
    note(place, size, problem, reader);
}

fn note(place: Place, size: u64, problem: Problem, reader: &mut Reader) {
    reader.weight = reader.weight.saturating_add(ARTIFACT);
    // Only a compiler is ever left out for that.
    let is_needless = problem.kind == ProblemKind::NotNeeded;
    let artifacts = &mut reader.facts.artifacts;
    let about = match artifacts.last() {
        Some(last) if last.path == place => artifacts.len().checked_sub(1),
        _ => reader.alone.get(&place).copied(),
    };
    match about.and_then(|index| artifacts.get_mut(index)) {
        Some(artifact) => artifact.problems.push(problem),
        None => {
            reader.alone.insert(place.clone(), artifacts.len());
            let mut artifact = Artifact::unread(place, size, problem);
            if is_needless {
                artifact.role = Role::RuntimePart;
                artifact.part = Some(PartKind::Compiler);
            }
            artifacts.push(artifact);
        }
    }
}
