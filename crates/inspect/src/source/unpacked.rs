//! An unpacked member: in memory while it is small, in a file without a name where
//! it is large, so that it takes room on a disk and not in memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Deref;

use crate::pages::{self, FilePages};

/// Bytes that are copied at once.
const CHUNK: usize = 64 << 10;

/// The bytes of an unpacked member that is too large for memory.
#[derive(Debug)]
pub(crate) struct Spilled(FilePages);

/// Why a member was not spilled.
pub(super) enum SpillError {
    /// It does not unpack.
    Read(io::Error),
    /// The temporary folder does not take it.
    Write(io::Error),
}

impl Spilled {
    /// What was unpacked already, `first`, and the rest of the stream.
    pub(super) fn of(first: &[u8], rest: &mut dyn Read) -> Result<Self, SpillError> {
        let mut file = tempfile::tempfile().map_err(SpillError::Write)?;
        let mut length = 0u64;
        for chunk in first.chunks(CHUNK) {
            add(&mut file, chunk, &mut length).map_err(SpillError::Write)?;
        }
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            chunk.clear();
            let more = Read::take(&mut *rest, CHUNK as u64).read_to_end(&mut chunk);
            if more.map_err(SpillError::Read)? == 0 {
                break;
            }
            add(&mut file, &chunk, &mut length).map_err(SpillError::Write)?;
        }
        let mapped = file.set_len(length).and_then(|()| pages::of_file(&file));
        mapped.map(Self).map_err(SpillError::Write)
    }
}

/// Writes a chunk; zeros are left out, as a hole.
fn add(file: &mut File, chunk: &[u8], length: &mut u64) -> io::Result<()> {
    *length = length.saturating_add(chunk.len() as u64);
    if chunk.iter().all(|byte| *byte == 0) {
        file.seek(SeekFrom::Start(*length)).map(drop)
    } else {
        file.write_all(chunk)
    }
}

impl Deref for Spilled {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
