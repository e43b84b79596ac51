//! Signatures of Mach-O images: the page hashes of an ad-hoc signature are
//! renewed where they lie, so the file keeps its size and its load commands.
//!
//! An ad-hoc signature proves nothing but that the pages are those that were
//! hashed; anybody may renew it. A team's signature cannot be renewed by
//! anybody else: it is replaced only when asked for, and the notes say what is
//! lost. Layout: `cs_blobs.h` of Apple's published xnu and security sources.

mod directory;
mod image;

use super::plan::{Edit, EditPlan, Resign};
use super::rewrite::edit;
use super::site::prefix;
use super::{PlanError, archive};
use directory::{Directory, Superblob};

/// What became of the signatures of a file.
#[derive(Debug, Default)]
pub(super) struct Renewed {
    pub(super) edits: Vec<Edit>,
    pub(super) notes: Vec<String>,
}

/// Plans new page hashes for a Mach-O file whose bytes no longer match them.
/// Empty when every hash matches.
pub fn plan(bytes: &[u8], resign: Resign) -> Result<EditPlan, PlanError> {
    if archive::gunzip(bytes)?.is_some() || archive::members(bytes)?.is_some() {
        return Err(PlanError::Container {
            member: String::new(),
            reason: "objects in an archive are not signed".to_owned(),
        });
    }
    let mut new = bytes.to_vec();
    let mut unsigned = true;
    for slice in image::slices(bytes)? {
        unsigned &= image::signature(bytes.get(slice).unwrap_or_default())?.is_none();
    }
    if unsigned {
        return Err(PlanError::Container {
            member: String::new(),
            reason: "not signed at all: a signature needs a load command and room at the end of \
                     the file; run `codesign --sign - FILE` on macOS"
                .to_owned(),
        });
    }
    let done = renew("", bytes, &mut new, 0, resign)?;
    let mut plan = EditPlan::between(bytes, &new, done.edits);
    plan.summary.push(match plan.edits.len() {
        0 => "nothing to change: every page hash matches".to_owned(),
        _ => "page hashes of the ad-hoc signature renewed".to_owned(),
    });
    plan.notes = done.notes;
    Ok(plan)
}

/// Renews the signature of every slice of `new`; `old` is what it was before.
pub(super) fn renew(
    member: &str,
    old: &[u8],
    new: &mut [u8],
    base: u64,
    resign: Resign,
) -> Result<Renewed, PlanError> {
    let mut done = Renewed::default();
    for slice in image::slices(old)? {
        let start = slice.start;
        let image = new.get_mut(slice.clone()).unwrap_or_default();
        match image::signature(image)? {
            None => {
                if image::needs_signature(image) {
                    done.notes.push(format!(
                        "{}was not signed and is not signed now; macOS on arm64 loads only signed \
                         libraries (`codesign --sign - FILE`)",
                        prefix(member)
                    ));
                }
            }
            Some(at) => {
                let notes = renew_image(member, image, at.clone(), resign)?;
                let base = base.saturating_add(start as u64);
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
    let malformed = |error: directory::Malformed| PlanError::Signature {
        member: prefix(member),
        at: (at.start as u64).saturating_add(error.at),
        expected: error.expected.to_owned(),
        found: error.found,
    };
    let mut notes = Vec::new();
    let mut bytes = image.get(at.clone()).unwrap_or_default().to_vec();
    let superblob = Superblob::parse(&bytes).map_err(malformed)?;
    if let Some(signer) = superblob.signer(&bytes).map_err(malformed)? {
        if resign == Resign::Keep {
            return Err(PlanError::TeamSignature {
                member: prefix(member),
                team: signer,
            });
        }
        superblob.make_ad_hoc(&mut bytes).map_err(malformed)?;
        notes.push(format!(
            "{}the signature of {signer} is replaced by an ad-hoc one: the team identity, the \
             notarization and every entitlement tied to them are lost, and a program that \
             validates its libraries refuses this one",
            prefix(member)
        ));
    }
    for directory in superblob.directories(&bytes).map_err(malformed)? {
        renew_pages(&directory, image, &mut bytes).map_err(malformed)?;
    }
    if let Some(place) = image.get_mut(at) {
        place.copy_from_slice(&bytes);
    }
    Ok(notes)
}

fn renew_pages(
    directory: &Directory,
    image: &[u8],
    signature: &mut [u8],
) -> Result<(), directory::Malformed> {
    for (slot, page) in directory.pages(image)?.enumerate() {
        let hash = directory.hash(page);
        let place = directory.slot(slot);
        if let Some(now) = signature.get_mut(place) {
            now.copy_from_slice(&hash);
        }
    }
    Ok(())
}

/// One edit per run of signature bytes that changed.
fn differences(old: &[u8], new: &[u8], at: std::ops::Range<usize>, base: u64) -> Vec<Edit> {
    /// Runs closer than this are told as one.
    const NEAR: usize = 32;
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
        .filter_map(|run| {
            edit(
                old,
                new,
                run,
                base,
                "code signature: hashes of changed pages".to_owned(),
            )
        })
        .collect()
}
