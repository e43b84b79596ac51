//! An APK before and after: the same entries with the same content, read by the
//! `zip` crate, which checks each checksum; libraries where Android maps them.

use std::io::{Cursor, Read as _};

use sha2::{Digest, Sha256};
use zip::{CompressionMethod, ZipArchive};

/// Checks a file that is a zip archive; any other passes.
pub(super) fn check(old: &[u8], new: &[u8]) -> Result<(), String> {
    if !old.starts_with(b"PK\x03\x04") {
        return Ok(());
    }
    let (before, after) = (entries(old)?, entries(new)?);
    let content = |entries: &[Entry]| -> Vec<(Vec<u8>, Vec<u8>)> {
        let entries = entries.iter();
        entries
            .map(|one| (one.name.clone(), one.hash.clone()))
            .collect()
    };
    if content(&before) != content(&after) {
        return Err("zip: another name or content of an entry".to_owned());
    }
    let is_library = |one: &&Entry| one.name.starts_with(b"lib/") && one.name.ends_with(b".so");
    match after.iter().filter(is_library).find(|one| !one.is_mappable) {
        Some(one) => Err(format!(
            "zip: {} is not stored at a multiple of 16 KiB",
            String::from_utf8_lossy(&one.name)
        )),
        None => Ok(()),
    }
}

struct Entry {
    name: Vec<u8>,
    hash: Vec<u8>,
    is_mappable: bool,
}

fn entries(file: &[u8]) -> Result<Vec<Entry>, String> {
    let text = |error: zip::result::ZipError| format!("zip: {error}");
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(text)?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(text)?;
        let start = file.data_start().unwrap_or(1);
        let is_mappable =
            file.compression() == CompressionMethod::Stored && start.is_multiple_of(16 << 10);
        let mut hasher = Sha256::new();
        let mut chunk = Vec::new();
        loop {
            chunk.clear();
            let mut part = (&mut file).take(1 << 20);
            let read = part
                .read_to_end(&mut chunk)
                .map_err(|error| format!("zip: {error}"))?;
            if read == 0 {
                break;
            }
            hasher.update(&chunk);
        }
        entries.push(Entry {
            name: file.name_raw().to_vec(),
            hash: hasher.finalize().to_vec(),
            is_mappable,
        });
    }
    Ok(entries)
}
