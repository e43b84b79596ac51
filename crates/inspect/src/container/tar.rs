//! Tar archives, plain and compressed with gzip.
//!
//! Written out here and not taken from a library for one reason: the names in
//! GNU and pax extension entries are read within a bound, so that a few packed
//! kilobytes cannot unpack into a name of gigabytes.

use std::io::{self, Read};

use super::archive::{Body, Member, Visit};
use super::sparse::Sparse;
use super::tar_field::{BLOCK, number, text};
use crate::error::DecodeError;
use crate::limits::MAX_NAME;

/// What a header says comes next.
enum Entry {
    /// A zero block: the end.
    End,
    /// A regular file.
    File { name: Vec<u8>, size: u64 },
    /// Bytes that describe the next entry.
    Extension { kind: u8, size: u64 },
    /// A folder, or a link to another member, with `true` if it is told from the folder of
    /// this one: no bytes follow.
    Bare {
        name: Vec<u8>,
        link: Option<(Vec<u8>, bool)>,
    },
    /// A device with `size` bytes behind it.
    Other { size: u64 },
    /// A file with holes: `size` bytes of it are stored.
    Sparse {
        name: Vec<u8>,
        size: u64,
        sparse: Sparse,
    },
}

/// What extension entries said about the next file.
#[derive(Default)]
struct Pending {
    name: Option<Vec<u8>>,
    /// What it links to.
    link: Option<Vec<u8>>,
    /// Its pieces, if it has holes.
    sparse: Option<Sparse>,
    size: Option<u64>,
}

/// Hands out the regular files of a plain tar, its links and folders.
pub fn members<'data>(data: &'data [u8], visit: Visit<'_, 'data>) -> Result<(), DecodeError> {
    let mut pending = Pending::default();
    let mut at = 0usize;
    while let Some(header) = data.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        let mut start = at.saturating_add(BLOCK);
        let entry = pending.read(header, at as u64)?;
        let body = |start: usize, size: u64| {
            usize::try_from(size)
                .ok()
                .and_then(|size| data.get(start..start.checked_add(size)?))
                .ok_or_else(|| truncated(start as u64, size))
        };
        let (size, more) = match entry {
            Entry::End => return Ok(()),
            Entry::Other { size } => (size, true),
            Entry::Bare { name, link } => (0, visit(bare(name, link))),
            Entry::Extension { kind, size } => {
                pending.extend(kind, body(start, size)?);
                (size, true)
            }
            Entry::File { name, size } => {
                let body = Body::Stored(body(start, size)?);
                (size, visit(Member::plain(name, size, body)))
            }
            Entry::Sparse {
                name,
                size,
                mut sparse,
            } => {
                while sparse.goes_on {
                    let block = data.get(start..).and_then(<[u8]>::first_chunk);
                    sparse.extend(block.ok_or_else(|| truncated(start as u64, BLOCK as u64))?);
                    start = start.saturating_add(BLOCK);
                }
                let body = body(start, size)?.take(size);
                (size, whole(name, sparse, body, visit))
            }
        };
        if !more {
            return Ok(());
        }
        let Some(next) = padded(size).and_then(|size| start.checked_add(size)) else {
            return Err(truncated(start as u64, size));
        };
        at = next;
    }
    if at < data.len() {
        return Err(truncated(at as u64, BLOCK as u64));
    }
    Ok(())
}

