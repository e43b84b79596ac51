//! Code directories: what an embedded signature says of each page of an image.
//! `object` reads them; which bytes a hash is of, and where it stands, is
//! worked out here, for the check of a file and for whoever signs one.

use std::ops::Range;

use object::BigEndian;
use object::macho::{CsFlags, CsHashType};
use object::read::macho::{self, CodeSignature};

use crate::error::DecodeError;

/// Blobs of one signature that are looked at; real ones have half a dozen.
const MAX_BLOBS: usize = 4096;

/// A code directory of a signature.
#[derive(Debug, Clone, Copy)]
pub struct CodeDirectory<'data> {
    directory: macho::CodeDirectory<'data>,
    /// Where it begins in the signature.
    start: u32,
}

impl<'data> CodeDirectory<'data> {
    /// The directories of the signature that `LC_CODE_SIGNATURE` points at, in
    /// its order.
    pub fn each(
        signature: &'data [u8],
    ) -> Result<impl Iterator<Item = Result<Self, DecodeError>> + use<'data>, DecodeError> {
        let signature = CodeSignature::parse(signature)
            .map_err(|error| DecodeError::new(0, "an embedded code signature", error))?;
        Ok(signature.blobs().take(MAX_BLOBS).filter_map(|blob| {
            let blob = match blob {
                Ok(blob) => blob,
                Err(error) => {
                    return Some(Err(DecodeError::new(
                        0,
                        "a blob inside the signature",
                        error,
                    )));
                }
            };
            let start = blob.offset();
            match blob.code_directory() {
                Ok(directory) => directory.map(|directory| Ok(Self { directory, start })),
                Err(error) => Some(Err(DecodeError::new(
                    start.into(),
                    "a code directory",
                    error,
                ))),
            }
        }))
    }

    /// Where it begins in the signature.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// What is said of the signature as a whole, ad hoc or not.
    pub fn flags(&self) -> CsFlags {
        self.directory.header().flags.get(BigEndian)
    }

    /// The team that signed.
    pub fn team(&self) -> Result<Option<&'data [u8]>, DecodeError> {
        self.directory
            .team_id()
            .map_err(|error| DecodeError::new(self.start.into(), "a team identifier", error))
    }

    /// How pages are hashed.
    pub fn hash_type(&self) -> CsHashType {
        self.directory.header().hash_type
    }

    /// Bytes of one hash.
    pub fn hash_size(&self) -> usize {
        self.directory.header().hash_size.into()
    }

    /// How many pages have a hash.
    pub fn slots(&self) -> u32 {
        self.directory.header().n_code_slots.get(BigEndian)
    }

    /// Bytes of the image that are signed.
    pub fn covers(&self) -> u64 {
        self.directory.code_limit()
    }

    /// The signed pages of an image, the last one cut where the signed bytes
    /// end; `None` when they end outside the image.
    pub fn pages<'image>(
        &self,
        image: &'image [u8],
    ) -> Option<impl ExactSizeIterator<Item = &'image [u8]> + use<'image>> {
        let limit = usize::try_from(self.covers()).ok()?;
        let signed = image.get(..limit)?;
        let page = match self.directory.header().page_size {
            // One page holds all.
            0 => limit,
            power => 1_usize.checked_shl(power.into()).unwrap_or(limit),
        };
        Some(signed.chunks(page.max(1)))
    }

    /// The stated hash of a page; `None` outside the directory.
    pub fn hash(&self, page: u32) -> Option<&'data [u8]> {
        self.directory.code_hash(page).ok()
    }

    /// Where the hash of a page stands in the signature.
    pub fn slot(&self, page: u32) -> Option<Range<usize>> {
        self.hash(page)?;
        let first = self.directory.header().hash_offset.get(BigEndian);
        let size = self.hash_size();
        let start = usize::try_from(page)
            .ok()?
            .checked_mul(size)?
            .checked_add(usize::try_from(self.start.checked_add(first)?).ok()?)?;
        Some(start..start.checked_add(size)?)
    }
}
