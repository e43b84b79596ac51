//! An embedded signature, and what of it may be renewed: the hashes in its code
//! directories, and, where a team's signature is given up, what names the team.
//! Layout: `cs_blobs.h` of Apple's published xnu sources; all big-endian.

use std::ops::Range;

use artcheck_inspect::DecodeError;
use artcheck_inspect::container::CodeDirectory;
use object::macho::{
    CS_ADHOC, CS_HASHTYPE_SHA1, CS_HASHTYPE_SHA256, CS_HASHTYPE_SHA256_TRUNCATED,
    CS_HASHTYPE_SHA384, CSMAGIC_BLOBWRAPPER,
};
use object::read::macho::CodeSignature;
use sha2::{Digest, Sha256, Sha384};

/// Magic and length, with which every blob begins.
const HEAD: usize = 8;
const LENGTH: usize = 4;
/// Fields of a code directory that are written.
const FLAGS: usize = 12;
const TEAM: usize = 48;

/// A signature as it is.
pub(super) struct Signature<'a> {
    bytes: &'a [u8],
    directories: Vec<CodeDirectory<'a>>,
    /// CMS messages: who signed it.
    messages: Vec<Range<usize>>,
    /// Where the last blob ends.
    end: usize,
}

impl<'a> Signature<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut signature = Self {
            bytes,
            directories: CodeDirectory::each(bytes)?.collect::<Result<_, _>>()?,
            messages: Vec::new(),
            end: 0,
        };
        if signature.directories.is_empty() {
            let found = "other blobs alone";
            return Err(DecodeError::new(0, "a code directory", found));
        }
        let blobs = CodeSignature::parse(bytes).into_iter();
        for blob in blobs.flat_map(|all| all.blobs()).flatten() {
            let start = index(blob.offset());
            let at = start..start.saturating_add(blob.data().len());
            signature.end = signature.end.max(at.end);
            if blob.magic() == CSMAGIC_BLOBWRAPPER && at.len() > HEAD {
                signature.messages.push(at);
            }
        }
        Ok(signature)
    }

    /// Who signed it, if somebody did.
    pub(super) fn signer(&self) -> Result<Option<String>, DecodeError> {
        let signed = |directory: &&CodeDirectory<'_>| {
            !self.messages.is_empty() || !directory.flags().contains(CS_ADHOC)
        };
        let Some(directory) = self.directories.iter().find(signed) else {
            return Ok(None);
        };
        Ok(Some(match directory.team()? {
            Some(team) => format!("team {}", String::from_utf8_lossy(team)),
            None => "an identity without a team".to_owned(),
        }))
    }

    /// Takes message and team out of `new` and marks its directories as ad-hoc.
    pub(super) fn make_ad_hoc(&self, new: &mut [u8]) -> Result<(), DecodeError> {
        for directory in &self.directories {
            let field = |offset: usize| index(directory.start()).saturating_add(offset);
            put(new, field(FLAGS), directory.flags().with(CS_ADHOC).0);
            if let Some(team) = directory.team()? {
                let start = team.as_ptr().addr();
                let start = start.saturating_sub(self.bytes.as_ptr().addr());
                let text = new.get_mut(start..start.saturating_add(team.len()));
                text.unwrap_or_default().fill(0);
                put(new, field(TEAM), 0);
            }
        }
        for at in &self.messages {
            let contents = at.start.saturating_add(HEAD)..at.end;
            let end = contents.start;
            new.get_mut(contents).unwrap_or_default().fill(0);
            put(new, at.start.saturating_add(LENGTH), 8);
            if at.end == self.end {
                put(new, LENGTH, u32::try_from(end).unwrap_or(u32::MAX));
            }
        }
        Ok(())
    }

    /// Writes the hashes of the image's pages to `new`.
    pub(super) fn renew(&self, image: &[u8], new: &mut [u8]) -> Result<(), DecodeError> {
        for directory in &self.directories {
            let bad = |offset: u64, expected: &'static str, found: String| {
                let at = u64::from(directory.start()).saturating_add(offset);
                DecodeError::new(at, expected, found)
            };
            let hash = match (directory.hash_type(), directory.hash_size()) {
                (CS_HASHTYPE_SHA1, 20) => |page: &[u8]| sha1::Sha1::digest(page).to_vec(),
                (CS_HASHTYPE_SHA256, 32) => |page: &[u8]| Sha256::digest(page).to_vec(),
                (CS_HASHTYPE_SHA256_TRUNCATED, 20) => |page: &[u8]| {
                    let whole = Sha256::digest(page);
                    whole.get(..20).unwrap_or_default().to_vec()
                },
                (CS_HASHTYPE_SHA384, 48) => |page: &[u8]| Sha384::digest(page).to_vec(),
                (kind, size) => {
                    let found = format!("type {}, {size} bytes", kind.0);
                    return Err(bad(36, "a hash type from 1 to 4 and its size", found));
                }
            };
            let slots = directory.slots();
            let pages = directory.pages(image);
            let pages = pages
                .filter(|pages| Some(pages.len()) == usize::try_from(slots).ok())
                .ok_or_else(|| bad(28, "one hash per page of the image", slots.to_string()))?;
            for (number, page) in (0..slots).zip(pages) {
                let slot = directory.slot(number).and_then(|slot| new.get_mut(slot));
                let slot = slot.ok_or_else(|| {
                    bad(28, "hashes inside the directory", format!("slot {number}"))
                })?;
                slot.copy_from_slice(&hash(page));
            }
        }
        Ok(())
    }
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(field) = at.checked_add(4).and_then(|end| bytes.get_mut(at..end)) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
