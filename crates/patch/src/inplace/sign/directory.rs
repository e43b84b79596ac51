//! The embedded signature: a superblob of code directories, requirements,
//! entitlements and, for an identity, a CMS message. `object` reads it; here is
//! what may be renewed, and where. All big-endian.

use std::ops::Range;

use object::BigEndian as BE;
use object::macho::{
    CS_ADHOC, CS_HASHTYPE_SHA1, CS_HASHTYPE_SHA256, CS_HASHTYPE_SHA256_TRUNCATED,
    CS_HASHTYPE_SHA384, CSMAGIC_BLOBWRAPPER, CsHashType,
};
use object::read::macho::{CodeDirectory, CodeSignature};
use sha2::{Digest, Sha256, Sha384};

/// A field that is not what it must be.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) at: usize,
    pub(super) expected: &'static str,
    pub(super) found: String,
}

/// What a signature is made of.
pub(super) struct Superblob {
    pub(super) directories: Vec<Directory>,
    /// CMS messages: who signed it.
    messages: Vec<Range<usize>>,
    /// Where the last blob ends.
    end: usize,
}

impl Superblob {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let unreadable = |error: object::read::Error| Malformed {
            at: 0,
            expected: "an embedded signature",
            found: error.to_string(),
        };
        let mut superblob = Self {
            directories: Vec::new(),
            messages: Vec::new(),
            end: 0,
        };
        for blob in CodeSignature::parse(bytes).map_err(unreadable)?.blobs() {
            let blob = blob.map_err(unreadable)?;
            let start = size(blob.offset());
            let at = start..start.saturating_add(blob.data().len());
            superblob.end = superblob.end.max(at.end);
            if let Some(directory) = blob.code_directory().map_err(unreadable)? {
                superblob.directories.push(Directory::of(&directory, at)?);
            } else if blob.magic() == CSMAGIC_BLOBWRAPPER && at.len() > HEAD {
                superblob.messages.push(at);
            }
        }
        match superblob.directories.is_empty() {
            true => Err(Malformed {
                at: 0,
                expected: "a code directory",
                found: "other blobs alone".to_owned(),
            }),
            false => Ok(superblob),
        }
    }

    /// Who signed it, if somebody did.
    pub(super) fn signer(&self) -> Option<String> {
        let signed = |directory: &&Directory| !self.messages.is_empty() || !directory.ad_hoc;
        let team = |directory: &Directory| match &directory.team {
            Some((team, _)) => format!("team {team}"),
            None => "an identity without a team".to_owned(),
        };
        self.directories.iter().find(signed).map(team)
    }

    /// Takes message and team out and marks the directories as ad-hoc.
    pub(super) fn make_ad_hoc(&self, bytes: &mut [u8]) {
        for directory in &self.directories {
            let field = |offset: usize| directory.at.start.saturating_add(offset);
            put(bytes, field(FLAGS), directory.flags | CS_ADHOC.0);
            if let Some((_, text)) = &directory.team {
                bytes.get_mut(text.clone()).unwrap_or_default().fill(0);
                put(bytes, field(TEAM), 0);
            }
        }
        for at in &self.messages {
            let contents = at.start.saturating_add(HEAD)..at.end;
            let end = contents.start;
            bytes.get_mut(contents).unwrap_or_default().fill(0);
            put(bytes, at.start.saturating_add(LENGTH), 8);
            if at.end == self.end {
                put(bytes, LENGTH, u32::try_from(end).unwrap_or(u32::MAX));
            }
        }
    }
}

/// Magic and length, with which every blob begins.
const HEAD: usize = 8;
const LENGTH: usize = 4;
/// Fields of a code directory that are written.
const FLAGS: usize = 12;
const TEAM: usize = 48;

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(field) = at.checked_add(4).and_then(|end| bytes.get_mut(at..end)) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

fn size(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A code directory whose hashes can be renewed.
#[derive(Debug)]
pub(super) struct Directory {
    at: Range<usize>,
    flags: u32,
    ad_hoc: bool,
    /// The team, and where it stands.
    team: Option<(String, Range<usize>)>,
    hashes: usize,
    limit: usize,
    hash: CsHashType,
    hash_size: usize,
    page: usize,
}

impl Directory {
    fn of(read: &CodeDirectory<'_>, at: Range<usize>) -> Result<Self, Malformed> {
        let bad = |offset: usize, expected, found: String| Malformed {
            at: at.start.saturating_add(offset),
            expected,
            found,
        };
        let header = read.header();
        let wanted = match header.hash_type {
            CS_HASHTYPE_SHA1 | CS_HASHTYPE_SHA256_TRUNCATED => 20,
            CS_HASHTYPE_SHA256 => 32,
            CS_HASHTYPE_SHA384 => 48,
            other => return Err(bad(37, "a hash type from 1 to 4", other.0.to_string())),
        };
        if header.hash_size != wanted {
            let found = header.hash_size.to_string();
            return Err(bad(36, "the size of its hash type", found));
        }
        if !(9..=24).contains(&header.page_size) {
            let found = header.page_size.to_string();
            return Err(bad(39, "a page size as a power of two", found));
        }
        let team = read
            .team_id()
            .map_err(|error| bad(TEAM, "a team", error.to_string()))?;
        let team = team.map(|team| {
            let start = at
                .start
                .saturating_add(size(read.team_offset().unwrap_or(0)));
            let name = String::from_utf8_lossy(team).into_owned();
            (name, start..start.saturating_add(team.len()))
        });
        let flags = header.flags.get(BE);
        let directory = Self {
            flags: flags.0,
            ad_hoc: flags.contains(CS_ADHOC),
            team,
            hashes: at.start.saturating_add(size(header.hash_offset.get(BE))),
            limit: usize::try_from(read.code_limit()).unwrap_or(usize::MAX),
            hash: header.hash_type,
            hash_size: usize::from(header.hash_size),
            page: 1 << header.page_size,
            at: at.clone(),
        };
        let slots = size(header.n_code_slots.get(BE));
        let end = directory.slot(slots.saturating_sub(1)).end;
        if end > at.end || directory.limit.div_ceil(directory.page) != slots {
            let found = format!("{slots} slots for {} bytes", directory.limit);
            return Err(bad(28, "one hash per page, inside the directory", found));
        }
        Ok(directory)
    }

    /// Writes the hash of each page of the image; the last page is cut at the limit.
    pub(super) fn renew(&self, image: &[u8], signature: &mut [u8]) -> Result<(), Malformed> {
        let signed = image.get(..self.limit).ok_or_else(|| Malformed {
            at: self.at.start.saturating_add(32),
            expected: "a limit inside the image",
            found: self.limit.to_string(),
        })?;
        for (number, page) in signed.chunks(self.page).enumerate() {
            let hash = match self.hash {
                CS_HASHTYPE_SHA1 => sha1::Sha1::digest(page).to_vec(),
                CS_HASHTYPE_SHA384 => Sha384::digest(page).to_vec(),
                _ => Sha256::digest(page).to_vec(),
            };
            let now = signature.get_mut(self.slot(number)).unwrap_or_default();
            now.copy_from_slice(hash.get(..now.len()).unwrap_or_default());
        }
        Ok(())
    }

    /// Where the hash of a page stands in the signature.
    fn slot(&self, page: usize) -> Range<usize> {
        let start = self
            .hashes
            .saturating_add(page.saturating_mul(self.hash_size));
        start..start.saturating_add(self.hash_size)
    }
}
