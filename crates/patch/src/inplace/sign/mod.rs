//! Signatures of Mach-O images: the page hashes of an ad-hoc signature are
//! renewed where they lie, so the file keeps its size and its load commands; an
//! image without a signature gets a [`first`] one.
//!
//! An ad-hoc signature proves nothing but that the pages are those that were
//! hashed; anybody may renew it. A team's signature cannot be renewed by
//! anybody else: it is replaced only when asked for, and the notes say what is
//! lost. Layout: `cs_blobs.h` of Apple's published xnu and security sources.

mod first;
mod renewal;

use std::ops::Range;

use artcheck_inspect::DecodeError;
use artcheck_inspect::container::{self, FileType};

use super::macho::commands::Commands;
use super::macho::{self, Slice};
use super::site::prefix;
use super::{PlanError, archive};
use crate::plan::{Edit, EditPlan, NameChange, Named, Resign};
use renewal::Signature;

/// What became of the signatures of a file.
#[derive(Debug, Default)]
pub(super) struct Renewed {
    pub(super) edits: Vec<Edit>,
    pub(super) notes: Vec<String>,
}

/// Plans signatures for a Mach-O file: a first one for images that have none,
/// new page hashes where the bytes no longer match them. Empty when every image
/// is signed and every hash matches. `name` identifies an image that does not
/// name itself.
pub fn plan(bytes: &[u8], name: &str, resign: Resign) -> Result<EditPlan, PlanError> {
    if archive::gunzip(bytes)?.is_some() || archive::members(bytes)?.is_some() {
        return Err(PlanError::Container {
            member: String::new(),
            reason: "objects in an archive are not signed".to_owned(),
        });
    }
    let found = container::identify(bytes);
    if !matches!(found, FileType::MachO | FileType::MachOFat) {
        return Err(PlanError::container(format!(
            "this is {}; `patch sign` is for Mach-O files",
            found.spoken()
        )));
    }
    let mut new = bytes.to_vec();
    let done = renew("", bytes, &mut new, 0, resign)?;
    let first = sign_first(bytes, &mut new, name)?;
    let renewed = !done.edits.is_empty();
    let mut edits = done.edits;
    edits.extend(first.edits);
    edits.sort_by_key(|edit| edit.offset);
    let mut plan = EditPlan::between(bytes, &new, edits);
    plan.names = first.names;
    if !plan.names.is_empty() {
        let signed = "ad-hoc signature added, with a load command that names its place";
        plan.summary.push(signed.to_owned());
    }
    if renewed {
        let renewed = "page hashes of the ad-hoc signature renewed";
        plan.summary.push(renewed.to_owned());
    }
    if plan.is_empty() {
        let matching = "nothing to change: every page hash matches";
        plan.summary.push(matching.to_owned());
    }
    // What is signed now needs no word about being unsigned.
    plan.notes = match plan.names.is_empty() {
        true => done.notes,
        false => Vec::new(),
    };
    Ok(plan)
}

/// Images that have a signature now.
#[derive(Default)]
struct First {
    edits: Vec<Edit>,
    names: Vec<NameChange>,
}

/// Signs every image that is not signed; `new` may grow behind the last one.
fn sign_first(old: &[u8], new: &mut Vec<u8>, name: &str) -> Result<First, PlanError> {
    let mut first = First::default();
    let slices = macho::slices(old)?;
    for (number, slice) in slices.iter().enumerate() {
        let image = old.get(slice.at.clone()).unwrap_or_default();
        if macho::is_object(image) || Commands::read(image)?.signature(image)?.is_some() {
            continue;
        }
        let signed = first::signed(image, name)?;
        first
            .edits
            .extend(place(old, new, &slices, slice, &signed)?);
        first.edits.extend(resize(old, new, slice, signed.len()));
        let area = Commands::read(image)?.area();
        let area = shifted(&area, slice.at.start);
        let why = "load commands: place of the signature, size of __LINKEDIT";
        first.edits.extend(Edit::within(old, new, area, 0, why));
        let head = slice.at.start.saturating_add(16)..slice.at.start.saturating_add(24);
        let why = "count and size of the load commands";
        first.edits.extend(Edit::within(old, new, head, 0, why));
        first.names.push(NameChange {
            number,
            what: Named::Signature,
            from: "unsigned".to_owned(),
            to: "ad-hoc".to_owned(),
        });
    }
    Ok(first)
}

fn shifted(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start.saturating_add(by)..range.end.saturating_add(by)
}

