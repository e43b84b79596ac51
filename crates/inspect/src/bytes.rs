//! A bounds-checked little-endian cursor over borrowed bytes, in one piece or several:
//! what it steps over is never put together.
//!
//! The TVM stream primitives live here: `u64` lengths, `str` = length + bytes,
//! `vec<T>` = count + items (docs/formats.md#primitives). It knows nothing of what the
//! fields mean.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use crate::error::DecodeError;
use crate::limits::{MAX_DECODED, MAX_ITEMS};

/// Bytes in several pieces, with zeros between them.
pub trait Scattered: fmt::Debug {
    /// How many there are.
    fn length(&self) -> usize;
    /// The bytes of a range in one piece: borrowed, or copied where they are in several.
    fn whole(&self, range: Range<usize>) -> Option<&[u8]>;
    /// Where the piece that holds the byte at `at` begins, and the piece.
    fn around(&self, at: usize) -> Option<(usize, &[u8])>;
    /// Copies what is at `at`; `false` where that is not all there.
    fn copy(&self, at: usize, to: &mut [u8]) -> bool;
}

/// Borrowed bytes, in one piece or several.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a> {
    held: Held<'a>,
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy)]
enum Held<'a> {
    Slice(&'a [u8]),
    Scattered(&'a (dyn Scattered + 'a)),
}

impl<'a> From<&'a [u8]> for Bytes<'a> {
    fn from(slice: &'a [u8]) -> Self {
        Self {
            held: Held::Slice(slice),
            start: 0,
            end: slice.len(),
        }
    }
}

