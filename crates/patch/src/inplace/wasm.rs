//! Changes of a blob that lies in the data segments of a WebAssembly module.
//!
//! Linkers leave runs of zeros out, so bytes cannot simply move inside the
//! file: a zero that moves may stand where nothing is stored. Instead the
//! segments move in memory: each keeps its bytes and its place in the order,
//! and begins at another address. What a change frees is stored as zeros
//! behind the blob, so the section keeps its size.

use std::ops::Range;

use super::PlanError;
use super::leb::{leb, read_leb, read_signed_leb, signed_leb};
use super::site::Site;
use super::splice::{Splice, index};
use crate::plan::Edit;

/// One data segment and the fields in front of its bytes.
#[derive(Debug, Clone)]
struct Segment {
    /// The address field (a signed LEB128 number) of an active segment.
    address: Option<(u64, Range<usize>)>,
    /// The field that counts the bytes.
    length: Range<usize>,
    /// The bytes.
    data: Range<usize>,
}

impl Segment {
    fn memory(&self) -> Option<Range<u64>> {
        let (start, _) = self.address.as_ref()?;
        Some(*start..start.saturating_add(self.data.len() as u64))
    }
}

/// Makes the splices in `image`; the edits.
pub(super) fn change(
    image: &mut [u8],
    site: &Site,
    blob: u64,
    splices: &[Splice],
) -> Result<Vec<Edit>, PlanError> {
    let old = image.to_vec();
    let (section, segments) = data_section(&old)?;
    let pieces = finely(&site.bytes, splices);
    let map = Map {
        blob,
        length: site.bytes.len() as u64,
        pieces: &pieces,
    };
    let mut moved = Vec::new();
    for segment in &segments {
        moved.push(map.segment(&old, segment)?);
    }
    map.check_gaps(&segments)?;
    give_back(&map, &segments, &mut moved)?;
    let mut out = old.get(..section.start).unwrap_or_default().to_vec();
    let mut at = section.start;
    for (segment, (address, data)) in segments.iter().zip(&moved) {
        let head = segment
            .address
            .as_ref()
            .map_or(segment.length.start, |(_, field)| field.start);
        out.extend_from_slice(old.get(at..head).unwrap_or_default());
        if let Some((_, field)) = &segment.address {
            out.extend(
                signed_leb(*address, field.len()).ok_or_else(|| too_wide("address", *address))?,
            );
            out.extend_from_slice(old.get(field.end..segment.length.start).unwrap_or_default());
        }
        let length = data.len() as u64;
        let width = segment.length.len();
        out.extend(leb(length, width).ok_or_else(|| too_wide("length", length))?);
        out.extend_from_slice(data);
        at = segment.data.end;
    }
    out.extend_from_slice(old.get(at..).unwrap_or_default());
    if out.len() != old.len() {
        return Err(PlanError::container(
            "the data section would change its size",
        ));
    }
    image.copy_from_slice(&out);
    let mut whys: Vec<&str> = splices.iter().map(|splice| splice.why.as_str()).collect();
    whys.dedup();
    let why = format!(
        "{}; data segments behind it begin at other addresses",
        whys.join(", ")
    );
    let base = site.within.start;
    let edit = Edit::within(&old, &out, section, base, &why);
    Ok(edit.into_iter().collect())
}

fn too_wide(what: &str, value: u64) -> PlanError {
    PlanError::container(format!(
        "the {what} field of a data segment has no room for {value}; compile the library again"
    ))
}

/// Splices that replace byte for byte become one splice per byte that differs,
/// so that no other byte needs to be stored.
fn finely(bytes: &[u8], splices: &[Splice]) -> Vec<Splice> {
    let mut pieces = Vec::new();
    for splice in splices {
        if splice.moves() {
            pieces.push(splice.clone());
            continue;
        }
        let now = bytes.get(splice.at.clone()).unwrap_or_default();
        for (step, (old, new)) in now.iter().zip(&splice.new).enumerate() {
            if old != new {
                let at = splice.at.start.saturating_add(step);
                pieces.push(Splice::new(
                    at..at.saturating_add(1),
                    [*new],
                    splice.why.clone(),
                ));
            }
        }
    }
    pieces
}

/// Where the bytes of memory go.
struct Map<'a> {
    blob: u64,
    length: u64,
    pieces: &'a [Splice],
}

