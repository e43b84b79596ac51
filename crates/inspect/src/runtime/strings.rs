//! One pass over the read-only data of a runtime part: every NUL-framed string
//! once, and searches for fragments of longer texts.
//!
//! Facts come from the format notes, part j. Nothing here knows what the
//! strings mean. Code is never looked at, nor writable data, except in wasm,
//! whose linear memory is all one; a model's blob in it is left out.

use std::collections::BTreeSet;
use std::ops::Range;

use memchr::memmem;

use crate::container::{Format, Parsed, Region};
use crate::module::ModelLibrary;

/// A part of a region that is not the runtime's own (a model's blob).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// Index into [`Parsed::regions`].
    pub region: usize,
    /// Byte range inside the region.
    pub range: Range<usize>,
}

impl Exclusion {
    /// The blobs of the model libraries found in a binary.
    pub fn of(parsed: &Parsed<'_>, libraries: &[ModelLibrary]) -> Vec<Self> {
        libraries
            .iter()
            .filter_map(|library| {
                let blob = library.blob.as_ref().ok()?;
                let region = parsed
                    .regions
                    .iter()
                    .position(|region| region.name == library.region)?;
                let start = usize::try_from(library.region_offset).ok()?;
                let end = start.checked_add(usize::try_from(blob.length).ok()?)?;
                Some(Self {
                    region,
                    range: start..end,
                })
            })
            .collect()
    }
}

/// A NUL-framed string and where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Framed<'a> {
    /// The bytes without the terminator.
    pub bytes: &'a [u8],
    /// Address of the first byte, in the space of [`Region::address`].
    pub address: u64,
}

/// A run of read-only data.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// Address of the first one.
    pub address: u64,
}

/// The read-only data of a binary, excluded ranges cut out.
pub fn read_only<'a>(parsed: &'a Parsed<'_>, exclude: &[Exclusion]) -> Vec<Piece<'a>> {
    let wasm = parsed.binary.format == Format::Wasm;
    let mut pieces = Vec::new();
    for (index, region) in parsed.regions.iter().enumerate() {
        if region.executable || (region.writable && !wasm) || holds_no_strings(region) {
            continue;
        }
        let mut cuts: Vec<&Range<usize>> = exclude
            .iter()
            .filter(|cut| cut.region == index)
            .map(|cut| &cut.range)
            .collect();
        cuts.sort_by_key(|range| range.start);
        let mut from = 0;
        for cut in cuts {
            push(&mut pieces, region, from, cut.start);
            from = from.max(cut.end);
        }
        push(&mut pieces, region, from, region.data.len());
    }
    pieces
}

fn push<'a>(pieces: &mut Vec<Piece<'a>>, region: &'a Region<'_>, from: usize, to: usize) {
    if let Some(data) = region.data.get(from..to)
        && !data.is_empty()
    {
        pieces.push(Piece {
            data,
            address: region.address.saturating_add(from as u64),
        });
    }
}

/// Sections that are read-only but hold tables, not strings of the program.
fn holds_no_strings(region: &Region<'_>) -> bool {
    let name = region.name.as_str();
    name.starts_with(".eh_frame")
        || name.starts_with(".gcc_except")
        || name.starts_with(".rela")
        || name.starts_with(".dyn")
        || name.starts_with(".gnu")
        || matches!(
            name,
            ".pdata" | ".reloc" | ".rsrc" | ".note" | "__TEXT,__unwind_info" | "__TEXT,__eh_frame"
        )
}

/// Bytes that a text has at least.
const SHORTEST: usize = 2;

