//! Finds the model libraries of a parsed binary: by the symbol of their blob
//! and, where no symbol is left, by the magic of the VM executable inside.
//!
//! A VM executable outside any container counts as a library too: its blob has
//! the layout [`BlobLayout::Bare`](super::BlobLayout) and one module.

use std::ops::Range;

use memchr::memmem;

use super::symbols::{HostNames, blob_symbol};
use super::{Blob, ModelLibrary, SymbolGeneration, compiled, payload, registration};
use crate::bytes::Reader;
use crate::container::{Binary, BinaryKind, DefinedSymbol, Format, Parsed, Region};
use crate::error::DecodeError;
use crate::limits::{MAX_BLOB_CANDIDATES, MAX_BLOB_HEAD};
use crate::vm::Magic;

/// The model libraries of a binary.
///
/// Without a blob symbol the data regions are searched only where symbols
/// cannot be relied on: wasm, programs that a model may be linked into, and
/// files that are nothing but an executable. A shared library always exports
/// its blob, and searching every runtime library would read all of it.
pub fn find(parsed: &Parsed<'_>) -> Vec<ModelLibrary> {
    if parsed.binary.format == Format::VmExecutable {
        return bare(parsed);
    }
    let mut found = find_by_symbol(parsed);
    let searchable =
        parsed.binary.format == Format::Wasm || parsed.binary.kind == BinaryKind::Program;
    if found.is_empty() && searchable {
        found = find_by_magic(parsed);
    }
    for library in &mut found {
        compiled::read(library, parsed);
    }
    found
}

fn bare(parsed: &Parsed<'_>) -> Vec<ModelLibrary> {
    parsed
        .regions
        .iter()
        .map(|region| ModelLibrary {
            blob: Blob::decode_bare(&region.data),
            ..library(region, 0)
        })
        .collect()
}

/// The libraries whose blob has a symbol, in symbol order.
pub fn find_by_symbol(parsed: &Parsed<'_>) -> Vec<ModelLibrary> {
    let mut found: Vec<ModelLibrary> = parsed
        .binary
        .defined
        .iter()
        .filter_map(|symbol| {
            let (prefix, generation) = blob_symbol(&symbol.name)?;
            Some(at_symbol(parsed, symbol, prefix, generation))
        })
        .collect();
    found.sort_by_key(|library| library.file_offset);
    found
}

fn at_symbol(
    parsed: &Parsed<'_>,
    symbol: &DefinedSymbol,
    prefix: &str,
    generation: SymbolGeneration,
) -> ModelLibrary {
    let region = symbol.region.and_then(|index| parsed.regions.get(index));
    let mut library = match region {
        Some(region) => ModelLibrary {
            blob: decode_at(region, symbol.region_offset),
            ..library(region, symbol.region_offset)
        },
        None => without_region(symbol),
    };
    library.prefix = (!prefix.is_empty()).then(|| prefix.to_owned());
    library.symbols = generation;
    library.blob_symbol = Some(symbol.name.clone());
    library.add_host_names(&parsed.binary);
    library
}

fn without_region(symbol: &DefinedSymbol) -> ModelLibrary {
    ModelLibrary {
        blob: Err(DecodeError::new(
            symbol.address,
            format!("{} inside a section with contents", symbol.name),
            "no such section",
        )),
        ..empty()
    }
}

fn empty() -> ModelLibrary {
    ModelLibrary {
        prefix: None,
        symbols: SymbolGeneration::Unknown,
        blob_symbol: None,
        region: String::new(),
        region_offset: 0,
        file_offset: 0,
        blob: Err(DecodeError::new(0, "a blob", "none")),
        slots: Vec::new(),
        host_functions: Vec::new(),
        vm_tir_functions: Vec::new(),
        host_callees: Vec::new(),
        recovered: Vec::new(),
    }
}

fn library(region: &Region<'_>, offset: u64) -> ModelLibrary {
    ModelLibrary {
        region: region.name.clone(),
        region_offset: offset,
        file_offset: region.file_offset(offset).unwrap_or_default(),
        ..empty()
    }
}

