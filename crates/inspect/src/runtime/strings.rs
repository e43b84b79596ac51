//! The NUL-framed strings in the read-only data of a runtime part: those with a
//! dot, those with a given part, and searches for fragments of longer texts.
//!
//! Where they come from: docs/formats.md#reading-a-runtime. Nothing here knows what the
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
pub(crate) fn read_only<'a>(parsed: &'a Parsed<'_>, exclude: &[Exclusion]) -> Vec<Piece<'a>> {
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
        for run in region.runs() {
            let mut from = run.start;
            for cut in &cuts {
                push(&mut pieces, region, from, cut.start.min(run.end));
                from = from.max(cut.end);
            }
            push(&mut pieces, region, from, run.end);
        }
    }
    pieces
}

/// The code of a binary.
pub fn code<'a>(parsed: &'a Parsed<'_>) -> Vec<Piece<'a>> {
    let code = parsed.regions.iter().filter(|region| region.executable);
    let piece = |region: &'a Region<'_>| Piece {
        data: &region.data,
        address: region.address,
    };
    code.map(piece).collect()
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

/// Bytes that a string has at least.
const SHORTEST: usize = 2;

/// Calls `visit` for every string of 2 to `longest` bytes that has a dot in it
/// and nothing but identifiers and dots from there to its NUL.
///
/// Numbers and prose have few dots, and behind most of them no identifier: this
/// is several times faster than looking at all that lies between two NULs.
pub(crate) fn each_dotted<'a>(
    pieces: &[Piece<'a>],
    longest: usize,
    mut visit: impl FnMut(Framed<'a>),
) {
    for piece in pieces {
        let mut from = 0usize;
        while let Some(rest) = piece.data.get(from..)
            && let Some(dot) = memchr::memchr(b'.', rest)
        {
            let behind = rest.get(dot..).unwrap_or_default();
            // Other dots up to there end alike.
            let length = behind.iter().take_while(|byte| in_name(**byte)).count();
            let end = from.saturating_add(dot).saturating_add(length);
            from = end.max(from.saturating_add(dot).saturating_add(1));
            if behind.get(length) == Some(&0)
                && let Some(framed) = ending_at(piece, end, longest)
            {
                visit(framed);
            }
        }
    }
}

fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')
}

/// Calls `visit` for every string of 2 to `longest` bytes that holds `part`.
pub(crate) fn each_with<'a>(
    pieces: &[Piece<'a>],
    part: &str,
    longest: usize,
    mut visit: impl FnMut(Framed<'a>),
) {
    let finder = memmem::Finder::new(part);
    for piece in pieces {
        let mut from = 0usize;
        while let Some(rest) = piece.data.get(from..)
            && let Some(at) = finder.find(rest)
        {
            let behind = rest.get(at..).unwrap_or_default();
            let window = behind.get(..=longest).unwrap_or(behind);
            let at = from.saturating_add(at);
            from = at.saturating_add(1);
            if let Some(length) = memchr::memchr(0, window) {
                from = at.saturating_add(length.max(1));
                if let Some(framed) = ending_at(piece, at.saturating_add(length), longest) {
                    visit(framed);
                }
            }
        }
    }
}

/// The string that ends before the NUL at `end`: from behind the NUL before it
/// or the start of the piece, or, where numbers stand before it without a NUL
/// between (MSVC mixes both), from the next 8-byte boundary behind the last
/// byte that no text has. `None` if it is longer than `longest`.
fn ending_at<'a>(piece: &Piece<'a>, end: usize, longest: usize) -> Option<Framed<'a>> {
    let window = end.saturating_sub(longest);
    let bytes = piece.data.get(window..end)?;
    let before = bytes.iter().rposition(|byte| !(0x20..=0x7e).contains(byte));
    let begin = match before {
        None => {
            let framed = match window.checked_sub(1) {
                Some(before) => piece.data.get(before) == Some(&0),
                None => true,
            };
            framed.then_some(window)?
        }
        Some(last) => {
            let behind = window.saturating_add(last).saturating_add(1);
            match bytes.get(last) {
                Some(0) => behind,
                _ => {
                    let address = piece.address.checked_add(behind as u64)?;
                    let padding = address.next_multiple_of(8).checked_sub(address)?;
                    behind.saturating_add(usize::try_from(padding).ok()?)
                }
            }
        }
    };
    let bytes = piece.data.get(begin..end)?;
    (bytes.len() >= SHORTEST).then_some(Framed {
        bytes,
        address: piece.address.saturating_add(begin as u64),
    })
}

