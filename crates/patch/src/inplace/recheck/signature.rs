//! Mach-O images before and after: the load commands are the same, and where
//! there is a signature, its hashes are those of the pages.

use goblin::Object;
use goblin::mach::load_command::CommandVariant;
use goblin::mach::{Mach, MachO, SingleArch};
use sha2::{Digest, Sha256};

/// Checks every image of a file that is one.
pub(super) fn check(old: &[u8], new: &[u8], changed: bool) -> Result<(), String> {
    let magic = old
        .first_chunk::<4>()
        .map_or(0, |word| u32::from_be_bytes(*word));
    if !matches!(magic, 0xcffa_edfe | 0xcefa_edfe | 0xcafe_babe) {
        return Ok(());
    }
    let (Ok(Object::Mach(before)), Ok(Object::Mach(after))) =
        (Object::parse(old), Object::parse(new))
    else {
        return Err("Mach-O: one of the files does not parse".to_owned());
    };
    match (before, after) {
        (Mach::Binary(before), Mach::Binary(after)) => image(old, new, &before, &after, changed),
        (Mach::Fat(before), Mach::Fat(after)) => {
            let arches = before.arches().map_err(|error| error.to_string())?;
            for ((arch, before), after) in arches.iter().zip(&before).zip(&after) {
                let (Ok(SingleArch::MachO(before)), Ok(SingleArch::MachO(after))) = (before, after)
                else {
                    continue;
                };
                let at = arch.offset as usize..arch.offset.saturating_add(arch.size) as usize;
                let (old, new) = (
                    old.get(at.clone()).unwrap_or_default(),
                    new.get(at).unwrap_or_default(),
                );
                image(old, new, &before, &after, changed)?;
            }
            Ok(())
        }
        _ => Err("Mach-O: one file is fat and the other is not".to_owned()),
    }
}

fn image(
    old: &[u8],
    new: &[u8],
    before: &MachO<'_>,
    after: &MachO<'_>,
    changed: bool,
) -> Result<(), String> {
    for (first, second) in before.load_commands.iter().zip(&after.load_commands) {
        let bytes = |file: &[u8]| {
            file.get(first.offset..first.offset.saturating_add(first.command.cmdsize()))
                .map(<[u8]>::to_vec)
        };
        if bytes(old) != bytes(new) || second.offset != first.offset {
            return Err(format!("the load command at {:#x} differs", first.offset));
        }
        if let CommandVariant::CodeSignature(signature) = &second.command
            && changed
        {
            let start = signature.dataoff as usize;
            let end = start.saturating_add(signature.datasize as usize);
            let signature = new.get(start..end).ok_or("a signature outside the image")?;
            pages(new, signature)?;
        }
    }
    Ok(())
}

fn pages(image: &[u8], signature: &[u8]) -> Result<(), String> {
    let word = |at: usize| -> Option<usize> {
        let word = signature.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(word)).ok()
    };
    let count = word(8).ok_or("a signature without blobs")?;
    let mut checked = false;
    for entry in 0..count {
        let entry = entry.saturating_mul(8).saturating_add(16);
        let at = word(entry).ok_or("a signature index")?;
        let field = |offset: usize| word(at.saturating_add(offset)).ok_or("a code directory field");
        // SHA-256 in full; other kinds of hashes repeat what it says.
        let sizes = at.saturating_add(36);
        let sizes = signature.get(sizes..sizes.saturating_add(4));
        let Some([32, 2, _, page]) = sizes else {
            continue;
        };
        if field(0)? != 0xfade_0c02 {
            continue;
        }
        let (hashes, limit) = (at.saturating_add(field(16)?), field(32)?);
        let signed = image.get(..limit).ok_or("a limit outside the image")?;
        let stored = signature.get(hashes..).unwrap_or_default().chunks_exact(32);
        let pages = signed.chunks(1 << (*page).min(24));
        if pages.len() != field(28)? || stored.len() < pages.len() {
            return Err("not one hash per page".to_owned());
        }
        for (slot, (page, stored)) in pages.zip(stored).enumerate() {
            if stored != Sha256::digest(page).as_slice() {
                return Err(format!("the hash of page {slot} does not match"));
            }
        }
        checked = true;
    }
    match checked {
        true => Ok(()),
        false => Err("no code directory with SHA-256 hashes".to_owned()),
    }
}
