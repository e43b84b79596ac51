//! Zip archives and wheels: stored members borrowed, deflated ones streamed.

use std::io::{Cursor, Read};

use flate2::Crc;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::archive::{Body, InZip, Member, Visit};
use super::identify;
use crate::error::DecodeError;
use crate::limits::MAX_MEMBERS;

/// Bytes of a path.
const MOST_OF_TARGET: u64 = 4096;

/// Whether a zip archive lies behind a program, as behind one that unpacks itself.
pub fn is_behind(program: &[u8]) -> bool {
    /// The last record of an archive without a comment.
    const END: (&[u8], usize) = (b"PK\x05\x06", 22);
    let (magic, length) = END;
    let at = program.len().checked_sub(length);
    let end = at.and_then(|at| program.get(at..));
    end.is_some_and(|end| end.starts_with(magic))
}

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
        let bad = |error: ZipError| DecodeError::new(size, format!("zip member {index}"), error);
        let packed = archive.by_index_raw(index);
        let not_read = packed
            .map(|packed| why_not_read(packed.compression(), packed.encrypted()))
            .map_err(bad)?;
        let file = match not_read {
            Some(_) => archive.by_index_raw(index),
            None => archive.by_index(index),
        };
        let mut file = file.map_err(bad)?;
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
        let mut target = Vec::new();
        let is_link = not_read.is_none() && file.is_symlink();
        if is_link {
            // What is longer leads nowhere.
            let read = Read::take(&mut file, MOST_OF_TARGET).read_to_end(&mut target);
            read.map_err(|error| DecodeError::new(size, "the target of a link", error))?;
        }
        let body = match (not_read, stored) {
            _ if is_link => Body::Link(target, true),
            (Some(why), _) => Body::Absent(why),
            // A wrong checksum is met where the member is read as packed ones are.
            (None, Some(bytes)) if is_sound(bytes, file.crc32()) => Body::Stored(bytes),
            (None, _) => Body::Packed(&mut file),
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

/// Why a member is not read that other programs can read.
fn why_not_read(method: CompressionMethod, encrypted: bool) -> Option<&'static str> {
    if encrypted {
        return Some("an encrypted zip member");
    }
    // The number of a method that the library was built without.
    #[allow(deprecated)]
    let CompressionMethod::Unsupported(method) = method else {
        return None;
    };
    Some(match method {
        9 => "a zip member compressed with Deflate64",
        12 => "a zip member compressed with bzip2",
        14 => "a zip member compressed with LZMA",
        20 | 93 => "a zip member compressed with Zstandard",
        95 => "a zip member compressed with xz",
        98 => "a zip member compressed with PPMd",
        _ => "a zip member with a compression that is not read",
    })
}

/// Whether a stored member has the checksum that the archive states. Only what is read
/// further is asked: data beside it may be large, and none of it is looked at.
fn is_sound(bytes: &[u8], stated: u32) -> bool {
    let file_type = identify(bytes);
    if !file_type.is_binary() && !file_type.is_archive() {
        return true;
    }
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum() == stated
}
