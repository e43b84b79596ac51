//! A text that grows at its end by copies of fixed size: a piece of which only
//! the beginning counts is written whole, and what comes next lies over the rest.
//!
//! The buffer is longer than the text, so that such a copy is a move or two
//! instead of a call.

use super::short_text::Short;

/// Bytes by which the buffer grows at least.
const STEP: usize = 8 << 10;

/// The text so far, and the buffer it lies in.
#[derive(Default)]
pub(super) struct Text {
    buffer: Vec<u8>,
    /// Where the text ends; what lies behind means nothing.
    end: usize,
}

impl Text {
    /// Bytes of the text.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.end
    }

    /// Asks for memory for `more` bytes, without touching it.
    pub(super) fn reserve(&mut self, more: usize) {
        self.buffer.reserve(more);
    }

    /// The room behind the text, of `bytes` bytes at least. What is written
    /// there counts once it is [taken over](Self::take).
    #[inline]
    pub(super) fn ahead(&mut self, bytes: usize) -> Ahead<'_> {
        let end = self.end.saturating_add(bytes);
        if self.buffer.len() < end {
            self.grow(bytes);
        }
        Ahead {
            room: self.buffer.get_mut(self.end..).unwrap_or_default(),
            at: 0,
        }
    }

    /// Takes over so many bytes that were written ahead.
    #[inline]
    pub(super) fn take(&mut self, written: usize) {
        self.end = self.end.saturating_add(written).min(self.buffer.len());
    }

    /// Appends a short text.
    #[inline]
    pub(super) fn put<const N: usize>(&mut self, text: &Short<N>) {
        let mut ahead = self.ahead(N);
        ahead.put(&text.bytes, text.length);
        let written = ahead.at;
        self.take(written);
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let length = self.end.saturating_add(more.max(STEP));
        self.buffer.resize(length, 0);
    }

    /// Appends `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let end = self.end.saturating_add(bytes.len());
        if self.buffer.len() < end {
            self.grow(bytes.len());
        }
        if let Some(room) = self.buffer.get_mut(self.end..end) {
            room.copy_from_slice(bytes);
            self.end = end;
        }
    }

    /// Drops the last `count` bytes.
    #[inline]
    pub(super) fn drop_last(&mut self, count: usize) {
        self.end = self.end.saturating_sub(count);
    }

    /// The text as a string; what is no UTF-8 is replaced.
    pub(super) fn into_string(mut self) -> String {
        self.buffer.truncate(self.end);
        String::from_utf8(self.buffer)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

/// Room behind a text, and how much of it is written. Made to be kept in
/// registers while a line is put together.
pub(super) struct Ahead<'a> {
    room: &'a mut [u8],
    /// Bytes written.
    pub(super) at: usize,
}

impl Ahead<'_> {
    /// Writes the first `length` bytes of `piece`; nothing where the room ends.
    #[inline]
    pub(super) fn put<const N: usize>(&mut self, piece: &[u8; N], length: usize) {
        if let Some(room) = self.room.get_mut(self.at..)
            && let Some(room) = room.first_chunk_mut::<N>()
        {
            *room = *piece;
            // At most the length of the room, whose next piece is checked again.
            self.at = self.at.wrapping_add(length);
        }
    }
}
