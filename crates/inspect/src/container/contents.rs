//! The bytes of a region: borrowed from the file, in one piece or, in wasm, in
//! thousands with zeros between them.
//!
//! Linkers leave zeros out of a wasm file, tens of megabytes where a model has a large
//! tensor of them, and constants of any size lie between. So memory is not laid out:
//! what is asked for is borrowed where it lies in one piece, and copied only where it
//! does not. Who needs all of it at once gets it in memory that is mapped without a file
//! behind it where most is gaps: pages that nobody wrote are the system's page of zeros.

use std::cell::{Cell, OnceCell};
use std::io;
use std::ops::{Bound, Deref, Range, RangeBounds};
use std::rc::Rc;

use bumpalo::Bump;

use crate::bytes::{Bytes, Scattered};
use crate::limits::MAX_WASM_COPIES;
use crate::pages::{self, ZeroPages};

/// The bytes of a region. A copy shares what the first one holds.
#[derive(Debug, Clone)]
pub struct Contents<'data>(Held<'data>);

#[derive(Debug, Clone)]
enum Held<'data> {
    File(&'data [u8]),
    Pieces(Rc<Pieces<'data>>),
}

/// Pieces, ascending and apart, with zeros between them.
#[derive(Debug)]
struct Pieces<'data> {
    length: usize,
    /// Most of it is zeros.
    is_sparse: bool,
    pieces: Vec<(usize, &'data [u8])>,
    copies: Bump,
    copied: Cell<usize>,
    all: OnceCell<Option<Memory>>,
}

#[derive(Debug)]
enum Memory {
    Whole(Vec<u8>),
    Sparse(ZeroPages),
}

thread_local! {
    /// The room for copies that was used last on this thread, for the next file.
    static COPIES: Cell<Option<Bump>> = const { Cell::new(None) };
}

impl<'data> Contents<'data> {
    /// Bytes that are a part of the file.
    pub fn of_file(bytes: &'data [u8]) -> Self {
        Self(Held::File(bytes))
    }

    /// Pieces at their offsets, ascending and apart, with zeros between them.
    /// `is_sparse` says that most of it is zeros. Fails where the system has no such
    /// room.
    pub(super) fn of_pieces(
        length: usize,
        is_sparse: bool,
        pieces: Vec<(usize, &'data [u8])>,
    ) -> io::Result<Self> {
        if is_sparse {
            pages::zeros(length)?;
        }
        Ok(Self(Held::Pieces(Rc::new(Pieces {
            length,
            is_sparse,
            pieces,
            copies: COPIES.take().unwrap_or_default(),
            copied: Cell::new(0),
            all: OnceCell::new(),
        }))))
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        match &self.0 {
            Held::File(bytes) => bytes.len(),
            Held::Pieces(pieces) => pieces.length,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, for a cursor.
    pub fn bytes(&self) -> Bytes<'_> {
        match &self.0 {
            Held::File(bytes) => Bytes::from(*bytes),
            Held::Pieces(pieces) => Bytes::scattered(&**pieces),
        }
    }

    /// Some of them, in one piece.
    pub fn get(&self, range: impl RangeBounds<usize>) -> Option<&[u8]> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.checked_add(1)?,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => self.len(),
        };
        self.bytes().get(start..end)
    }

    /// What the file holds of them, from the piece on that holds byte `from` or is the
    /// next behind it: offset and bytes, in order.
    pub fn pieces(&self, from: usize) -> impl Iterator<Item = (usize, &[u8])> {
        let (one, several) = match &self.0 {
            Held::File(bytes) => (Some((0, *bytes)), None),
            Held::Pieces(pieces) => (None, pieces.pieces.get(pieces.first(from)..)),
        };
        let several = several.unwrap_or_default();
        one.into_iter().chain(several.iter().copied())
    }
}

impl Pieces<'_> {
    /// The index of the first piece that ends behind `at`.
    fn first(&self, at: usize) -> usize {
        self.pieces
            .partition_point(|(start, piece)| start.saturating_add(piece.len()) <= at)
    }

    /// All bytes in one piece; `None` where the system has no room.
    fn all(&self) -> Option<&[u8]> {
        let all = self.all.get_or_init(|| {
            let mut memory = match self.is_sparse {
                true => Memory::Sparse(pages::zeros(self.length).ok()?),
                false => Memory::Whole(vec![0; self.length]),
            };
            let bytes: &mut [u8] = match &mut memory {
                Memory::Whole(bytes) => bytes,
                Memory::Sparse(bytes) => bytes,
            };
            self.copy(0, bytes);
            Some(memory)
        });
        Some(match all.as_ref()? {
            Memory::Whole(bytes) => bytes,
            Memory::Sparse(bytes) => bytes,
        })
    }
}

impl Scattered for Pieces<'_> {
    fn length(&self) -> usize {
        self.length
    }

    fn whole(&self, range: Range<usize>) -> Option<&[u8]> {
        if let Some((start, piece)) = self.around(range.start)
            && let Some(from) = range.start.checked_sub(start)
            && let Some(bytes) = piece.get(from..from.saturating_add(range.len()))
        {
            return Some(bytes);
        }
        let copied = self.copied.get().saturating_add(range.len());
        if copied > MAX_WASM_COPIES || self.all.get().is_some() {
            return self.all()?.get(range);
        }
        self.copied.set(copied);
        let copy = self.copies.alloc_slice_fill_copy(range.len(), 0);
        self.copy(range.start, copy).then_some(&*copy)
    }

    fn around(&self, at: usize) -> Option<(usize, &[u8])> {
        let piece = self.pieces.get(self.first(at)).copied();
        piece.filter(|(start, _)| *start <= at)
    }

    /// `to` holds zeros.
    fn copy(&self, at: usize, to: &mut [u8]) -> bool {
        let end = at.saturating_add(to.len());
        let pieces = self.pieces.get(self.first(at)..).unwrap_or_default();
        for (start, piece) in pieces.iter().take_while(|(start, _)| *start < end) {
            let from = at.saturating_sub(*start);
            let behind = start.saturating_sub(at);
            let length = piece.len().saturating_sub(from);
            let length = length.min(to.len().saturating_sub(behind));
            let source = piece.get(from..from.saturating_add(length));
            let target = to.get_mut(behind..behind.saturating_add(length));
            if let (Some(source), Some(target)) = (source, target) {
                target.copy_from_slice(source);
            }
        }
        end <= self.length
    }
}

impl Drop for Pieces<'_> {
    fn drop(&mut self) {
        let mut copies = std::mem::take(&mut self.copies);
        copies.reset();
        // A thread that ends has no place for it any more.
        let _gone = COPIES.try_with(|place| place.set(Some(copies)));
    }
}

impl Deref for Contents<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::File(bytes) => bytes,
            Held::Pieces(pieces) => pieces.all().unwrap_or_default(),
        }
    }
}
