//! A bounds-checked little-endian cursor over borrowed bytes.
//!
//! The TVM stream primitives live here: `u64` lengths, `str` = length + bytes,
//! `vec<T>` = count + items (docs/formats.md#primitives). It knows nothing of what the
//! fields mean.

use std::cell::Cell;
use std::rc::Rc;

use crate::error::DecodeError;
use crate::limits::{MAX_DECODED, MAX_ITEMS};

/// A cursor that never reads past its slice and never panics.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    data: &'a [u8],
    pos: usize,
    /// Bytes that this cursor and its copies may still hand out.
    left: Rc<Cell<u64>>,
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Self::at(data, 0)
    }

    /// A cursor at byte `pos`, or at the end if `pos` lies beyond it.
    pub fn at(data: &'a [u8], pos: usize) -> Self {
        Self {
            data,
            pos: pos.min(data.len()),
            left: Rc::new(Cell::new(MAX_DECODED)),
        }
    }

    /// A cursor over other bytes, from `pos` on, that shares this one's limit.
    pub(crate) fn over(&self, data: &'a [u8], pos: usize) -> Self {
        Self {
            left: Rc::clone(&self.left),
            ..Self::at(data, pos)
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
        let bytes = self.skip(count, what)?;
        let Some(left) = self.left.get().checked_sub(count as u64) else {
            return Err(DecodeError::limit(
                before as u64,
                format!("at most {MAX_DECODED} bytes to decode, tensors and device code aside"),
                format!("more, with {what}"),
            ));
        };
        self.left.set(left);
        Ok(bytes)
    }

    /// Steps over `count` bytes, which are neither touched nor copied.
    pub fn skip(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let end = self.pos.checked_add(count);
        match end.and_then(|end| self.data.get(self.pos..end).map(|bytes| (end, bytes))) {
            Some((end, bytes)) => {
                self.pos = end;
                Ok(bytes)
            }
            None => Err(self.error(
                format!("{what} of {count} bytes"),
                format!("{} bytes left", self.remaining()),
            )),
        }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N, what)?;
        let mut out = [0; N];
        out.copy_from_slice(bytes);
        Ok(out)
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    /// A little-endian `u16`.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    /// A little-endian `u32`.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// A little-endian `i32`.
    pub fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_le_bytes(self.array(what)?))
    }

    /// A little-endian `u64`.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A little-endian `i64`.
    pub fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    /// A little-endian IEEE double.
    pub fn f64(&mut self, what: &'static str) -> Result<f64, DecodeError> {
        Ok(f64::from_le_bytes(self.array(what)?))
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
        self.skip(length, what).map(<[u8]>::len)
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
