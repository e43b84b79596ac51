//! From changes of blobs to bytes of the file, and to the list of edits.

use artcheck_inspect::container::Format;
use artcheck_inspect::module::BlobLayout;

use super::room::{self, Sources};
use super::site::{self, Place, Site};
use super::splice::{self, Splice, growth};
use super::{PlanError, archive, sign, wasm};
use crate::plan::{Change, Edit, EditPlan, LibraryChange, Resign, Room};

/// A file that is being changed in memory.
pub(super) struct Draft<'a> {
    file: &'a [u8],
    /// What the file unpacks to, if it is compressed.
    unpacked: Option<Vec<u8>>,
    new: Vec<u8>,
    edits: Vec<Edit>,
    libraries: Vec<LibraryChange>,
    room: Vec<Room>,
    /// Mach-O images: member and the bytes they take.
    images: Vec<(String, std::ops::Range<usize>)>,
}

impl<'a> Draft<'a> {
    /// Reads a file; the model libraries in it.
    pub(super) fn open(file: &'a [u8], rooms: &[Room]) -> Result<(Self, Vec<Site>), PlanError> {
        let unpacked = archive::gunzip(file)?;
        let content = unpacked.as_deref().unwrap_or(file);
        let sites = site::find(content, rooms)?;
        let mut images: Vec<_> = sites
            .iter()
            .filter(|site| site.binary.format == Format::MachO)
            .map(|site| (site.member.clone(), site.within.clone()))
            .collect();
        images.dedup_by(|a, b| a.1 == b.1);
        let new = content.to_vec();
        let draft = Self {
            file,
            unpacked,
            new,
            edits: Vec::new(),
            libraries: Vec::new(),
            room: Vec::new(),
            images,
        };
        Ok((draft, sites))
    }

    fn old(&self) -> &[u8] {
        self.unpacked.as_deref().unwrap_or(self.file)
    }

    /// Makes the changes of one library, with the bytes they need.
    pub(super) fn change(
        &mut self,
        site: &Site,
        splices: Vec<Splice>,
        changes: Vec<Change>,
        sources: Sources,
    ) -> Result<(), PlanError> {
        if splices.is_empty() {
            return Ok(());
        }
        if site.blob.layout == BlobLayout::Bare {
            return Err(PlanError::Container {
                member: site::prefix(&site.member),
                reason: "a VM executable outside any container ends where its file ends, and is \
                         not changed in place; compile the library again"
                    .to_owned(),
            });
        }
        let first = self.try_change(site, splices.clone(), changes.clone(), sources);
        match (first, site.place) {
            // The empty scopes of a wasm module may be zeros that are not
            // stored, and then dropping them frees no byte of the file.
            (Err(_), Place::Memory(_)) if sources.v1 => {
                self.try_change(site, splices, changes, Sources { v1: false })
            }
            (done, _) => done,
        }
    }

    fn try_change(
        &mut self,
        site: &Site,
        mut splices: Vec<Splice>,
        mut changes: Vec<Change>,
        sources: Sources,
    ) -> Result<(), PlanError> {
        room::find(&site.blob, &mut splices, &mut changes, site.behind, sources)?;
        let splices = splice::with_lengths(&site.blob, &site.bytes, splices)?;
        let edits = match site.place {
            Place::File(offset) => self.in_one_piece(site, offset, &splices),
            Place::Memory(address) => {
                let image = self.new.get_mut(site.within.clone()).unwrap_or_default();
                wasm::change(image, site, address, &splices)?
            }
        };
        self.edits.extend(edits);
        let length = (site.bytes.len() as u64).saturating_add_signed(growth(&splices));
        let owned = (site.bytes.len() as u64).saturating_add(site.behind.own as u64);
        if owned > length {
            self.room.push(Room {
                blob: site.place.number(),
                length: owned,
            });
        }
        changes.sort();
        self.libraries.push(LibraryChange {
            member: site.member.clone(),
            blob: site.place.number(),
            changes,
        });
        Ok(())
    }

