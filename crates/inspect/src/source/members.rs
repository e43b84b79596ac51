//! Archive members as virtual files.
//!
//! Stored members are borrowed from the archive. Packed ones are unpacked one at a
//! time, unless a walk passes over such a name: into memory up to
//! [`MAX_MEMBER_IN_MEMORY`], larger binaries and archives into a temporary file.
//! Everything unpacked on behalf of one file is bounded by [`RATIO_FREE_BYTES`],
//! or where that is more by its size times [`MAX_UNPACK_RATIO`], and by
//! [`MAX_UNPACKED_BYTES`].

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use memchr::memmem;

use super::image_folder::ImageFolder;
use super::streams::{Metered, gzip, most_unpacked};
use super::unpacked::{SpillError, Spilled};
use super::walk::is_passed_over;
use super::{Event, Place, Problem, ProblemKind, VirtualFile, image, map};
use crate::container::{
    Body, FileType, InZip, Member, ar, fat_archives, identify, pyinstaller, zip,
};
use crate::error::DecodeError;
use crate::limits::{
    MAX_MEMBER_IN_MEMORY, MAX_MEMBER_NAME, MAX_MEMBERS, MAX_NESTING, MAX_UNPACK_RATIO,
    MAX_UNPACKED_BYTES, RATIO_FREE_BYTES,
};
use crate::words::spell;

/// Bytes that tell the type of a member that is not unpacked.
const HEAD: u64 = 4096;

/// Opens the file at `place` and hands out its bytes and those of its members.
pub fn visit(place: &Place, out: &mut dyn FnMut(Event<'_>)) {
    match map::open(place.path()) {
        Ok(bytes) => visit_bytes(place, &bytes, out),
        Err(error) => {
            if let Some(image) = ImageFolder::open(place.path()) {
                return visit_image(place, &image, out);
            }
            let kind = match error.kind() {
                io::ErrorKind::InvalidInput => ProblemKind::NotAFile,
                _ => ProblemKind::Unreadable,
            };
            let detail = error.to_string();
            out(Event::Problem(Problem {
                place: place.clone(),
                kind,
                detail,
                size: 0,
            }));
        }
    }
}

/// The same for bytes already in memory.
pub fn visit_bytes(place: &Place, bytes: &[u8], out: &mut dyn FnMut(Event<'_>)) {
    let left = Cell::new(most_unpacked(bytes.len() as u64));
    Visitor::new(&left, out).file(place, bytes, Level::default());
}

/// The same for an image of a container that is a folder.
fn visit_image(place: &Place, image: &ImageFolder, out: &mut dyn FnMut(Event<'_>)) {
    let left = Cell::new(most_unpacked(image.size));
    let mut visitor = Visitor::new(&left, out);
    let archive = Archive {
        place,
        size: image.size,
        depth: 1,
        is_counted: false,
        is_linked: false,
    };
    let read = image.members(&mut |member| visitor.member(&archive, member));
    visitor.ended(place, image.size, read);
}

/// Where bytes are, besides their place.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Archives around them.
    depth: usize,
    /// How a zip archive keeps them.
    in_zip: Option<InZip>,
}

/// An archive while its members are handed out.
struct Archive<'a> {
    place: &'a Place,
    size: u64,
    /// Archives around its members.
    depth: usize,
    /// Whether what is unpacked of it was counted before.
    is_counted: bool,
    /// Whether it is for linkers, which make no files of its members.
    is_linked: bool,
}

struct Visitor<'v> {
    out: &'v mut dyn FnMut(Event<'_>),
    /// Bytes that may still be unpacked.
    left: &'v Cell<u64>,
    members: usize,
    stopped: bool,
    /// How often each member was met, by a hash of its archive and name.
    met: HashMap<u64, u32, BuildHasherDefault<DefaultHasher>>,
}