/// Puts a signed image where the unsigned one was: the signature goes behind
/// it, at the end of the file or into the padding before the next slice.
fn place(
    old: &[u8],
    new: &mut Vec<u8>,
    slices: &[Slice],
    slice: &Slice,
    signed: &[u8],
) -> Result<Option<Edit>, PlanError> {
    let start = slice.at.start;
    let end = start.saturating_add(signed.len());
    let next = slices.iter().map(|other| other.at.start);
    let next = next.filter(|other| *other >= slice.at.end && *other > start);
    let why = "code signature";
    match next.min() {
        None if slice.at.end == old.len() => {
            new.truncate(start);
            new.extend_from_slice(signed);
            Ok(Some(Edit {
                offset: old.len() as u64,
                old: Vec::new(),
                new: signed.get(slice.at.len()..).unwrap_or_default().to_vec(),
                left_out: None,
                why: why.to_owned(),
            }))
        }
        next => {
            let gap = old.get(slice.at.end..end);
            let free = gap.is_some_and(|gap| gap.iter().all(|byte| *byte == 0));
            if !free || next.is_some_and(|next| end > next) {
                return Err(PlanError::NoRoom {
                    what: "the signature of a slice".to_owned(),
                    needed: end.saturating_sub(slice.at.end),
                    found: next.unwrap_or(old.len()).saturating_sub(slice.at.end),
                    tried: "only the padding before the next slice is free; sign the thin files \
                            and join them again"
                        .to_owned(),
                });
            }
            if let Some(place) = new.get_mut(start..end) {
                place.copy_from_slice(signed);
            }
            Ok(Edit::within(old, new, slice.at.end..end, 0, why))
        }
    }
}

/// The table of a universal file says how large its slices are.
fn resize(old: &[u8], new: &mut [u8], slice: &Slice, size: usize) -> Option<Edit> {
    let field = slice.size_field.clone()?;
    let bytes = (size as u64).to_be_bytes();
    let bytes = bytes.get(bytes.len().checked_sub(field.len())?..)?;
    new.get_mut(field.clone())?.copy_from_slice(bytes);
    Edit::within(old, new, field, 0, "size of the slice")
}

/// Renews the signature of every slice of `new`; `old` is what it was before.
pub(super) fn renew(
    member: &str,
    old: &[u8],
    new: &mut [u8],
    base: usize,
    resign: Resign,
) -> Result<Renewed, PlanError> {
    let mut done = Renewed::default();
    for Slice { at: slice, .. } in macho::slices(old)? {
        let start = slice.start;
        let image = new.get_mut(slice.clone()).unwrap_or_default();
        match Commands::read(image)?.signature(image)? {
            None => {
                if macho::needs_signature(image) {
                    done.notes.push(format!(
                        "{}was not signed and is not signed now; macOS on arm64 loads only signed \
                         libraries (`artcheck patch sign FILE`)",
                        prefix(member)
                    ));
                }
            }
            Some(at) => {
                let notes = renew_image(member, image, at.clone(), resign)?;
                let base = base.saturating_add(start);
                let before = old.get(slice).unwrap_or_default();
                done.edits.extend(differences(before, image, at, base));
                done.notes.extend(notes);
            }
        }
    }
    Ok(done)
}

fn renew_image(
    member: &str,
    image: &mut [u8],
    at: std::ops::Range<usize>,
    resign: Resign,
) -> Result<Vec<String>, PlanError> {
    let malformed = |error: DecodeError| PlanError::Signature {
        member: prefix(member),
        error: error.rebase(at.start as u64),
    };
    let mut notes = Vec::new();
    let old = image.get(at.clone()).unwrap_or_default().to_vec();
    let mut new = old.clone();
    let signature = Signature::parse(&old).map_err(malformed)?;
    if let Some(signer) = signature.signer().map_err(malformed)? {
        if resign == Resign::Keep {
            return Err(PlanError::TeamSignature {
                member: prefix(member),
                team: signer,
            });
        }
        signature.make_ad_hoc(&mut new).map_err(malformed)?;
        notes.push(format!(
            "{}the signature of {signer} is replaced by an ad-hoc one: the team identity, the \
             notarization and every entitlement tied to them are lost, and a program that \
             validates its libraries refuses this one",
            prefix(member)
        ));
    }
    signature.renew(image, &mut new).map_err(malformed)?;
    if let Some(place) = image.get_mut(at) {
        place.copy_from_slice(&new);
    }
    Ok(notes)
}

/// One edit per run of signature bytes that changed.
fn differences(old: &[u8], new: &[u8], at: std::ops::Range<usize>, base: usize) -> Vec<Edit> {
    /// Runs closer than this are told as one.
    const NEAR: usize = 32;
    const HASHES: &str = "code signature: hashes of changed pages";
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for index in at {
        if old.get(index) == new.get(index) {
            continue;
        }
        match runs.last_mut() {
            Some(run) if index.saturating_sub(run.end) < NEAR => run.end = index.saturating_add(1),
            _ => runs.push(index..index.saturating_add(1)),
        }
    }
    runs.into_iter()
        .filter_map(|run| Edit::within(old, new, run, base, HASHES))
        .collect()
}
