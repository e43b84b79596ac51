//! Members of `tar` and `ar` archives with the place of their bytes, so that
//! they can be changed where they lie. Compressed archives are unpacked first.

use std::io::Read as _;
use std::ops::Range;

use artcheck_inspect::container::{self, Body, FileType, identify};
use artcheck_inspect::limits::{MAX_MEMBERS, MAX_UNPACK_RATIO, RATIO_FREE_BYTES};

use super::PlanError;

/// Bytes that are unpacked, in memory, to be changed and packed again.
const MAX_UNPACKED: u64 = 1 << 30;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Name, for people.
    pub(super) name: String,
    /// Its bytes in the archive.
    pub(super) at: Range<usize>,
}

/// The members of `bytes`; `None` for a file that is no archive.
pub(super) fn members(bytes: &[u8]) -> Result<Option<Vec<Member>>, PlanError> {
    let mut members = Vec::new();
    // A member's bytes are a part of the archive's.
    let mut visit = |member: container::Member<'_, '_>| {
        if let Body::Stored(stored) = member.body {
            let start = stored.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
            members.push(Member {
                name: String::from_utf8_lossy(&member.name).into_owned(),
                at: start..start.saturating_add(stored.len()),
            });
        }
        members.len() <= MAX_MEMBERS
    };
    let read = match identify(bytes) {
        FileType::Tar => container::tar::members(bytes, &mut visit),
        FileType::Ar => container::ar::members(bytes, &mut visit),
        FileType::ThinAr => {
            return Err(PlanError::container(
                "a thin archive names files instead of holding them; change those files",
            ));
        }
        FileType::Zip => {
            return Err(PlanError::container(
                "a zip archive is not changed in place; unpack it, change the file, pack it again",
            ));
        }
        _ => return Ok(None),
    };
    read.map_err(|error| PlanError::Unreadable {
        member: String::new(),
        error,
    })?;
    if members.len() > MAX_MEMBERS {
        let many = format!("more than {MAX_MEMBERS} members");
        return Err(PlanError::container(many));
    }
    Ok(Some(members))
}

/// The bytes inside a gzip stream; `None` for any other file.
pub(super) fn gunzip(bytes: &[u8]) -> Result<Option<Vec<u8>>, PlanError> {
    if identify(bytes) != FileType::Gzip {
        return Ok(None);
    }
    let by_ratio = (bytes.len() as u64).saturating_mul(MAX_UNPACK_RATIO);
    let limit = by_ratio.clamp(RATIO_FREE_BYTES, MAX_UNPACKED);
    let mut out = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(bytes)
        .take(limit.saturating_add(1))
        .read_to_end(&mut out);
    if let Err(error) = read {
        return Err(PlanError::container(format!(
            "expected a gzip stream, found one that does not unpack: {error}"
        )));
    }
    if out.len() as u64 > limit {
        return Err(PlanError::container(format!(
            "unpacks to more than {limit} bytes, the most that is changed in memory"
        )));
    }
    Ok(Some(out))
}

/// Packs again what [`gunzip`] unpacked, with the header fields of `original`.
pub(super) fn gzip(original: &[u8], content: &[u8]) -> Result<Vec<u8>, PlanError> {
    use std::io::Write as _;
    let header = flate2::read::GzDecoder::new(original);
    let header = header.header();
    let mut builder = flate2::GzBuilder::new();
    if let Some(header) = header {
        builder = builder
            .mtime(header.mtime())
            .operating_system(header.operating_system());
        if let Some(name) = header.filename() {
            builder = builder.filename(name);
        }
    }
    let mut encoder = builder.write(Vec::new(), flate2::Compression::default());
    encoder
        .write_all(content)
        .and_then(|()| encoder.finish())
        .map_err(|error| PlanError::container(format!("cannot be packed again: {error}")))
}