impl<'a> Bytes<'a> {
    /// Bytes in several pieces.
    pub fn scattered(pieces: &'a (dyn Scattered + 'a)) -> Self {
        Self {
            held: Held::Scattered(pieces),
            start: 0,
            end: pieces.length(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn place(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let start = self.start.checked_add(range.start)?;
        let end = self.start.checked_add(range.end)?;
        (start <= end && end <= self.end).then_some(start..end)
    }

    /// A part of them.
    pub fn part(&self, range: Range<usize>) -> Option<Self> {
        let Range { start, end } = self.place(&range)?;
        let held = self.held;
        Some(Self { held, start, end })
    }

    /// What is behind the first `start` of them.
    pub fn behind(&self, start: usize) -> Option<Self> {
        self.part(start..self.len())
    }

    /// A part of them in one piece.
    pub fn get(&self, range: Range<usize>) -> Option<&'a [u8]> {
        let range = self.place(&range)?;
        match self.held {
            Held::Slice(slice) => slice.get(range),
            Held::Scattered(_) if range.is_empty() => Some(&[]),
            Held::Scattered(pieces) => pieces.whole(range),
        }
    }

    /// Where the piece begins that holds byte `at`, and the piece.
    fn around(&self, at: usize) -> Option<(usize, &'a [u8])> {
        match self.held {
            Held::Slice(slice) => Some((0, slice.get(self.start..self.end)?)),
            Held::Scattered(pieces) => {
                let (start, piece) = pieces.around(self.start.checked_add(at)?)?;
                let cut = self.start.saturating_sub(start);
                Some((start.saturating_sub(self.start), piece.get(cut..)?))
            }
        }
    }

    fn copy(&self, at: usize, to: &mut [u8]) -> bool {
        let end = at.checked_add(to.len());
        let Some(range) = end.and_then(|end| self.place(&(at..end))) else {
            return false;
        };
        match self.held {
            Held::Slice(slice) => match slice.get(range) {
                Some(bytes) => {
                    to.copy_from_slice(bytes);
                    true
                }
                None => false,
            },
            Held::Scattered(pieces) => pieces.copy(range.start, to),
        }
    }
}

/// A cursor that never reads past its bytes and never panics.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    data: Bytes<'a>,
    pos: usize,
    /// The piece that was read from last, and where it begins.
    near: (usize, &'a [u8]),
    /// Bytes that this cursor and its copies may still hand out.
    left: Rc<Cell<u64>>,
}

/// Little-endian words of a slice whose length is a multiple of eight.
pub(crate) fn little_endian(bytes: &[u8]) -> impl Iterator<Item = i64> {
    let (chunks, _) = bytes.as_chunks::<8>();
    chunks.iter().map(|chunk| i64::from_le_bytes(*chunk))
}

macro_rules! numbers {
    ($($(#[$about:meta])* $number:ident)*) => {$(
        $(#[$about])*
        pub fn $number(&mut self, what: &'static str) -> Result<$number, DecodeError> {
            Ok($number::from_le_bytes(self.array(what)?))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `data`.
    pub fn new(data: impl Into<Bytes<'a>>) -> Self {
        Self::at(data, 0)
    }

    /// A cursor at byte `pos`, or at the end if `pos` lies beyond it.
    pub fn at(data: impl Into<Bytes<'a>>, pos: usize) -> Self {
        let data = data.into();
        Self {
            data,
            pos: pos.min(data.len()),
            near: (0, &[]),
            left: Rc::new(Cell::new(MAX_DECODED)),
        }
    }

    /// A cursor over other bytes, from `pos` on, that shares this one's limit.
    pub(crate) fn over(&self, data: Bytes<'a>, pos: usize) -> Self {
        Self {
            data,
            pos: pos.min(data.len()),
            near: (0, &[]),
            left: Rc::clone(&self.left),
        }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.pos
    }

    /// Bytes left.
    pub fn remaining(&self) -> usize {
        self.data.len().saturating_sub(self.pos)
    }

    /// Whether everything was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.remaining() == 0
    }

    /// The next `count` bytes. All that is taken together is bounded: memory of a
    /// wasm file is larger than the file, by zeros that nobody wrote.
    pub fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let before = self.pos;
        self.advance(count, what)?;
        if let Some(bytes) = self.near(before, count) {
            return Ok(bytes);
        }
        let bytes = self.data.get(before..self.pos);
        bytes.ok_or_else(|| DecodeError::limit(before as u64, "room for a copy", count))
    }

    /// What the piece that was read from last holds of this.
    fn near(&self, at: usize, count: usize) -> Option<&'a [u8]> {
        let (start, piece) = self.near;
        let from = at.checked_sub(start)?;
        piece.get(from..from.checked_add(count)?)
    }

    /// Goes on by bytes that are handed out.
    fn advance(&mut self, count: usize, what: &'static str) -> Result<(), DecodeError> {
        let before = self.spend(count, what)?;
        if self.near(before, count).is_none() {
            self.near = self.data.around(before).unwrap_or((0, &[]));
        }
        Ok(())
    }

    fn spend(&mut self, count: usize, what: &'static str) -> Result<usize, DecodeError> {
        let before = self.pos;
        self.skip(count, what)?;
        let Some(left) = self.left.get().checked_sub(count as u64) else {
            return Err(DecodeError::limit(
                before as u64,
                format!("at most {MAX_DECODED} bytes to decode, tensors and device code aside"),
                format!("more, with {what}"),
            ));
        };
        self.left.set(left);
        Ok(before)
    }

    /// The next `count` words, little-endian. What lies in several pieces is put together
    /// a block at a time.
    pub fn words(&mut self, count: usize, what: &'static str) -> Result<Vec<i64>, DecodeError> {
        const BLOCK: usize = 512 * 8;
        let length = count.saturating_mul(8);
        let start = self.spend(length, what)?;
        let mut words = Vec::with_capacity(count);
        if let Held::Slice(_) = self.data.held {
            let bytes = self.data.get(start..self.pos).unwrap_or_default();
            words.extend(little_endian(bytes));
            return Ok(words);
        }
        let mut block = [0; BLOCK];
        for at in (start..self.pos).step_by(BLOCK) {
            let left = self.pos.saturating_sub(at).min(BLOCK);
            let block = block.get_mut(..left).unwrap_or_default();
            block.fill(0);
            self.data.copy(at, block);
            words.extend(little_endian(block));
        }
        Ok(words)
    }

    /// The same for bytes that another cursor hands out: they are counted, and not put
    /// together.
    pub fn pass(&mut self, count: usize, what: &'static str) -> Result<(), DecodeError> {
        self.spend(count, what).map(drop)
    }

    /// Steps over `count` bytes, which are neither touched nor copied.
    pub fn skip(&mut self, count: usize, what: &'static str) -> Result<(), DecodeError> {
        match self.pos.checked_add(count) {
            Some(end) if end <= self.data.len() => {
                self.pos = end;
                Ok(())
            }
            _ => Err(self.error(
                format!("{what} of {count} bytes"),
                format!("{} bytes left", self.remaining()),
            )),
        }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let before = self.pos;
        self.advance(N, what)?;
        let mut out = [0; N];
        match self.near(before, N) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => {
                self.data.copy(before, &mut out);
            }
        }
        Ok(out)
    }

    numbers! {
        /// One byte.
        u8
        /// A little-endian `u16`.
        u16
        /// A little-endian `u32`.
        u32
        /// A little-endian `i32`.
        i32
        /// A little-endian `u64`.
        u64
        /// A little-endian `i64`.
        i64
        /// A little-endian IEEE double.
        f64
    }

    /// A count of items of at least `item_size` bytes each, refused when the
    /// bytes that remain cannot hold them: allocation after this is safe.
    pub fn count(&mut self, item_size: usize, what: &'static str) -> Result<usize, DecodeError> {
        let start = self.pos;
        let count = self.u64(what)?;
        let left = self.remaining();
        let room = left.checked_div(item_size).unwrap_or(left);
        match usize::try_from(count) {
            Ok(count) if count <= room => Ok(count),
            _ => {
                self.pos = start;
                Err(self.error(
                    format!("{what} of at most {room} items"),
                    format!("{count}"),
                ))
            }
        }
    }

    /// A [`count`](Self::count) of items that are kept, each in a place of its
    /// own: refused beyond [`MAX_ITEMS`].
    pub fn items(&mut self, item_size: usize, what: &'static str) -> Result<usize, DecodeError> {
        let before = self.clone();
        match self.count(item_size, what)? {
            count if count <= MAX_ITEMS => Ok(count),
            count => Err(DecodeError::limit(
                before.pos as u64,
                format!("{what} of at most {MAX_ITEMS} items"),
                count,
            )),
        }
    }

    /// `str`: u64 length and that many bytes.
    pub fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.count(1, what)?;
        self.take(length, what)
    }

    /// `str` that is stepped over; its length.
    pub fn extent(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let length = self.count(1, what)?;
        self.skip(length, what).map(|()| length)
    }

    /// `str` that must be UTF-8, as every name in these formats is.
    pub fn string(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let start = self.pos;
        let bytes = self.bytes(what)?;
        std::str::from_utf8(bytes)
            .map_err(|_| DecodeError::new(start as u64, format!("{what} in UTF-8"), "other bytes"))
    }

    /// An error at the current position.
    pub fn error(
        &self,
        expected: impl Into<std::borrow::Cow<'static, str>>,
        found: impl std::fmt::Display,
    ) -> DecodeError {
        DecodeError::new(self.pos as u64, expected, found)
    }
}