/// The same of a tar that is unpacked while it is read.
pub(crate) fn stream_members<'data>(
    stream: &mut dyn Read,
    visit: Visit<'_, 'data>,
) -> Result<(), DecodeError> {
    let mut pending = Pending::default();
    let mut at = 0u64;
    let mut header = [0u8; BLOCK];
    loop {
        let failed = move |error: io::Error| DecodeError::new(at, "a gzip stream", error);
        match fill(stream, &mut header).map_err(failed)? {
            0 => return Ok(()),
            BLOCK => {}
            _ => return Err(truncated(at, BLOCK as u64)),
        }
        let entry = pending.read(&header, at)?;
        let (size, more) = match entry {
            Entry::End => return Ok(()),
            Entry::Other { size } => {
                skip(stream, size).map_err(failed)?;
                (size, true)
            }
            Entry::Bare { name, link } => (0, visit(bare(name, link))),
            Entry::Extension { kind, size } => {
                let mut text = Vec::new();
                let kept = size.min(MAX_NAME as u64);
                Read::take(&mut *stream, kept)
                    .read_to_end(&mut text)
                    .map_err(failed)?;
                skip(stream, size.saturating_sub(kept)).map_err(failed)?;
                pending.extend(kind, &text);
                (size, true)
            }
            Entry::File { name, size } => {
                let mut body = Read::take(&mut *stream, size);
                let more = visit(Member::plain(name, size, Body::Packed(&mut body)));
                if more {
                    rest(body, size, at)?;
                }
                (size, more)
            }
            Entry::Sparse {
                name,
                size,
                mut sparse,
            } => {
                while sparse.goes_on {
                    if fill(stream, &mut header).map_err(failed)? != BLOCK {
                        return Err(truncated(at, BLOCK as u64));
                    }
                    sparse.extend(&header);
                    at = at.saturating_add(BLOCK as u64);
                }
                let mut body = Read::take(&mut *stream, size);
                let more = whole(name, sparse, Read::take(&mut body, size), visit);
                if more {
                    rest(body, size, at)?;
                }
                (size, more)
            }
        };
        if !more {
            return Ok(());
        }
        let padded = padded(size).map_or(u64::MAX, |padded| padded as u64);
        skip(stream, padded.saturating_sub(size)).map_err(failed)?;
        at = at.saturating_add(BLOCK as u64).saturating_add(padded);
    }
}

fn bare<'a, 'data>(name: Vec<u8>, link: Option<(Vec<u8>, bool)>) -> Member<'a, 'data> {
    let body = link.map_or(Body::Folder, |(target, is_soft)| {
        Body::Link(target, is_soft)
    });
    Member::plain(name, 0, body)
}

/// Hands out a file with holes, of which `data` holds what is stored.
fn whole<R: Read>(
    name: Vec<u8>,
    sparse: Sparse,
    mut data: io::Take<R>,
    visit: Visit<'_, '_>,
) -> bool {
    match sparse.whole(&mut data) {
        Some(mut whole) => {
            let size = whole.size;
            visit(Member::plain(name, size, Body::Holed(&mut whole)))
        }
        None => {
            let why = "the map of this sparse file is damaged or too long";
            visit(Member::plain(name, 0, Body::Absent(why)))
        }
    }
}

/// Goes to the end of a body.
fn rest<R: Read>(mut body: io::Take<R>, size: u64, at: u64) -> Result<(), DecodeError> {
    io::copy(&mut body, &mut io::sink())
        .map_err(|error| DecodeError::new(at, "a gzip stream", error))?;
    match body.limit() {
        0 => Ok(()),
        _ => Err(truncated(at, size)),
    }
}

