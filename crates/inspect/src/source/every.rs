//! All members of archives, whatever their names, for who asks about folders that archives
//! become.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use super::image_folder::ImageFolder;
use super::streams::{gzip, most_unpacked};
use super::unpacked::Spilled;
use super::{Place, image, map};
use crate::container::{Body, FileType, Member, identify, zip};
use crate::limits::MAX_UNPACKED_BYTES;

/// Receives members; `false` ends the reading.
pub(crate) type Each<'v> = &'v mut dyn FnMut(Member<'_, '_>) -> bool;

/// Hands out the members of an archive, for each time that it is called; whether it was read
/// to its end, or to where it was ended.
pub(crate) type Members<'v> = &'v dyn Fn(Each<'_>) -> bool;

/// Hands out all members of a file; whether it was read to its end, or to where `visit`
/// ended it.
pub(crate) fn all_members(file: &Place, visit: Each<'_>) -> bool {
    match map::open(file.path()) {
        Ok(bytes) => members_of(file, &bytes, visit),
        Err(_) => ImageFolder::open(file.path()).is_some_and(|image| members_in(&image, visit)),
    }
}

/// The bytes of one member of a file that is an archive, in no more than `most` bytes.
pub(crate) fn member_bytes(place: &Place, most: u64) -> Option<Spilled> {
    let archive = place.archive().filter(Place::is_whole_file)?;
    let mut found = None;
    all_members(&archive, &mut |member| {
        if archive.member(&member.name, 1).without_dots() != *place {
            return true;
        }
        found = match member.body {
            Body::Stored(bytes) if bytes.len() as u64 <= most => {
                Spilled::of(bytes, &mut std::io::empty()).ok()
            }
            Body::Packed(stream) | Body::Holed(stream) if member.size <= most => {
                Spilled::of(&[], &mut Read::take(stream, most)).ok()
            }
            _ => None,
        };
        false
    });
    found.filter(|bytes| (bytes.len() as u64) < most)
}

fn members_in(image: &ImageFolder, visit: Each<'_>) -> bool {
    image.members(&mut |member| visit(member)).is_ok()
}

/// Hands out those of some archives in a file that are there, the file itself perhaps one of
/// them. However many they are, what is around them is read once.
pub(crate) fn archives_in(
    file: &Place,
    wanted: &BTreeSet<Place>,
    each: &mut dyn FnMut(&Place, Members<'_>),
) {
    let outer = wanted.iter().flat_map(|place| {
        let around = std::iter::successors(place.archive(), Place::archive);
        around.collect::<Vec<Place>>()
    });
    let outer: BTreeSet<Place> = outer.collect();
    let mut asked = Asked {
        wanted,
        outer: &outer,
        each,
    };
    if let Ok(bytes) = map::open(file.path()) {
        asked.archive(file, &|visit| members_of(file, &bytes, visit));
    } else if let Some(image) = ImageFolder::open(file.path()) {
        asked.archive(file, &|visit| members_in(&image, visit));
    }
}

/// The archives that are asked for.
struct Asked<'a> {
    wanted: &'a BTreeSet<Place>,
    /// Those around them.
    outer: &'a BTreeSet<Place>,
    each: &'a mut dyn FnMut(&Place, Members<'_>),
}

impl Asked<'_> {
    fn archive(&mut self, place: &Place, members: Members<'_>) {
        if self.wanted.contains(place) {
            (self.each)(place, members);
        }
        if !self.outer.contains(place) {
            return;
        }
        members(&mut |member: Member<'_, '_>| {
            let inner = place.member(&member.name, 1);
            if !self.wanted.contains(&inner) && !self.outer.contains(&inner) {
                return true;
            }
            match member.body {
                Body::Stored(bytes) => {
                    self.archive(&inner, &|visit| members_of(&inner, bytes, visit));
                }
                Body::Packed(stream) | Body::Holed(stream) => {
                    let mut stream = Read::take(stream, MAX_UNPACKED_BYTES);
                    if let Ok(unpacked) = Spilled::of(&[], &mut stream) {
                        self.archive(&inner, &|visit| members_of(&inner, &unpacked, visit));
                    }
                }
                Body::Absent(_) | Body::Link(..) | Body::Folder => {}
            }
            true
        });
    }
}

fn members_of(place: &Place, bytes: &[u8], visit: Each<'_>) -> bool {
    let read = match identify(bytes) {
        FileType::Tar => image::members(bytes, &mut |member| visit(member)),
        FileType::Zip => zip::members(bytes, &mut |member| visit(member)),
        FileType::Gzip => {
            let most = most_unpacked(bytes.len() as u64);
            let mut stream = Read::take(MultiGzDecoder::new(bytes), most);
            let read = gzip(place, &mut stream, &mut |member| visit(member));
            if stream.limit() == 0 {
                return false;
            }
            read
        }
        _ => Ok(()),
    };
    read.is_ok()
}
