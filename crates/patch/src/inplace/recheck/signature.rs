//! Mach-O images afterwards: where there is a signature, its hashes are those
//! of the pages.

use goblin::mach::MachO;
use goblin::mach::load_command::CommandVariant;
use sha2::{Digest, Sha256};

use super::container::images;

/// Checks every image of a file that is one.
pub(super) fn check(file: &[u8]) -> Result<(), String> {
    for (_, image) in images(file)? {
        let parsed = MachO::parse(image, 0).map_err(|error| format!("Mach-O: {error}"))?;
        for command in &parsed.load_commands {
            if let CommandVariant::CodeSignature(signature) = &command.command {
                let start = signature.dataoff as usize;
                let end = start.saturating_add(signature.datasize as usize);
                let signature = image
                    .get(start..end)
                    .ok_or("a signature outside the image")?;
                pages(image, signature)?;
            }
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