/// Whether a text occurs anywhere in the pieces.
pub fn contains(pieces: &[Piece<'_>], text: &str) -> bool {
    let finder = memmem::Finder::new(text);
    pieces.iter().any(|piece| finder.find(piece.data).is_some())
}

/// What follows each occurrence of `start`: the longest run of bytes of which
/// `belongs` holds, cut off after 64.
pub fn behind<'a>(
    pieces: &[Piece<'a>],
    start: &str,
    belongs: impl Fn(u8) -> bool,
) -> BTreeSet<&'a str> {
    const LONGEST: usize = 64;
    let finder = memmem::Finder::new(start);
    let mut found = BTreeSet::new();
    for piece in pieces {
        for at in finder.find_iter(piece.data) {
            let rest = piece.data.get(at.saturating_add(start.len())..);
            let rest = rest.unwrap_or_default();
            let length = rest
                .iter()
                .take(LONGEST)
                .take_while(|byte| belongs(**byte))
                .count();
            let run = rest.get(..length).unwrap_or_default();
            found.extend(std::str::from_utf8(run).ok());
        }
    }
    found
}

/// Every chain `<subject> == N || <subject> == M ...` in the texts, as the set
/// of its numbers; a lone comparison is a chain of one.
pub(crate) fn alternations(pieces: &[Piece<'_>], subject: &str) -> Vec<BTreeSet<u64>> {
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

    fn dotted(data: &[u8], longest: usize) -> Vec<(String, u64)> {
        let mut seen = Vec::new();
        each_dotted(&[piece(data)], longest, |framed| {
            let text = String::from_utf8_lossy(framed.bytes).into_owned();
            seen.push((text, framed.address));
        });
        seen
    }

    fn with(data: &[u8], part: &str) -> Vec<(String, u64)> {
        let mut seen = Vec::new();
        each_with(&[piece(data)], part, 64, |framed| {
            let text = String::from_utf8_lossy(framed.bytes).into_owned();
            seen.push((text, framed.address));
        });
        seen
    }

    fn one(text: &str, address: u64) -> Vec<(String, u64)> {
        vec![(text.to_owned(), address)]
    }

    #[test]
    fn strings_carry_their_address() {
        assert_eq!(with(b"ab\0\0tirx\0tail", "tir"), one("tirx", 0x1004));
        assert_eq!(with(b"tirx\0", "tir"), one("tirx", 0x1000));
        assert_eq!(with(b"a tir\0", "tir"), one("a tir", 0x1000));
        assert_eq!(with(b"\0tirtir\0tir", "tir"), one("tirtir", 0x1001));
        assert_eq!(dotted(b"x\0ab.c\0", 64), one("ab.c", 0x1002));
        assert_eq!(dotted(b"ab.c.d\0e. f\0.\0g.h", 64), one("ab.c.d", 0x1000));
    }

    #[test]
    fn strings_are_as_long_as_wanted_and_no_longer() {
        assert_eq!(dotted(b"a.bc\0", 4), one("a.bc", 0x1000));
        assert_eq!(dotted(b"\0a.bc\0", 4), one("a.bc", 0x1001));
        assert!(dotted(b"a.bcd\0", 4).is_empty());
        assert!(dotted(b"\0a.bcd\0", 4).is_empty());
    }

    #[test]
    fn strings_behind_numbers_begin_at_a_boundary() {
        let data = b"\0\0\0\0\0\0\xe0Cdevice_api.cpu\0";
        assert_eq!(dotted(data, 64), one("device_api.cpu", 0x1008));
        assert_eq!(with(b"\0\0\xe0ABCDEtirx\0", "tir"), one("tirx", 0x1008));
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
