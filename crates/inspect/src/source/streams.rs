//! Packed archives while they are unpacked: how much may come of them, and what a gzip stream
//! holds.

use std::cell::Cell;
use std::io::{self, Read};

use super::Place;
use crate::container::{Body, FileType, Member, identify, tar};
use crate::limits::{MAX_UNPACK_RATIO, MAX_UNPACKED_BYTES, RATIO_FREE_BYTES};

/// How many bytes are unpacked of an archive of this size.
pub(crate) fn most_unpacked(size: u64) -> u64 {
    let by_ratio = size.saturating_mul(MAX_UNPACK_RATIO).max(RATIO_FREE_BYTES);
    by_ratio.min(MAX_UNPACKED_BYTES)
}

/// A gzip stream holds a tar, or one file under the name without `.gz`.
pub(super) fn gzip(
    place: &Place,
    stream: &mut dyn Read,
    visit: &mut dyn FnMut(Member<'_, '_>) -> bool,
) -> Result<(), crate::DecodeError> {
    let mut head = Vec::new();
    Read::take(&mut *stream, 512)
        .read_to_end(&mut head)
        .map_err(|error| crate::DecodeError::new(0, "a gzip stream", error))?;
    let is_tar = identify(&head) == FileType::Tar;
    let mut whole = head.as_slice().chain(stream);
    if is_tar {
        return tar::stream_members(&mut whole, &mut |mut member| {
            // The list of an image's layers may come last.
            if is_layer(&member.name) && !matches!(member.body, Body::Link(..)) {
                let why = "the layer of an image in a packed tar: unpack the tar and scan that";
                member.body = Body::Absent(why);
            }
            visit(member)
        });
    }
    let name = place.raw_name();
    let name = name.strip_suffix(b".gz").unwrap_or(name).to_vec();
    // A gzip trailer states the size modulo 4 GiB, and may lie.
    visit(Member::plain(name, 0, Body::Packed(&mut whole)));
    Ok(())
}

/// Whether a member of a packed tar is, by its name, the layer of an image.
fn is_layer(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    name.starts_with(b"blobs/sha256/") || name.ends_with(b"/layer.tar")
}

/// A reader that spends from a budget shared by everything unpacked.
pub(super) struct Metered<'c, R> {
    pub(super) inner: R,
    pub(super) left: &'c Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let left = self.left.get().saturating_sub(count as u64);
        self.left.set(left);
        if left == 0 {
            return Err(io::Error::other("unpacks to too much"));
        }
        Ok(count)
    }
}
