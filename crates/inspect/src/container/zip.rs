//! Zip archives and wheels: stored members borrowed, deflated ones streamed.

use std::io::Cursor;

use zip::{CompressionMethod, ZipArchive};

use super::archive::{Body, InZip, Member, Visit};
use crate::error::DecodeError;
use crate::limits::MAX_MEMBERS;

/// Hands out the files in the order of the central directory.
pub fn members<'data>(data: &'data [u8], visit: Visit<'_, 'data>) -> Result<(), DecodeError> {
    let size = data.len() as u64;
    let mut archive = ZipArchive::new(Cursor::new(data))
        .map_err(|error| DecodeError::new(size, "a zip central directory", error))?;
    if archive.len() > MAX_MEMBERS {
        let found = format!("{} members", archive.len());
        let expected = format!("at most {MAX_MEMBERS} members");
        return Err(DecodeError::limit(size, expected, found));
    }
    // Members of a real archive stand one behind the other.
    let mut left = size;
    for index in 0..archive.len() {
        let mut file = archive
            .by_index(index)
            .map_err(|error| DecodeError::new(size, format!("zip member {index}"), error))?;
        if file.is_dir() {
            continue;
        }
        left = left.checked_sub(file.compressed_size()).ok_or_else(|| {
            DecodeError::new(
                size,
                "zip members that do not overlap",
                "more bytes than the file",
            )
        })?;
        let name = file.name_raw().to_vec();
        let size = file.size();
        let at = (file.compression() == CompressionMethod::Stored)
            .then(|| file.data_start())
            .flatten();
        let in_zip = Some(at.map_or(InZip::Packed, |at| InZip::Stored { at }));
        let stored = at
            .and_then(|start| usize::try_from(start).ok())
            .zip(usize::try_from(size).ok())
            .and_then(|(start, size)| data.get(start..start.checked_add(size)?));
        let body = match stored {
            Some(bytes) => Body::Stored(bytes),
            None => Body::Packed(&mut file),
        };
        let member = Member {
            name,
            size,
            body,
            in_zip,
        };
        if !visit(member) {
            break;
        }
    }
    Ok(())
}