impl<'v> Visitor<'v> {
    fn new(left: &'v Cell<u64>, out: &'v mut dyn FnMut(Event<'_>)) -> Self {
        Self {
            out,
            left,
            members: 0,
            stopped: false,
            met: HashMap::default(),
        }
    }

    /// Says why an archive was not read to its end.
    fn ended(&mut self, place: &Place, size: u64, read: Result<(), DecodeError>) {
        if self.left.get() == 0 {
            self.bomb(place, size);
        } else if let Err(error) = read {
            if error.expected == image::ONE_IMAGE {
                let detail = format!("it holds {}", error.found);
                return self.problem(place, size, ProblemKind::SeveralImages, detail);
            }
            let kind = if error.is_limit {
                ProblemKind::TooDeep
            } else {
                ProblemKind::DamagedArchive
            };
            self.problem(place, size, kind, error.to_string());
        }
    }

    fn file(&mut self, place: &Place, bytes: &[u8], level: Level) {
        let Level { depth, in_zip } = level;
        let file_type = identify(bytes);
        let of_machines = match file_type {
            FileType::MachOFat => fat_archives(bytes),
            _ => None,
        };
        // Its bytes are no Mach-O file: it is an archive of archives.
        let file_type = of_machines.as_ref().map_or(file_type, |_| FileType::Ar);
        let size = bytes.len() as u64;
        (self.out)(Event::File(VirtualFile {
            place,
            file_type,
            bytes,
            size,
            depth,
            in_zip,
        }));
        let behind = file_type.is_binary().then(|| pyinstaller::archive(bytes));
        let behind = behind.flatten();
        let is_zip_behind = file_type.is_binary() && behind.is_none() && zip::is_behind(bytes);
        if !file_type.is_archive() && behind.is_none() && !is_zip_behind {
            return;
        }
        if depth >= MAX_NESTING {
            let detail = format!("archives are opened {MAX_NESTING} deep");
            self.problem(place, size, ProblemKind::TooDeep, detail);
            return;
        }
        let left = self.left;
        let archive = Archive {
            place,
            size,
            depth: depth.saturating_add(1),
            // What a gzip stream yields is counted where it is unpacked.
            is_counted: file_type == FileType::Gzip,
            is_linked: matches!(file_type, FileType::Ar | FileType::ThinAr),
        };
        let mut visit = |member: Member<'_, '_>| self.member(&archive, member);
        let read = match (behind, file_type) {
            (Some(behind), _) => behind.members(&mut visit),
            (None, _) if is_zip_behind => zip::members(bytes, &mut visit),
            (None, _) if let Some(archives) = of_machines => {
                for (machine, bytes) in archives {
                    let name = spell(machine).into_bytes();
                    visit(Member::plain(name, bytes.len() as u64, Body::Stored(bytes)));
                }
                Ok(())
            }
            (None, FileType::Ar | FileType::ThinAr) => ar::members(bytes, &mut visit),
            (None, FileType::Tar) => image::members(bytes, &mut visit),
            (None, FileType::Zip) => zip::members(bytes, &mut visit),
            _ => {
                let stream = MultiGzDecoder::new(bytes);
                let mut metered = Metered {
                    inner: BufReader::with_capacity(64 << 10, stream),
                    left,
                };
                gzip(place, &mut metered, &mut visit)
            }
        };
        self.ended(place, size, read);
    }

    /// Whether to go on with the archive.
    fn member(&mut self, archive: &Archive<'_>, member: Member<'_, '_>) -> bool {
        if self.stopped {
            return false;
        }
        if matches!(member.body, Body::Folder) {
            return true;
        }
        self.members = self.members.saturating_add(1);
        if self.members > MAX_MEMBERS {
            let detail = format!("more than {MAX_MEMBERS} members");
            self.problem(archive.place, archive.size, ProblemKind::TooDeep, detail);
            self.stopped = true;
            return false;
        }
        if member.name.len() > MAX_MEMBER_NAME {
            let size = member.name.len();
            let detail = format!("a member has a name of {size} bytes; {MAX_MEMBER_NAME} are read");
            self.problem(archive.place, member.size, ProblemKind::TooDeep, detail);
            return true;
        }
        let leads_out = match archive.is_linked {
            true => None,
            false => leads_out(&member.name),
        };
        let can_matter = can_matter(&member.name);
        let nothing = match &member.body {
            // Import libraries hold thousands of members without code.
            Body::Stored(bytes) => match identify(bytes) {
                FileType::CoffImport => true,
                FileType::Bitcode | FileType::GccBytecode | FileType::Unknown => !can_matter,
                _ => false,
            },
            Body::Packed(_) | Body::Holed(_) | Body::Absent(_) | Body::Folder => !can_matter,
            Body::Link(target, is_soft) => {
                // Files of one package are one file with those of another environment.
                if !is_soft && can_matter && leads_out.is_none() {
                    let target = archive.place.member(target, 1);
                    let was_read = self.met.contains_key(&self.hash(&target));
                    let place = self.place(archive.place, &member.name);
                    (self.out)(Event::Link {
                        place,
                        target,
                        was_read,
                    });
                }
                return true;
            }
        };
        if nothing && leads_out.is_none() {
            if archive.place.raw_name().ends_with(b".whl") {
                self.passed_in_wheel(archive.place, member);
            }
            return !self.stopped;
        }
        let place = self.place(archive.place, &member.name);
        if let Some(detail) = leads_out {
            let kind = ProblemKind::UnsafeName;
            self.problem(&place, member.size, kind, detail.to_owned());
        }
        if !nothing {
            let level = Level {
                depth: archive.depth,
                in_zip: member.in_zip,
            };
            self.body(&place, member, level, archive.is_counted);
        }
        if self.left.get() == 0 {
            self.bomb(archive.place, archive.size);
        }
        !self.stopped
    }

    /// Says where Python source of a wheel, or what it says of itself, does not unpack: pip
    /// installs all of a wheel or nothing. Headers and the like would take three times as
    /// long as all else.
    fn passed_in_wheel(&mut self, wheel: &Place, member: Member<'_, '_>) {
        let Body::Packed(stream) = member.body else {
            return;
        };
        let is_pythons =
            member.name.ends_with(b".py") || memmem::find(&member.name, b".dist-info/").is_some();
        if !is_pythons || member.size > MAX_MEMBER_IN_MEMORY {
            return;
        }
        let left = self.left;
        let stream = Metered {
            inner: stream,
            left,
        };
        let mut stream = stream.take(MAX_MEMBER_IN_MEMORY);
        if let Err(error) = io::copy(&mut stream, &mut io::sink())
            && left.get() > 0
        {
            let place = self.place(wheel, &member.name);
            let detail = format!("it does not unpack: {error}; pip refuses the whole wheel");
            self.problem(&place, member.size, ProblemKind::DamagedArchive, detail);
        }
    }

    fn body(&mut self, place: &Place, member: Member<'_, '_>, level: Level, counted: bool) {
        match member.body {
            Body::Stored(bytes) => self.file(place, bytes, level),
            Body::Absent(why) => {
                let kind = if why.contains("thin") {
                    ProblemKind::ThinArchive
                } else {
                    ProblemKind::NotOpened
                };
                self.problem(place, member.size, kind, why.to_owned());
            }
            Body::Link(..) | Body::Folder => {}
            Body::Packed(stream) if counted => self.packed(place, member.size, stream, level),
            // Holes cost nothing in the archive, and are counted here.
            Body::Packed(stream) | Body::Holed(stream) => {
                let left = self.left;
                let mut stream = Metered {
                    inner: stream,
                    left,
                };
                self.packed(place, member.size, &mut stream, level);
            }
        }
    }

    /// The place of the next member called so. An archive may hold several.
    fn place(&mut self, archive: &Place, member: &[u8]) -> Place {
        let first = archive.member(member, 1);
        let met = self.met.entry(self.hash(&first)).or_default();
        *met = met.saturating_add(1);
        match *met {
            1 => first,
            number => archive.member(member, number),
        }
    }

    fn hash(&self, place: &Place) -> u64 {
        self.met.hasher().hash_one(place)
    }

    fn packed(&mut self, place: &Place, size: u64, stream: &mut dyn Read, level: Level) {
        // The compiler is no part of any verdict, and large.
        let is_needed = !place.name().contains("tvm_compiler");
        let wanted = if size > MAX_MEMBER_IN_MEMORY && !is_needed {
            HEAD
        } else {
            MAX_MEMBER_IN_MEMORY
        };
        // The stated size may lie: one byte more than is kept shows it.
        let limit = wanted.saturating_add(1);
        let room = size.saturating_add(1).min(limit);
        let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
        let read = Read::take(&mut *stream, limit).read_to_end(&mut bytes);
        if let Err(error) = read {
            return self.does_not_unpack(place, size, &error);
        }
        if bytes.len() as u64 <= wanted {
            return self.file(place, &bytes, level);
        }
        let file_type = identify(&bytes);
        let what = file_type.describe();
        if !is_needed {
            let detail = format!("{what} of {size} bytes, compressed: left packed");
            return self.problem(place, size, ProblemKind::NotInspected, detail);
        }
        if file_type == FileType::Zeros {
            let detail = format!("it begins with {limit} zeros: what follows was not looked at");
            return self.problem(place, size, ProblemKind::NotInspected, detail);
        }
        if !file_type.is_binary() && !file_type.is_archive() {
            // Nothing that is read further: its first bytes tell what it is.
            let size = size.max(bytes.len() as u64);
            return (self.out)(Event::File(VirtualFile {
                place,
                file_type,
                bytes: &bytes,
                size,
                depth: level.depth,
                in_zip: level.in_zip,
            }));
        }
        match Spilled::of(&bytes, stream) {
            Ok(spilled) => {
                drop(bytes);
                self.file(place, &spilled, level);
            }
            Err(SpillError::Read(error)) => self.does_not_unpack(place, size, &error),
            Err(SpillError::Write(error)) => {
                let detail = format!(
                    "{what} above {} MiB, compressed: it cannot be unpacked into {}, the folder \
                     for temporary files, which TMPDIR names ({error})",
                    MAX_MEMBER_IN_MEMORY >> 20,
                    std::env::temp_dir().display()
                );
                self.problem(place, size, ProblemKind::Unreadable, detail);
            }
        }
    }

    /// Said once of an archive that unpacks to too much.
    fn does_not_unpack(&mut self, place: &Place, size: u64, error: &io::Error) {
        if self.left.get() > 0 {
            let detail = format!("it does not unpack: {error}");
            self.problem(place, size, ProblemKind::DamagedArchive, detail);
        }
    }

    fn bomb(&mut self, place: &Place, size: u64) {
        if !self.stopped {
            let detail = format!(
                "it unpacks to more than {} MiB and {MAX_UNPACK_RATIO} times its size, or to \
                 more than {} MiB",
                RATIO_FREE_BYTES >> 20,
                MAX_UNPACKED_BYTES >> 20
            );
            self.problem(place, size, ProblemKind::Bomb, detail);
        }
        self.stopped = true;
    }

    /// Reports what has `size` bytes, as far as that is known.
    fn problem(&mut self, place: &Place, size: u64, kind: ProblemKind, detail: String) {
        (self.out)(Event::Problem(Problem {
            place: place.clone(),
            kind,
            detail,
            size,
        }));
    }
}

/// Whether an archive member may be one of TVM's Java classes.
pub(crate) fn is_tvm_class(name: &[u8]) -> bool {
    name.ends_with(b".class") && memchr::memmem::find(name, b"org/apache/tvm/").is_some()
}

fn can_matter(name: &[u8]) -> bool {
    if is_tvm_class(name) {
        return true;
    }
    let name = String::from_utf8_lossy(name);
    let name = name.rsplit(['/', '\\']).next().unwrap_or(&name);
    match name.rsplit_once('.') {
        None => true,
        Some((_, suffix)) => !is_passed_over(suffix),
    }
}

/// What is wrong with a name that leads out of the folder it is unpacked to.
pub(crate) fn leads_out(name: &[u8]) -> Option<&'static str> {
    let leads = |is_separator: fn(&u8) -> bool| {
        name.first().is_some_and(is_separator) || name.split(is_separator).any(|part| part == b"..")
    };
    if leads(|byte| *byte == b'/') {
        return Some("the name is absolute or climbs out with `..`: do not unpack this archive");
    }
    let on_windows = leads(|byte| matches!(byte, b'/' | b'\\')) || name.get(1..3) == Some(b":\\");
    on_windows.then_some(
        "to Windows the name is absolute or climbs out with `..`: do not unpack this archive there",
    )
}