impl Map<'_> {
    /// The new start and bytes of a segment.
    fn segment(&self, image: &[u8], segment: &Segment) -> Result<(u64, Vec<u8>), PlanError> {
        let data = image.get(segment.data.clone()).unwrap_or_default();
        let Some(memory) = segment.memory() else {
            return Ok((0, data.to_vec()));
        };
        let end = self.blob.saturating_add(self.length);
        if memory.end <= self.blob || memory.start >= end {
            return Ok((memory.start, data.to_vec()));
        }
        let mut out = Vec::with_capacity(data.len());
        let mut start = None;
        // Zeros behind the blob that it grows into are stored with it then.
        let mut taken = usize::try_from(self.freed().saturating_neg()).unwrap_or(0);
        for (byte, at) in data.iter().zip(memory.start..) {
            if at >= end && taken > 0 {
                if *byte != 0 {
                    return Err(PlanError::container(
                        "the blob has no room to grow: data follow it",
                    ));
                }
                taken = taken.saturating_sub(1);
                continue;
            }
            for (address, bytes) in self.at(at, *byte) {
                start.get_or_insert(address);
                out.extend(bytes);
            }
            if at.saturating_add(1) == end && memory.end > end {
                // What follows the blob in this segment stays where it is.
                let freed = usize::try_from(self.freed()).unwrap_or(0);
                out.resize(out.len().saturating_add(freed), 0);
            }
        }
        Ok((start.unwrap_or(memory.start), out))
    }

    /// What becomes of the byte at an address: nothing, itself, or others too.
    fn at(&self, at: u64, byte: u8) -> Vec<(u64, Vec<u8>)> {
        let Some(inside) = at
            .checked_sub(self.blob)
            .filter(|inside| *inside < self.length)
        else {
            return vec![(at, vec![byte])];
        };
        let inside = index(inside);
        let mut moved: i64 = 0;
        let mut out = Vec::new();
        for piece in self.pieces {
            if piece.at.start > inside {
                break;
            }
            let here = at.saturating_add_signed(moved);
            if piece.at.contains(&inside) {
                if piece.at.start == inside {
                    out.push((here, piece.new.clone()));
                }
                return out;
            }
            moved = moved.saturating_add(piece.growth());
            if piece.at.is_empty() && piece.at.start == inside {
                out.push((here, piece.new.clone()));
            }
        }
        out.push((at.saturating_add_signed(moved), vec![byte]));
        out
    }

    /// Every byte that is new must have a segment that stores it.
    fn check_gaps(&self, segments: &[Segment]) -> Result<(), PlanError> {
        for piece in self
            .pieces
            .iter()
            .filter(|piece| piece.new.iter().any(|byte| *byte != 0))
        {
            let at = self.blob.saturating_add(piece.at.start as u64);
            let stored =
                |segment: &Segment| segment.memory().is_some_and(|memory| memory.contains(&at));
            if !segments.iter().any(stored) {
                return Err(PlanError::container(format!(
                    "the {} is at address {at:#x}, and the module has no bytes there; compile the library again",
                    piece.why
                )));
            }
        }
        Ok(())
    }

    /// Bytes by which the blob shrinks; negative when it grows.
    fn freed(&self) -> i64 {
        self.pieces
            .iter()
            .map(|piece| piece.growth().saturating_neg())
            .sum()
    }
}

/// Stores what the change freed as zeros behind the blob.
fn give_back(
    map: &Map<'_>,
    segments: &[Segment],
    moved: &mut [(u64, Vec<u8>)],
) -> Result<(), PlanError> {
    let before: usize = segments.iter().map(|segment| segment.data.len()).sum();
    let after: usize = moved.iter().map(|(_, data)| data.len()).sum();
    let spare = before.checked_sub(after).ok_or_else(|| {
        PlanError::container(
            "the change needs bytes that the module does not store; compile the library again",
        )
    })?;
    if spare == 0 {
        return Ok(());
    }
    let end = map.blob.saturating_add(map.length);
    let last = segments
        .iter()
        .zip(moved.iter_mut())
        .filter(|(segment, _)| {
            segment
                .memory()
                .is_some_and(|memory| memory.start < end && memory.end > map.blob)
        });
    let last = last
        .max_by_key(|(_, (address, _))| *address)
        .map(|(_, moved)| moved);
    let (address, data) =
        last.ok_or_else(|| PlanError::container("no data segment holds the blob"))?;
    data.resize(data.len().saturating_add(spare), 0);
    if address.saturating_add(data.len() as u64) > end {
        return Err(PlanError::container(
            "no room behind the blob for the bytes that the change frees",
        ));
    }
    Ok(())
}

/// The contents of the data section and the segments in it.
fn data_section(image: &[u8]) -> Result<(Range<usize>, Vec<Segment>), PlanError> {
    const DATA: u8 = 11;
    let cut =
        || PlanError::container("expected a WebAssembly data section, found the end of the file");
    let mut at = 8;
    while let Some(id) = image.get(at) {
        let mut cursor = at.saturating_add(1);
        let size = read_leb(image, &mut cursor).ok_or_else(cut)?;
        let end = cursor.saturating_add(index(size));
        if *id == DATA {
            let section = cursor..end.min(image.len());
            let segments = segments(image, section.clone()).ok_or_else(cut)?;
            return Ok((section, segments));
        }
        at = end;
    }
    Err(cut())
}

fn segments(image: &[u8], section: Range<usize>) -> Option<Vec<Segment>> {
    const I32_CONST: u8 = 0x41;
    const END: u8 = 0x0b;
    let image = image.get(..section.end)?;
    let mut at = section.start;
    let count = read_leb(image, &mut at)?;
    let mut segments = Vec::new();
    for _ in 0..count {
        let flags = read_leb(image, &mut at)?;
        if flags == 2 {
            read_leb(image, &mut at)?; // the memory's index
        }
        let address = if flags == 1 {
            None
        } else {
            if *image.get(at)? != I32_CONST {
                return None;
            }
            let start = at.checked_add(1)?;
            at = start;
            let value = read_signed_leb(image, &mut at)?;
            let field = start..at;
            if *image.get(at)? != END {
                return None;
            }
            at = at.checked_add(1)?;
            Some((value, field))
        };
        let start = at;
        let length = index(read_leb(image, &mut at)?);
        let end = at.checked_add(length)?;
        image.get(at..end)?;
        segments.push(Segment {
            address,
            length: start..at,
            data: at..end,
        });
        at = end;
    }
    Some(segments)
}
