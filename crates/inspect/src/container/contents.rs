//! The bytes of a region: borrowed from the file, put together from a few
//! pieces, or memory that is mostly gaps.
//!
//! Linkers leave zeros out of a wasm file, tens of megabytes where a model has a
//! large tensor of them. Such memory is mapped without a file behind it: pages
//! that nobody wrote are the system's page of zeros and take no memory.

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use crate::pages::{self, ZeroPages};

/// The bytes of a region. A copy shares what the first one holds.
#[derive(Debug, Clone)]
pub struct Contents<'data>(Held<'data>);

#[derive(Debug, Clone)]
enum Held<'data> {
    File(&'data [u8]),
    Whole(Arc<Vec<u8>>),
    Sparse(Arc<ZeroPages>),
}

impl<'data> Contents<'data> {
    /// Bytes that are a part of the file.
    pub fn of_file(bytes: &'data [u8]) -> Self {
        Self(Held::File(bytes))
    }
}

impl Contents<'static> {
    /// Pieces at their offsets, ascending and apart, with zeros between them.
    /// `sparse` says that most of it is zeros. Fails where the system has no such
    /// room, or a piece is not inside.
    pub(super) fn of_pieces<'p>(
        length: usize,
        sparse: bool,
        pieces: impl Iterator<Item = (usize, &'p [u8])>,
    ) -> io::Result<Self> {
        if sparse {
            let mut memory = pages::zeros(length)?;
            for (at, piece) in pieces {
                let to = at.checked_add(piece.len());
                let room = to.and_then(|to| memory.get_mut(at..to));
                room.ok_or(io::ErrorKind::InvalidInput)?
                    .copy_from_slice(piece);
            }
            return Ok(Self(Held::Sparse(Arc::new(memory))));
        }
        let mut memory = Vec::with_capacity(length);
        for (at, piece) in pieces {
            memory.resize(at, 0);
            memory.extend_from_slice(piece);
        }
        Ok(Self(Held::Whole(Arc::new(memory))))
    }
}

impl Deref for Contents<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::File(bytes) => bytes,
            Held::Whole(bytes) => bytes,
            Held::Sparse(memory) => memory,
        }
    }
}
