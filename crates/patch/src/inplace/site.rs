//! The model libraries of a file with the place of each blob in it.

use std::ops::Range;

use artcheck_inspect::container::{self, Binary, BinaryKind, FileType, Format, Parsed, identify};
use artcheck_inspect::limits::MAX_JOINED_NAMES;
use artcheck_inspect::module::{Blob, ModelLibrary, locate};

use super::room::Behind;
use super::splice::index;
use super::{PlanError, archive, image};
use crate::plan::Room;

/// One model library and where its bytes are.
pub(super) struct Site {
    /// Archive member or slice; empty for the file itself.
    pub(super) member: String,
    /// Bytes of that member in the file.
    pub(super) within: Range<usize>,
    /// Facts of the binary that holds it.
    pub(super) binary: Binary,
    /// The library.
    pub(super) library: ModelLibrary,
    /// Its decoded blob.
    pub(super) blob: Blob,
    /// The bytes of the blob.
    pub(super) bytes: Vec<u8>,
    /// Where those lie.
    pub(super) place: Place,
    /// What it may grow into.
    pub(super) behind: Behind,
    /// Where the size of its section stands, if it ends with the section.
    pub(super) size_field: Option<Range<usize>>,
}

impl Site {
    /// Where the payload of a module begins inside the blob.
    pub(super) fn payload(&self, module: usize) -> usize {
        self.blob
            .modules
            .get(module)
            .map_or(0, |found| index(found.payload_offset))
    }
}

/// Where the bytes of a blob lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In one piece, from this offset in the file.
    File(usize),
    /// In segments of linear memory, from this address.
    Memory(u64),
}

impl Place {
    /// The number that names the blob in plans and receipts.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::File(offset) => offset as u64,
            Self::Memory(address) => address,
        }
    }
}

/// Every model library of a file that is not compressed.
pub(super) fn find(bytes: &[u8], rooms: &[Room]) -> Result<Vec<Site>, PlanError> {
    let mut sites = Vec::new();
    match archive::members(bytes)? {
        None => {
            sites_of(bytes, "", 0..bytes.len(), rooms, &mut sites)?;
        }
        Some(members) => {
            let mut objects = Vec::new();
            for member in members {
                let content = bytes.get(member.at.clone()).unwrap_or_default();
                // Only objects hold blobs here; AppleDouble files and text do not parse.
                if identify(content).is_binary() {
                    let start = member.at.start;
                    let binaries = sites_of(content, &member.name, member.at, rooms, &mut sites)?;
                    objects.extend(binaries.into_iter().map(|binary| (start, binary)));
                }
            }
            join(&mut sites, &objects)?;
        }
    }
    if sites.is_empty() {
        return Err(PlanError::NoLibrary(describe(bytes)));
    }
    Ok(sites)
}

/// The objects of an archive are one system library: each blob gets the names that its
/// neighbours define.
fn join(sites: &mut [Site], objects: &[(usize, Binary)]) -> Result<(), PlanError> {
    let objects = objects
        .iter()
        .filter(|(_, object)| object.kind == BinaryKind::Object);
    let names = objects.clone().fold(0usize, |sum, (_, object)| {
        sum.saturating_add(object.defined.len())
    });
    if names.saturating_mul(sites.len()) > MAX_JOINED_NAMES {
        return Err(PlanError::container(format!(
            "{} libraries in an archive of {names} names, too many to be taken together",
            sites.len()
        )));
    }
    for site in sites {
        for (start, object) in objects.clone() {
            if *start != site.within.start {
                site.library.add_host_names(object);
            }
        }
    }
    Ok(())
}

fn describe(bytes: &[u8]) -> &'static str {
    match identify(bytes) {
        FileType::Unknown => "a file of unknown type",
        other => other.describe(),
    }
}

/// Adds the model libraries of a file or member; gives the facts of its binaries.
fn sites_of(
    content: &[u8],
    member: &str,
    within: Range<usize>,
    rooms: &[Room],
    sites: &mut Vec<Site>,
) -> Result<Vec<Binary>, PlanError> {
    let unreadable = |error| PlanError::Unreadable {
        member: prefix(member),
        error,
    };
    let all = container::parse(content).map_err(unreadable)?;
    let several = all.len() > 1;
    for parsed in &all {
        let name = match (member, several) {
            (_, false) => member.to_owned(),
            ("", true) => slice_name(parsed),
            (_, true) => format!("{member}:{}", slice_name(parsed)),
        };
        for library in locate::find(parsed) {
            let blob = library.blob.clone().map_err(unreadable)?;
            sites.push(site(content, &name, &within, parsed, library, blob, rooms)?);
        }
    }
    Ok(all.into_iter().map(|parsed| parsed.binary).collect())
}

/// A member's name in front of a message.
pub(super) fn prefix(member: &str) -> String {
    if member.is_empty() {
        String::new()
    } else {
        format!("{member}: ")
    }
}

fn slice_name(parsed: &Parsed<'_>) -> String {
    format!("{:?} slice", parsed.binary.architecture).to_lowercase()
}

fn site(
    content: &[u8],
    member: &str,
    within: &Range<usize>,
    parsed: &Parsed<'_>,
    library: ModelLibrary,
    blob: Blob,
    rooms: &[Room],
) -> Result<Site, PlanError> {
    let moved = || PlanError::Container {
        member: prefix(member),
        reason: format!(
            "the blob at {:#x} of {} is in several pieces, as only WebAssembly has them",
            library.region_offset, library.region
        ),
    };
    let region = parsed.regions.iter().find(|region| {
        region.name == library.region
            && (parsed.binary.format == Format::Wasm
                || region.file_offset(library.region_offset) == Some(library.file_offset))
            && (region.data.len() as u64) >= library.region_offset.saturating_add(blob.length)
    });
    let region = region.ok_or_else(moved)?;
    let start = index(library.region_offset);
    let length = index(blob.length);
    let bytes = region
        .data
        .get(start..start.saturating_add(length))
        .ok_or_else(moved)?;
    let place = if parsed.binary.format == Format::Wasm {
        Place::Memory(region.address.saturating_add(library.region_offset))
    } else {
        let inside = index(library.file_offset);
        if content.get(inside..inside.saturating_add(length)) != Some(bytes) {
            return Err(moved());
        }
        Place::File(within.start.saturating_add(inside))
    };
    let left = image::left_unused(parsed, &library, &blob);
    let recorded = rooms.iter().find(|room| room.blob == place.number());
    let recorded = recorded.map_or(0, |room| index(room.length).saturating_sub(length));
    let padding = match place {
        Place::File(_) if left == 0 && recorded == 0 => image::padding(content, &library, &blob),
        _ => None,
    };
    let size_field = padding.as_ref().map(|padding| {
        let field = &padding.size_field;
        within.start.saturating_add(field.start)..within.start.saturating_add(field.end)
    });
    let padding = padding.map_or(0, |padding| padding.bytes);
    Ok(Site {
        member: member.to_owned(),
        within: within.clone(),
        binary: parsed.binary.clone(),
        bytes: bytes.to_vec(),
        place,
        behind: Behind {
            own: left.max(recorded),
            padding,
        },
        size_field,
        library,
        blob,
    })
}