/// Calls `visit` for every string of 2 to `longest` bytes that ends in NUL and
/// stands after a NUL, at the start of a piece, or behind other data.
///
/// `may_matter` is asked first, of all bytes between two NULs, and is cheap:
/// where a text begins is only looked for when one of its endings may matter.
pub fn for_each<'a>(
    pieces: &[Piece<'a>],
    longest: usize,
    may_matter: impl Fn(&[u8]) -> bool,
    mut visit: impl FnMut(Framed<'a>),
) {
    for piece in pieces {
        let mut start = 0usize;
        while let Some(length) = next_run(piece.data, &mut start) {
            let end = start.saturating_add(length);
            let from = start.max(end.saturating_sub(longest));
            if length >= SHORTEST
                && piece.data.get(from..end).is_some_and(&may_matter)
                && let Some(begin) = text_start(piece, start, end, longest)
                && let Some(bytes) = piece.data.get(begin..end)
                && bytes.len() >= SHORTEST
            {
                visit(Framed {
                    bytes,
                    address: piece.address.saturating_add(begin as u64),
                });
            }
            start = end.saturating_add(1);
        }
    }
}

/// Moves `start` over zeros and gives the length of the run of other bytes
/// there, if a NUL ends it. Tables are full of zeros, and of single bytes among
/// them: neither is worth a search.
fn next_run(data: &[u8], start: &mut usize) -> Option<usize> {
    let mut rest = data.get(*start..)?;
    if let [0, ..] = rest {
        let (words, _) = rest.as_chunks::<8>();
        let empty = words.iter().take_while(|word| **word == [0; 8]).count();
        let skipped = empty.saturating_mul(8);
        let behind = rest.get(skipped..)?.iter().position(|byte| *byte != 0)?;
        let zeros = skipped.saturating_add(behind);
        *start = start.saturating_add(zeros);
        rest = rest.get(zeros..)?;
    }
    match rest {
        [_, 0, ..] => Some(1),
        [_, _, 0, ..] => Some(2),
        run => memchr::memchr(0, run),
    }
}

/// Where the text that ends at `end` begins: at `start`, or, where numbers
/// stand before it without a NUL between (MSVC mixes both), at the next
/// 8-byte boundary behind the last byte that no text has.
fn text_start(piece: &Piece<'_>, start: usize, end: usize, longest: usize) -> Option<usize> {
    let window = start.max(end.saturating_sub(longest));
    let bytes = piece.data.get(window..end)?;
    match bytes.iter().rposition(|byte| !(0x20..=0x7e).contains(byte)) {
        None => (window == start).then_some(start),
        Some(last) => {
            let behind = window.saturating_add(last).saturating_add(1);
            let address = piece.address.checked_add(behind as u64)?;
            let padding = address.next_multiple_of(8).checked_sub(address)?;
            Some(behind.saturating_add(usize::try_from(padding).ok()?))
        }
    }
}

/// Whether a text occurs anywhere in the pieces.
pub fn contains(pieces: &[Piece<'_>], text: &str) -> bool {
    let finder = memmem::Finder::new(text);
    pieces.iter().any(|piece| finder.find(piece.data).is_some())
}

/// Every chain `<subject> == N || <subject> == M ...` in the texts, as the set
/// of its numbers; a lone comparison is a chain of one.
pub fn alternations(pieces: &[Piece<'_>], subject: &str) -> Vec<BTreeSet<u64>> {
    let term = format!("{subject} == ");
    let finder = memmem::Finder::new(&term);
    let mut chains = Vec::new();
    for piece in pieces {
        let mut consumed = 0usize;
        for at in finder.find_iter(piece.data) {
            if at < consumed {
                continue;
            }
            let Some(rest) = piece.data.get(at..) else {
                continue;
            };
            let (chain, length) = chain(rest, term.as_bytes());
            consumed = at.saturating_add(length);
            if !chain.is_empty() {
                chains.push(chain);
            }
        }
    }
    chains
}

/// The numbers of the chain that begins at the start of `text`, and its length.
fn chain(text: &[u8], term: &[u8]) -> (BTreeSet<u64>, usize) {
    /// No check in any release names more alternatives.
    const MOST: usize = 8;
    let mut numbers = BTreeSet::new();
    let mut rest = text;
    for _ in 0..MOST {
        let Some(after) = rest.strip_prefix(term) else {
            break;
        };
        let digits = after
            .iter()
            .take(6)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let number = after
            .get(..digits)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok());
        let Some(number) = number else { break };
        numbers.insert(number);
        rest = after.get(digits..).unwrap_or_default();
        match rest.strip_prefix(b" || ") {
            Some(next) if next.starts_with(term) => rest = next,
            _ => break,
        }
    }
    (numbers, text.len().saturating_sub(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(data: &[u8]) -> Piece<'_> {
        Piece {
            data,
            address: 0x1000,
        }
    }

    #[test]
    fn framed_strings_carry_their_address() {
        let mut seen = Vec::new();
        for_each(
            &[piece(b"ab\0\0tirx\0tail")],
            64,
            |_| true,
            |framed| {
                seen.push((framed.bytes.to_vec(), framed.address));
            },
        );
        assert_eq!(seen, [(b"ab".to_vec(), 0x1000), (b"tirx".to_vec(), 0x1004)]);
    }

    #[test]
    fn strings_behind_numbers_begin_at_a_boundary() {
        let mut seen = Vec::new();
        let data = b"\0\0\0\0\0\0\xe0Cdevice_api.cpu\0";
        for_each(
            &[piece(data)],
            64,
            |_| true,
            |framed| {
                seen.push((framed.bytes.to_vec(), framed.address));
            },
        );
        assert_eq!(seen, [(b"device_api.cpu".to_vec(), 0x1008)]);
    }

    #[test]
    fn chains_are_read_whole_and_once() {
        let text =
            b"x (args.size() == 28 || args.size() == 29) y\0args.size() == 3\0args.size() == n";
        assert_eq!(
            alternations(&[piece(text)], "args.size()"),
            [BTreeSet::from([28, 29]), BTreeSet::from([3])]
        );
    }
}
