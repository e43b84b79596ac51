//! Files with holes in a tar: which pieces of them are stored, in the four forms that GNU
//! tar writes (`S` entries; pax 0.0, 0.1 and 1.0), and the whole put together.
//!
//! Source: "Storing Sparse Files", appendix of the manual of GNU tar.

use std::io::{self, Read};

use super::tar_field::{BLOCK, number};

/// Pieces of one file. `tar` writes one for each run of data.
const MOST_PIECES: usize = 1 << 16;

/// What an archive says of a file with holes.
#[derive(Default)]
pub(super) struct Sparse {
    /// Where a piece goes, and its length.
    pieces: Vec<(u64, u64)>,
    /// Where the next piece of form 0.0 goes.
    next: u64,
    /// Of the whole file.
    size: Option<u64>,
    /// Whether a block with more pieces follows.
    pub(super) goes_on: bool,
    /// Whether the pieces stand before the data (form 1.0).
    is_in_data: bool,
}

impl Sparse {
    /// Of the header of an `S` entry.
    pub(super) fn of_header(header: &[u8; BLOCK]) -> Self {
        let mut sparse = Self::default();
        sparse.fields(header, 386..482);
        sparse.size = header.get(483..495).and_then(number);
        sparse
    }

    /// Takes the block that follows while [`Self::goes_on`].
    pub(super) fn extend(&mut self, block: &[u8; BLOCK]) {
        self.fields(block, 0..504);
    }

    fn fields(&mut self, block: &[u8; BLOCK], at: std::ops::Range<usize>) {
        self.goes_on = block.get(at.end).is_some_and(|more| *more != 0);
        for field in block.get(at).unwrap_or_default().chunks_exact(24) {
            let (from, length) = field.split_at_checked(12).unwrap_or_default();
            if let (Some(from), Some(length @ 1..)) = (number(from), number(length)) {
                self.piece(from, length);
            }
        }
    }

    fn piece(&mut self, from: u64, length: u64) {
        if self.pieces.len() <= MOST_PIECES {
            self.pieces.push((from, length));
        }
    }

    /// A pax record, `key` without `GNU.sparse.`.
    pub(super) fn record(&mut self, key: &[u8], value: &[u8]) {
        let value = std::str::from_utf8(value).unwrap_or_default();
        let number = || value.parse().ok();
        match key {
            b"size" | b"realsize" => self.size = number(),
            b"major" => self.is_in_data = value == "1",
            b"offset" => self.next = number().unwrap_or(0),
            b"numbytes" => self.piece(self.next, number().unwrap_or(0)),
            b"map" => {
                let most = MOST_PIECES.saturating_add(1).saturating_mul(2);
                let numbers = value.split(',').take(most).map(|one| one.parse().ok());
                // One that is no number shifts all behind it.
                let numbers: Option<Vec<u64>> = numbers.collect();
                self.pairs(&numbers.unwrap_or_default());
            }
            _ => {}
        }
    }

    fn pairs(&mut self, numbers: &[u64]) {
        for pair in numbers.chunks_exact(2) {
            if let [from, length] = *pair {
                self.piece(from, length);
            }
        }
    }

    /// The file of which `data` holds the pieces, and its size; `None` where that is not
    /// told, or not in order.
    pub(super) fn whole<R: Read>(
        mut self,
        data: &mut io::Take<R>,
    ) -> Option<Whole<&mut io::Take<R>>> {
        if self.is_in_data {
            let numbers = numbers(data).ok()??;
            self.pairs(&numbers);
        }
        let mut end = 0u64;
        for (from, length) in &self.pieces {
            (*from >= end).then_some(())?;
            end = from.checked_add(*length)?;
        }
        // All that is stored, and nothing else, is in the pieces.
        let mut lengths = self.pieces.iter().map(|(_, length)| *length);
        let stored = lengths.try_fold(0u64, u64::checked_add)?;
        (stored == data.limit()).then_some(())?;
        let size = self.size.filter(|size| *size >= end)?;
        (self.pieces.len() <= MOST_PIECES).then(|| Whole {
            data,
            pieces: self.pieces.into_iter(),
            piece: (0, 0),
            at: 0,
            size,
        })
    }
}

/// The numbers before the data: how many pairs, and the pairs, one on a line, filled up to
/// whole blocks.
fn numbers(data: &mut impl Read) -> io::Result<Option<Vec<u64>>> {
    let mut count = None;
    let mut found = Vec::new();
    let mut digits = String::new();
    let mut block = [0u8; BLOCK];
    while count.is_none_or(|count| found.len() < count) {
        data.read_exact(&mut block)?;
        for byte in block {
            if byte != b'\n' {
                digits.push(char::from(byte));
                continue;
            }
            let number: Option<u64> = digits.parse().ok();
            digits.clear();
            match (count, number) {
                (_, None) => return Ok(None),
                (None, Some(number)) => {
                    let most = usize::try_from(number).unwrap_or(usize::MAX);
                    count = Some(most.saturating_mul(2));
                }
                (Some(count), Some(number)) if found.len() < count => found.push(number),
                (Some(_), Some(_)) => {}
            }
        }
        if found.len() > MOST_PIECES.saturating_mul(2) || digits.len() > BLOCK {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

/// A file with its holes, as it was.
pub(super) struct Whole<R> {
    data: R,
    pieces: std::vec::IntoIter<(u64, u64)>,
    /// The piece that is next or being read.
    piece: (u64, u64),
    at: u64,
    /// Of the whole.
    pub(super) size: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut from, mut end) = self.piece;
        while self.at >= end {
            let Some((next, length)) = self.pieces.next() else {
                (from, end) = (self.size, self.size);
                break;
            };
            (from, end) = (next, next.saturating_add(length));
            self.piece = (from, end);
        }
        let is_hole = self.at < from;
        let left = if is_hole { from } else { end }.saturating_sub(self.at);
        let room = usize::try_from(left).unwrap_or(usize::MAX);
        let buffer = match buffer.len() > room {
            true => buffer.get_mut(..room).unwrap_or_default(),
            false => buffer,
        };
        let count = if is_hole {
            buffer.fill(0);
            buffer.len()
        } else {
            self.data.read(buffer)?
        };
        if count == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a map of pax form 0.1 makes of five stored bytes.
    fn put_together(map: &[u8]) -> Option<Vec<u8>> {
        let mut sparse = Sparse::default();
        sparse.record(b"size", b"12");
        sparse.record(b"map", map);
        let mut whole = Vec::new();
        let mut data = Read::take(&b"abcde"[..], 5);
        let mut file = sparse.whole(&mut data)?;
        let size = file.size;
        Read::take(&mut file, size).read_to_end(&mut whole).ok()?;
        Some(whole)
    }

    #[test]
    fn a_map_must_place_all_that_is_stored() {
        let whole = put_together(b"1,2,8,3").expect("it is whole");
        assert_eq!(whole, b"\0ab\0\0\0\0\0cde\0");
        for wrong in [
            &b""[..],
            b"1,2",
            b"1,2,8,4",
            b"8,3,1,2",
            b"1,x,8,5",
            b"1,2,8,3,99,1",
        ] {
            assert_eq!(put_together(wrong), None);
        }
    }
}