fn decode_at(region: &Region<'_>, offset: u64) -> Result<Blob, DecodeError> {
    let bytes = usize::try_from(offset)
        .ok()
        .and_then(|offset| region.data.get(offset..))
        .ok_or_else(|| {
            DecodeError::new(
                offset,
                format!("a blob inside {}", region.name),
                format!("{} bytes there", region.data.len()),
            )
        })?;
    Blob::decode(bytes)
}

impl ModelLibrary {
    /// Adds what another object of the same archive defines for this library:
    /// the blob and the host code of a system library are separate members.
    pub fn add_host_names(&mut self, binary: &Binary) {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        self.add_names(HostNames::of(binary, prefix, self.symbols));
    }

    pub(super) fn add_names(&mut self, names: HostNames) {
        for (list, more) in [
            (&mut self.slots, names.slots),
            (&mut self.host_functions, names.functions),
            (&mut self.vm_tir_functions, names.vm_tir_functions),
            (&mut self.host_callees, names.callees),
        ] {
            list.extend(more);
            list.sort_unstable();
            list.dedup();
        }
    }
}

/// Zeros between two pieces of a region from which on they are apart.
const GAP: u64 = 4096;

impl Region<'_> {
    /// The parts of the region that the file holds, with the short gaps between
    /// them and one zero behind each: what is worth searching.
    pub fn runs(&self) -> Vec<Range<usize>> {
        let size = self.data.len();
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut end = 0u64;
        for range in &self.file_ranges {
            let start = range.region_offset;
            let gap = start.saturating_sub(end);
            end = start.saturating_add(range.length);
            let behind = usize::try_from(end.saturating_add(1)).map_or(size, |end| end.min(size));
            match runs.last_mut() {
                Some(last) if gap < GAP => last.end = behind,
                _ => runs.push(usize::try_from(start).unwrap_or(size)..behind),
            }
        }
        runs
    }

    /// Where a byte of the region lies in the file; `None` in a gap.
    pub fn file_offset(&self, region_offset: u64) -> Option<u64> {
        let after = self
            .file_ranges
            .partition_point(|range| range.region_offset <= region_offset);
        let range = self.file_ranges.get(after.checked_sub(1)?)?;
        let inside = region_offset.checked_sub(range.region_offset)?;
        (inside < range.length).then(|| range.file_offset.saturating_add(inside))
    }
}

/// The libraries found by the magic of their VM executable. Code holds the same
/// magic as constants, but not behind a module's kind and a length.
pub fn find_by_magic(parsed: &Parsed<'_>) -> Vec<ModelLibrary> {
    let mut found = Vec::new();
    for region in parsed.regions.iter().filter(|region| !region.executable) {
        let runs = region.runs();
        let blobs = blobs_in(&region.data, &runs);
        let alone = blobs.len() == 1;
        for (range, blob) in blobs {
            let mut library = ModelLibrary {
                blob,
                ..library(region, range.start as u64)
            };
            // Which of several libraries a name belongs to is not written down.
            if alone {
                registration::recover(&mut library, &outside(&region.data, &runs, &range));
            }
            library.add_host_names(&parsed.binary);
            found.push(library);
        }
    }
    found
}

/// What the runs of a region hold besides a blob.
fn outside<'a>(data: &'a [u8], runs: &[Range<usize>], blob: &Range<usize>) -> Vec<&'a [u8]> {
    let cut = |run: &Range<usize>| {
        [
            run.start..run.end.min(blob.start),
            run.start.max(blob.end)..run.end,
        ]
    };
    let parts = runs.iter().flat_map(cut);
    parts.filter_map(|part| data.get(part)).collect()
}

/// Where a blob is, and the blob or why it does not decode.
type Found = (Range<usize>, Result<Blob, DecodeError>);