    /// The changed blob, then zeros up to where the old one ended.
    fn in_one_piece(&mut self, site: &Site, offset: usize, splices: &[Splice]) -> Vec<Edit> {
        let mut blob = splice::apply(&site.bytes, splices);
        let slot = site.bytes.len().max(blob.len());
        blob.resize(slot, 0);
        let end = offset.saturating_add(slot);
        if let Some(place) = self.new.get_mut(offset..end) {
            place.copy_from_slice(&blob);
        }
        let mut edits = edits_of(&site.bytes, splices, offset);
        let grown = slot.saturating_sub(site.bytes.len().saturating_add(site.behind.own));
        if let Some(field) = site.size_field.clone().filter(|_| grown > 0) {
            edits.extend(self.grow_section(field, grown as u64));
        }
        edits
    }

    /// The section takes the padding in, so that it still holds the blob.
    fn grow_section(&mut self, field: std::ops::Range<usize>, bytes: u64) -> Option<Edit> {
        let old = self.old().get(field.clone())?.to_vec();
        let size = u64::from_le_bytes(old.as_slice().try_into().ok()?).checked_add(bytes)?;
        let new = size.to_le_bytes().to_vec();
        self.new.get_mut(field.clone())?.copy_from_slice(&new);
        let why = "size of the section that holds the blob".to_owned();
        Some(Edit {
            offset: field.start as u64,
            old,
            new,
            left_out: None,
            why,
        })
    }

    /// Renews signatures, packs again, and makes the plan.
    pub(super) fn finish(mut self, resign: Resign) -> Result<EditPlan, PlanError> {
        let mut notes = Vec::new();
        if !self.edits.is_empty() {
            for (member, within) in std::mem::take(&mut self.images) {
                let old = self.old().get(within.clone()).unwrap_or_default().to_vec();
                let image = self.new.get_mut(within.clone()).unwrap_or_default();
                let done = sign::renew(&member, &old, image, within.start, resign)?;
                self.edits.extend(done.edits);
                notes.extend(done.notes);
            }
        }
        self.edits.sort_by_key(|edit| edit.offset);
        let mut plan = match &self.unpacked {
            Some(unpacked) if !self.edits.is_empty() => {
                check(unpacked, &self.new, &self.edits)?;
                let packed = archive::gzip(self.file, &self.new)?;
                notes.push(format!(
                    "the archive is compressed: it is packed again, and takes {} bytes instead of {}",
                    packed.len(),
                    self.file.len()
                ));
                let whole = Edit {
                    offset: 0,
                    old: self.file.to_vec(),
                    new: packed.clone(),
                    left_out: None,
                    why: "the compressed archive".to_owned(),
                };
                EditPlan::between(self.file, &packed, vec![whole])
            }
            Some(_) => EditPlan::between(self.file, self.file, Vec::new()),
            None => {
                check(self.file, &self.new, &self.edits)?;
                EditPlan::between(self.file, &self.new, self.edits)
            }
        };
        plan.libraries = self.libraries;
        plan.room = self.room;
        plan.notes = notes;
        Ok(plan)
    }
}

/// The edits are the whole difference.
fn check(old: &[u8], new: &[u8], edits: &[Edit]) -> Result<(), PlanError> {
    let plan = EditPlan::between(old, new, edits.to_vec());
    if plan.apply_to(old).as_deref() == Some(new) {
        return Ok(());
    }
    Err(PlanError::Recheck(
        "the list of edits is not the whole difference".to_owned(),
    ))
}

/// One edit per splice, and one for the bytes behind the blob that pay for what
/// they add, or that hold what they freed. Taken together they keep the size.
fn edits_of(blob: &[u8], splices: &[Splice], base: usize) -> Vec<Edit> {
    let at = |inside: usize| base.saturating_add(inside);
    let mut edits: Vec<Edit> = splices
        .iter()
        .map(|splice| {
            let old = blob.get(splice.at.clone()).unwrap_or_default();
            Edit::new(at(splice.at.start), old, &splice.new, splice.why.as_str())
        })
        .collect();
    let growth = growth(splices);
    let zeros = vec![0; usize::try_from(growth.unsigned_abs()).unwrap_or(0)];
    let (old, new, why) = match growth {
        0 => return edits,
        1.. => (
            zeros,
            Vec::new(),
            "unused bytes behind the blob, which it takes",
        ),
        _ => (
            Vec::new(),
            zeros,
            "unused bytes behind the blob, which it frees",
        ),
    };
    edits.push(Edit {
        offset: at(blob.len()) as u64,
        old,
        new,
        left_out: None,
        why: why.to_owned(),
    });
    edits
}