impl Pending {
    fn read(&mut self, header: &[u8; BLOCK], at: u64) -> Result<Entry, DecodeError> {
        if header.iter().all(|byte| *byte == 0) {
            return Ok(Entry::End);
        }
        if !super::identify::is_tar(header) {
            return Err(DecodeError::new(at, "a tar header", "a wrong checksum"));
        }
        let field = |from: usize, to: usize| header.get(from..to).unwrap_or_default();
        let size = number(field(124, 136))
            .ok_or_else(|| DecodeError::new(at, "an entry size", "other bytes"))?;
        let kind = header.get(156).copied().unwrap_or(0);
        if matches!(kind, b'L' | b'K' | b'x' | b'g') {
            return Ok(Entry::Extension { kind, size });
        }
        let pending = std::mem::take(self);
        let size = pending.size.unwrap_or(size);
        let name = pending.name.unwrap_or_else(|| {
            let name = text(field(0, 100));
            let prefix = text(field(345, 500));
            // Only the POSIX form has a prefix; GNU keeps times there.
            if field(257, 263) == b"ustar\0" && !prefix.is_empty() {
                [prefix, b"/", name].concat()
            } else {
                name.to_vec()
            }
        });
        Ok(match kind {
            0 | b'0' | b'7' if let Some(sparse) = pending.sparse => {
                Entry::Sparse { name, size, sparse }
            }
            0 | b'0' | b'7' if !name.ends_with(b"/") => Entry::File { name, size },
            b'S' => Entry::Sparse {
                name,
                size,
                sparse: Sparse::of_header(header),
            },
            // Links state a size at times, but nothing follows them.
            b'1' | b'2' => {
                let target = pending.link;
                let target = target.unwrap_or_else(|| text(field(157, 257)).to_vec());
                let link = Some((target, kind == b'2'));
                Entry::Bare { name, link }
            }
            b'5' => Entry::Bare { name, link: None },
            b'3' | b'4' | b'6' => Entry::Other { size: 0 },
            _ => Entry::Other { size },
        })
    }

    fn extend(&mut self, kind: u8, bytes: &[u8]) {
        match kind {
            b'L' => self.name = Some(text(bytes).to_vec()),
            b'K' => self.link = Some(text(bytes).to_vec()),
            b'x' => self.extend_pax(bytes),
            _ => {}
        }
    }

    /// Records `<length> <key>=<value>\n`.
    fn extend_pax(&mut self, mut rest: &[u8]) {
        while let Some(space) = memchr::memchr(b' ', rest) {
            let length = rest
                .get(..space)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .and_then(|digits| digits.parse::<usize>().ok());
            let Some((record, after)) = length
                .filter(|length| *length > space)
                .and_then(|length| rest.split_at_checked(length))
            else {
                return;
            };
            let record = record.get(space.saturating_add(1)..).unwrap_or_default();
            // A name may itself end in white space.
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let sparse = record.strip_prefix(b"GNU.sparse.");
            if let Some(path) = record.strip_prefix(b"path=") {
                // That of a sparse file is made up; its own may have come before.
                if self.sparse.is_none() || self.name.is_none() {
                    self.name = Some(text(path).to_vec());
                }
            } else if let Some(link) = record.strip_prefix(b"linkpath=") {
                self.link = Some(text(link).to_vec());
            } else if let Some(sparse) = sparse {
                let equals = memchr::memchr(b'=', sparse).unwrap_or(sparse.len());
                let (key, value) = sparse.split_at_checked(equals).unwrap_or_default();
                let value = value.get(1..).unwrap_or_default();
                if key == b"name" {
                    self.name = Some(text(value).to_vec());
                }
                self.sparse.get_or_insert_default().record(key, value);
            } else if let Some(size) = record.strip_prefix(b"size=") {
                self.size = std::str::from_utf8(size)
                    .ok()
                    .and_then(|size| size.parse().ok());
            }
            rest = after;
        }
    }
}

fn padded(size: u64) -> Option<usize> {
    usize::try_from(size).ok()?.checked_next_multiple_of(BLOCK)
}

fn skip(stream: &mut dyn Read, count: u64) -> io::Result<()> {
    io::copy(&mut stream.take(count), &mut io::sink()).map(drop)
}

fn fill(stream: &mut dyn Read, block: &mut [u8; BLOCK]) -> io::Result<usize> {
    let mut filled = 0usize;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest)? {
            0 => break,
            count => filled = filled.saturating_add(count),
        }
    }
    Ok(filled)
}

fn truncated(at: u64, size: u64) -> DecodeError {
    DecodeError::new(
        at,
        format!("a tar entry of {size} bytes"),
        "the end of the archive: truncated",
    )
}