/// The blobs in a region, in order, none inside another.
fn blobs_in(data: &[u8], runs: &[Range<usize>]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut budget = MAX_BLOB_CANDIDATES;
    for magic in runs.iter().flat_map(|run| magics(data, run)) {
        let inside = found.last().is_some_and(|(range, _)| magic < range.end);
        if inside {
            continue;
        }
        let is_last = budget == 0;
        found.extend(around(data, magic, &mut budget));
        if is_last {
            break;
        }
    }
    found
}

/// Offsets of VM magics of either generation. Both are words without a zero byte,
/// so no linker cuts them.
fn magics<'a>(data: &'a [u8], run: &Range<usize>) -> impl Iterator<Item = usize> + use<'a> {
    // They differ in their first byte alone; the rest is searched once.
    static TAIL: [u8; 7] = [0x15, 0x14, 0x42, 0x2f, 0xde, 0x25, 0xd2];
    let start = run.start;
    memmem::find_iter(data.get(run.clone()).unwrap_or_default(), &TAIL)
        .filter_map(move |tail| start.saturating_add(tail).checked_sub(1))
        .filter(|start| data.get(*start..).is_some_and(|at| Magic::of(at).is_some()))
}

/// The blob that holds the executable at `magic`. `None` where the magic is a
/// number among others; a module's kind and a length before it are an executable,
/// and it is a library even if no blob around it can be made out.
fn around(data: &[u8], magic: usize, budget: &mut usize) -> Option<Found> {
    let kind_start = kind_before(data, magic)?;
    let nearest = kind_start.checked_sub(16)?;
    *budget = budget.saturating_sub(1);
    let furthest = nearest.saturating_sub(MAX_BLOB_HEAD);
    let mut best: Option<(usize, DecodeError)> = None;
    for start in (furthest..=nearest).rev() {
        if !may_start(data, start, magic) {
            continue;
        }
        let Some(left) = budget.checked_sub(1) else {
            let expected = format!("at most {MAX_BLOB_CANDIDATES} places where a blob may begin");
            best = Some((start, DecodeError::limit(0, expected, "more")));
            break;
        };
        *budget = left;
        match Blob::decode(data.get(start..)?) {
            Ok(blob) if holds_executable(&blob, magic.saturating_sub(start)) => {
                let length = usize::try_from(blob.length).unwrap_or(usize::MAX);
                return Some((start..start.saturating_add(length), Ok(blob)));
            }
            Ok(_) => {}
            Err(error) => {
                let worse = |(_, best): &(usize, DecodeError)| {
                    (best.is_limit, best.at) < (error.is_limit, error.at)
                };
                if best.as_ref().is_none_or(worse) {
                    best = Some((start, error));
                }
            }
        }
    }
    let (start, error) = best.unwrap_or_else(|| {
        let expected = format!("a blob that begins at most {MAX_BLOB_HEAD} bytes before");
        (kind_start, DecodeError::limit(0, expected, "none"))
    });
    Some((start..magic, Err(error)))
}

/// Whether a blob has an executable that decodes at byte `inside`.
fn holds_executable(blob: &Blob, inside: usize) -> bool {
    let mut modules = blob.modules.iter();
    modules.any(|module| module.payload_offset == inside as u64)
}

/// Where the `str` of the module kind before an executable's length begins.
fn kind_before(data: &[u8], magic: usize) -> Option<usize> {
    let kind_end = magic.checked_sub(8)?;
    let before = data.get(..kind_end)?;
    payload::VM_EXECUTABLE_KINDS.iter().find_map(|kind| {
        let head = before.strip_suffix(kind.as_bytes())?;
        let length = (kind.len() as u64).to_le_bytes();
        head.strip_suffix(&length).map(<[u8]>::len)
    })
}

/// Whether a blob could start here: its length reaches beyond the magic and
/// stays inside the region, and a small count follows.
fn may_start(data: &[u8], start: usize, magic: usize) -> bool {
    let mut reader = Reader::at(data, start);
    let (Ok(length), Ok(count)) = (reader.count(1, "the blob's length"), reader.u64("a count"))
    else {
        return false;
    };
    let end = start.saturating_add(8).saturating_add(length);
    end > magic && count >= 1 && count <= (MAX_BLOB_HEAD as u64) / 8
}
