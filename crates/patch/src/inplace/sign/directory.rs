//! The embedded signature: a superblob of code directories, requirements,
//! entitlements and, for an identity, a CMS message. All big-endian.

use std::ops::Range;

use sha2::{Digest, Sha256, Sha384};

pub(super) const SUPERBLOB: u32 = 0xfade_0cc0;
pub(super) const DIRECTORY: u32 = 0xfade_0c02;
const CMS: u32 = 0xfade_0b01;
pub(super) const AD_HOC: u32 = 2;
/// Versions that have a team, and 64-bit limits.
const WITH_TEAM: u32 = 0x2_0200;
const WITH_LIMIT_64: u32 = 0x2_0300;

/// A field that is not what it must be.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) at: u64,
    pub(super) expected: &'static str,
    pub(super) found: String,
}

fn word(bytes: &[u8], at: usize, expected: &'static str) -> Result<u32, Malformed> {
    let field = at.checked_add(4).and_then(|end| bytes.get(at..end));
    match field.map(<[u8; 4]>::try_from) {
        Some(Ok(word)) => Ok(u32::from_be_bytes(word)),
        _ => Err(Malformed {
            at: at as u64,
            expected,
            found: "the end of the signature".to_owned(),
        }),
    }
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(field) = at.checked_add(4).and_then(|end| bytes.get_mut(at..end)) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

fn size(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The blobs of a signature: what kind, and where.
#[derive(Debug)]
pub(super) struct Superblob {
    blobs: Vec<(u32, Range<usize>)>,
}

impl Superblob {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let magic = word(bytes, 0, "a signature")?;
        if magic != SUPERBLOB {
            let found = format!("{magic:#x}");
            return Err(Malformed {
                at: 0,
                expected: "an embedded signature, 0xfade0cc0",
                found,
            });
        }
        let count = word(bytes, 8, "a count of blobs")?;
        let room = u32::try_from(bytes.len() / 8).unwrap_or(u32::MAX);
        if count > room {
            let found = count.to_string();
            return Err(Malformed {
                at: 8,
                expected: "a count of blobs that fits",
                found,
            });
        }
        let mut blobs = Vec::new();
        for index in 0..size(count) {
            let entry = index.saturating_mul(8).saturating_add(16);
            let start = size(word(bytes, entry, "the offset of a blob")?);
            let magic = word(bytes, start, "a blob")?;
            let length = size(word(
                bytes,
                start.saturating_add(4),
                "the length of a blob",
            )?);
            let end = start.saturating_add(length);
            if length < 8 || end > bytes.len() {
                let found = format!("{length} bytes");
                return Err(Malformed {
                    at: start as u64,
                    expected: "a blob inside the signature",
                    found,
                });
            }
            blobs.push((magic, start..end));
        }
        Ok(Self { blobs })
    }

    /// The code directories; at least one.
    pub(super) fn directories(&self, bytes: &[u8]) -> Result<Vec<Directory>, Malformed> {
        let found = self.blobs.iter().filter(|(magic, _)| *magic == DIRECTORY);
        let directories: Vec<Directory> = found
            .map(|(_, at)| Directory::parse(bytes, at.clone()))
            .collect::<Result<_, _>>()?;
        if directories.is_empty() {
            let found = format!("{} other blobs", self.blobs.len());
            return Err(Malformed {
                at: 0,
                expected: "a code directory",
                found,
            });
        }
        Ok(directories)
    }

    /// Who signed it, if somebody did.
    pub(super) fn signer(&self, bytes: &[u8]) -> Result<Option<String>, Malformed> {
        let message = self
            .blobs
            .iter()
            .any(|(magic, at)| *magic == CMS && at.len() > 8);
        for directory in self.directories(bytes)? {
            if message || directory.flags & AD_HOC == 0 {
                return Ok(Some(match directory.team(bytes) {
                    Some(team) => format!("team {team}"),
                    None => "an identity without a team".to_owned(),
                }));
            }
        }
        Ok(None)
    }

    /// Takes message and team out and marks the directories as ad-hoc.
    pub(super) fn make_ad_hoc(&self, bytes: &mut [u8]) -> Result<(), Malformed> {
        for directory in self.directories(bytes)? {
            put(
                bytes,
                directory.at.start.saturating_add(12),
                directory.flags | AD_HOC,
            );
            if let Some(team) = directory.team_range(bytes) {
                if let Some(text) = bytes.get_mut(team) {
                    text.fill(0);
                }
                put(bytes, directory.at.start.saturating_add(48), 0);
            }
        }
        let last = self.blobs.iter().map(|(_, at)| at.end).max().unwrap_or(0);
        for (_, at) in self.blobs.iter().filter(|(magic, _)| *magic == CMS) {
            let head = at.start.saturating_add(8);
            if let Some(message) = bytes.get_mut(head..at.end) {
                message.fill(0);
            }
            put(bytes, at.start.saturating_add(4), 8);
            if at.end == last {
                put(bytes, 4, u32::try_from(head).unwrap_or(u32::MAX));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum HashKind {
    Sha1,
    Sha256,
    /// SHA-256 cut to 20 bytes.
    Sha256Cut,
    Sha384,
}

/// A code directory.
#[derive(Debug)]
pub(super) struct Directory {
    at: Range<usize>,
    flags: u32,
    version: u32,
    hashes: usize,
    slots: usize,
    limit: usize,
    kind: HashKind,
    hash_size: usize,
    page: usize,
}

impl Directory {
    fn parse(bytes: &[u8], at: Range<usize>) -> Result<Self, Malformed> {
        let field =
            |offset: usize| word(bytes, at.start.saturating_add(offset), "a code directory");
        let sizes = field(36)?.to_be_bytes();
        let [hash_size, kind, _, page] = sizes;
        let bad = |offset: usize, expected, found| Malformed {
            at: at.start.saturating_add(offset) as u64,
            expected,
            found,
        };
        let (kind, wanted) = match kind {
            1 => (HashKind::Sha1, 20),
            2 => (HashKind::Sha256, 32),
            3 => (HashKind::Sha256Cut, 20),
            4 => (HashKind::Sha384, 48),
            other => return Err(bad(37, "a hash type from 1 to 4", other.to_string())),
        };
        if hash_size != wanted {
            return Err(bad(36, "the size of its hash type", hash_size.to_string()));
        }
        let version = field(8)?;
        let limit = match version >= WITH_LIMIT_64 {
            // The upper half comes first; no library is that large.
            true if field(60)? != 0 => field(60)?,
            _ => field(32)?,
        };
        if !(9..=24).contains(&page) {
            return Err(bad(39, "a page size as a power of two", page.to_string()));
        }
        let directory = Self {
            flags: field(12)?,
            version,
            hashes: at.start.saturating_add(size(field(16)?)),
            slots: size(field(28)?),
            limit: size(limit),
            kind,
            hash_size: usize::from(hash_size),
            page: 1 << page,
            at,
        };
        let end = directory.slot(directory.slots.saturating_sub(1)).end;
        if end > directory.at.end || directory.limit.div_ceil(directory.page) != directory.slots {
            let found = format!("{} slots for {} bytes", directory.slots, directory.limit);
            return Err(Malformed {
                at: directory.at.start.saturating_add(28) as u64,
                expected: "one hash per page, inside the directory",
                found,
            });
        }
        Ok(directory)
    }

    fn team_range(&self, bytes: &[u8]) -> Option<Range<usize>> {
        if self.version < WITH_TEAM {
            return None;
        }
        let offset = word(bytes, self.at.start.saturating_add(48), "")
            .ok()
            .filter(|offset| *offset != 0)?;
        let start = self.at.start.checked_add(size(offset))?;
        let rest = bytes.get(start..self.at.end)?;
        let length = rest.iter().position(|byte| *byte == 0)?;
        Some(start..start.checked_add(length)?)
    }

    fn team(&self, bytes: &[u8]) -> Option<String> {
        let range = self.team_range(bytes)?;
        Some(String::from_utf8_lossy(bytes.get(range)?).into_owned())
    }

    /// The pages that are hashed, the last one cut at the limit.
    pub(super) fn pages<'a>(
        &self,
        image: &'a [u8],
    ) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, Malformed> {
        let signed = image.get(..self.limit).ok_or_else(|| Malformed {
            at: self.at.start.saturating_add(32) as u64,
            expected: "a limit inside the image",
            found: self.limit.to_string(),
        })?;
        Ok(signed.chunks(self.page))
    }

    /// Where the hash of a page stands in the signature.
    pub(super) fn slot(&self, page: usize) -> Range<usize> {
        let start = self
            .hashes
            .saturating_add(page.saturating_mul(self.hash_size));
        start..start.saturating_add(self.hash_size)
    }

    pub(super) fn hash(&self, page: &[u8]) -> Vec<u8> {
        let mut hash = match self.kind {
            HashKind::Sha1 => sha1::Sha1::digest(page).to_vec(),
            HashKind::Sha256 | HashKind::Sha256Cut => Sha256::digest(page).to_vec(),
            HashKind::Sha384 => Sha384::digest(page).to_vec(),
        };
        hash.truncate(self.hash_size);
        hash
    }
}
