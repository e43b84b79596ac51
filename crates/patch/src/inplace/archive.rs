//! Members of `tar` and `ar` archives with the place of their bytes, so that
//! they can be changed where they lie. Compressed archives are unpacked first.

use std::io::Read as _;
use std::ops::Range;

use artcheck_inspect::container::{FileType, identify};
use artcheck_inspect::limits::{MAX_MEMBERS, MAX_UNPACK_RATIO, MAX_UNPACKED_BYTES};

use super::PlanError;

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
    match identify(bytes) {
        FileType::Tar => tar(bytes).map(Some),
        FileType::Ar => ar(bytes).map(Some),
        FileType::ThinAr => Err(refused(
            "a thin archive names files instead of holding them; change those files",
        )),
        FileType::Zip => Err(refused(
            "a zip archive is not changed in place; unpack it, change the file, pack it again",
        )),
        _ => Ok(None),
    }
}

/// The bytes inside a gzip stream; `None` for any other file.
pub(super) fn gunzip(bytes: &[u8]) -> Result<Option<Vec<u8>>, PlanError> {
    if identify(bytes) != FileType::Gzip {
        return Ok(None);
    }
    let by_ratio = (bytes.len() as u64).saturating_mul(MAX_UNPACK_RATIO);
    let limit = by_ratio.min(MAX_UNPACKED_BYTES);
    let mut out = Vec::new();
    let read = flate2::read::GzDecoder::new(bytes)
        .take(limit.saturating_add(1))
        .read_to_end(&mut out);
    if let Err(error) = read {
        return Err(refused(format!(
            "expected a gzip stream, found one that does not unpack: {error}"
        )));
    }
    if out.len() as u64 > limit {
        return Err(refused(format!(
            "unpacks to more than {limit} bytes, which no model library does"
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
        .map_err(|error| refused(format!("cannot be packed again: {error}")))
}

fn refused(reason: impl Into<String>) -> PlanError {
    PlanError::Container {
        member: String::new(),
        reason: reason.into(),
    }
}

const BLOCK: usize = 512;

fn tar(bytes: &[u8]) -> Result<Vec<Member>, PlanError> {
    let mut members = Vec::new();
    let mut at = 0_usize;
    let mut long_name = None;
    while let Some(header) = bytes.get(at..at.saturating_add(BLOCK)) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let size = header.get(124..136).and_then(number).ok_or_else(|| {
            refused(format!(
                "tar header at {at:#x}: expected an octal size, found other bytes"
            ))
        })?;
        let start = at.saturating_add(BLOCK);
        let end = start.saturating_add(size);
        let content = bytes.get(start..end).ok_or_else(|| {
            refused(format!(
                "tar member at {at:#x}: expected {size} bytes, the archive is truncated"
            ))
        })?;
        match header.get(156).copied().unwrap_or(0) {
            0 | b'0' => {
                let name = long_name.take().unwrap_or_else(|| header_name(header));
                members.push(Member {
                    name,
                    at: start..end,
                });
            }
            b'L' => long_name = Some(until_nul(content)),
            b'x' => long_name = pax_path(content).or(long_name),
            _ => long_name = None,
        }
        if members.len() > MAX_MEMBERS {
            return Err(refused(format!("more than {MAX_MEMBERS} members")));
        }
        at = end.div_ceil(BLOCK).saturating_mul(BLOCK);
    }
    Ok(members)
}

fn header_name(header: &[u8]) -> String {
    let name = until_nul(header.get(..100).unwrap_or_default());
    let ustar = header.get(257..262) == Some(b"ustar");
    let prefix = until_nul(header.get(345..500).unwrap_or_default());
    if ustar && !prefix.is_empty() {
        format!("{prefix}/{name}")
    } else {
        name
    }
}

/// The `path` record of a pax header: `LENGTH path=NAME\n`.
fn pax_path(content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    let record = text.lines().find_map(|line| line.split_once(" path="))?;
    Some(record.1.to_owned())
}

fn until_nul(field: &[u8]) -> String {
    let end = field
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or(field)).into_owned()
}

fn number(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|c: char| c == ' ' || c == '\0');
    usize::from_str_radix(digits, 8).ok()
}

const AR_MAGIC: usize = 8;
const AR_HEADER: usize = 60;

fn ar(bytes: &[u8]) -> Result<Vec<Member>, PlanError> {
    let mut members = Vec::new();
    let mut long_names: &[u8] = &[];
    let mut at = AR_MAGIC;
    while let Some(header) = bytes.get(at..at.saturating_add(AR_HEADER)) {
        let text = |range: Range<usize>| {
            String::from_utf8_lossy(header.get(range).unwrap_or_default())
                .trim_end()
                .to_owned()
        };
        let size: usize = text(48..58).parse().map_err(|_| {
            refused(format!(
                "ar header at {at:#x}: expected a decimal size, found other bytes"
            ))
        })?;
        let mut start = at.saturating_add(AR_HEADER);
        let end = start.saturating_add(size);
        let content = bytes.get(start..end).ok_or_else(|| {
            refused(format!(
                "ar member at {at:#x}: expected {size} bytes, the archive is truncated"
            ))
        })?;
        let mut name = text(0..16);
        if name == "//" {
            long_names = content;
        } else if let Some(length) = name
            .strip_prefix("#1/")
            .and_then(|length| length.parse::<usize>().ok())
        {
            name = until_nul(content.get(..length).unwrap_or_default());
            start = start.saturating_add(length).min(end);
        } else if let Some(offset) = name
            .strip_prefix('/')
            .and_then(|offset| offset.parse::<usize>().ok())
        {
            let rest = long_names.get(offset..).unwrap_or_default();
            let stop = rest
                .iter()
                .position(|byte| matches!(byte, b'\n' | 0))
                .unwrap_or(rest.len());
            name = String::from_utf8_lossy(rest.get(..stop).unwrap_or_default()).into_owned();
        }
        let name = name.trim_end_matches('/').to_owned();
        let is_index = name.is_empty() || name.starts_with("__.SYMDEF");
        if !is_index {
            members.push(Member {
                name,
                at: start..end,
            });
        }
        if members.len() > MAX_MEMBERS {
            return Err(refused(format!("more than {MAX_MEMBERS} members")));
        }
        // Members begin at even offsets.
        at = end.saturating_add(end % 2);
    }
    Ok(members)
}
