//! Finds the model libraries of a parsed binary: by the symbol of their blob
//! and, where no symbol is left, by the magic of the VM executable inside.
//!
//! A VM executable outside any container counts as a library too: its blob has
//! the layout [`BlobLayout::Bare`](super::BlobLayout) and one module.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::symbols::{HostNames, blob_symbol};
use super::{
    Blob, BlobLayout, ModelLibrary, Module, Payload, SymbolGeneration, compiled, idle, kernels,
    metadata, payload, registration,
};
use crate::container::{self, Binary, BinaryKind, Contents, DefinedSymbol, Format, Parsed, Region};
use crate::error::DecodeError;
use crate::limits::{MAX_BLOB_CANDIDATES, MAX_BLOB_HEAD};
use crate::vm::Magic;

/// The model libraries of a binary.
///
/// Without a blob symbol the data regions are searched only where symbols
/// cannot be relied on: wasm, programs that a model may be linked into,
/// files that are nothing but an executable, and shared libraries that have a model's
/// other symbols, want the runtime's and export nothing of TVM, or export nothing at all. A sound one always
/// exports its blob, and searching every runtime library would read all of it.
pub fn find(parsed: &Parsed<'_>) -> Vec<ModelLibrary> {
    let mut found = match parsed.binary.format {
        Format::VmExecutable => bare(parsed),
        _ => find_by_symbol(parsed),
    };
    // Functions and slots that TVM generates.
    let is_generated = || {
        let mut defined = parsed.binary.defined.iter();
        defined.any(|symbol| symbol.name.starts_with("__tvm_") || symbol.name.starts_with("__TVM"))
    };
    let is_hidden = || {
        let mut wanted = parsed.binary.undefined.iter();
        let mut defined = parsed.binary.defined.iter();
        exports_nothing(parsed)
            || wanted.any(|symbol| symbol.name.starts_with("TVM"))
                && !defined.any(|symbol| symbol.exported && is_tvm(&symbol.name))
    };
    let searchable = parsed.binary.format == Format::Wasm
        || match parsed.binary.kind {
            BinaryKind::Program => true,
            BinaryKind::SharedLibrary => is_generated() || is_hidden(),
            BinaryKind::Object => false,
        };
    if found.is_empty() && searchable {
        found = find_by_magic(parsed);
    }
    for library in &mut found {
        if parsed.binary.format != Format::VmExecutable {
            idle::read(library, parsed);
            compiled::read(library, parsed);
            library.kernels = kernels::read(library, parsed);
        }
        if let Ok(blob) = &library.blob {
            let programs = library.programs(blob);
            let outlines = programs.map(|(_, executable)| metadata::outline(executable));
            library.outlines = outlines.collect();
        }
    }
    found
}

/// Whether a shared library exports nothing. Any other library has exports, or it would be
/// of no use; a model library whose symbols are hidden still works in the program that
/// registers it.
fn exports_nothing(parsed: &Parsed<'_>) -> bool {
    /// What linkers add.
    const LINKERS: [&[u8]; 5] = [b"_init", b"_fini", b"__bss_start", b"_edata", b"_end"];
    let mut is_nothing = matches!(parsed.binary.format, Format::Elf | Format::MachO);
    let read = container::each_export(parsed.data, &mut |name| {
        is_nothing &= LINKERS.contains(&name);
        is_nothing
    });
    is_nothing && read.is_ok()
}

/// The host code of kernels that were compiled without a model, where it looks up functions
/// by name: a library that has no blob, and one module.
pub fn kernels_alone(parsed: &Parsed<'_>) -> Option<ModelLibrary> {
    // What is not linked yet is a part of something else.
    let is_linked = parsed.binary.kind != BinaryKind::Object;
    let exported = parsed.binary.defined.iter().filter(|_| is_linked);
    let mut exported = exported.filter(|symbol| symbol.exported);
    let symbols = exported.find_map(|symbol| SymbolGeneration::of_context(&symbol.name))?;
    let module = Module {
        kind: String::from("_lib"),
        children: Vec::new(),
        payload_offset: 0,
        payload_length: 0,
        payload: Payload::HostLibrary,
    };
    let mut library = ModelLibrary {
        symbols,
        blob: Ok(Blob {
            layout: BlobLayout::TreeFirst,
            length: 0,
            modules: vec![module],
            root: 0,
        }),
        ..empty()
    };
    library.add_host_names(&parsed.binary);
    idle::read(&mut library, parsed);
    library.looks_up().then(|| {
        compiled::read(&mut library, parsed);
        library
    })
}

/// Whether a symbol is of TVM, in C or in C++.
fn is_tvm(name: &str) -> bool {
    ["tvm", "TVM"].iter().any(|word| name.contains(word))
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
    let symbols = parsed.binary.defined.iter();
    // Loaders find none that a library hides.
    let is_loaded =
        parsed.binary.kind == BinaryKind::SharedLibrary && parsed.binary.format != Format::Wasm;
    let symbols = symbols.filter(|symbol| symbol.exported || !is_loaded);
    let mut symbols = symbols.filter_map(|symbol| Some((symbol, blob_symbol(&symbol.name)?)));
    let first = symbols.by_ref().take(MAX_BLOB_CANDIDATES);
    let mut found: Vec<ModelLibrary> = first
        .map(|(symbol, (prefix, generation))| at_symbol(parsed, symbol, prefix, generation))
        .collect();
    // Each is decoded, and several may name one blob.
    if symbols.next().is_some() {
        let most = format!("at most {MAX_BLOB_CANDIDATES} symbols of blobs");
        found.push(ModelLibrary {
            blob: Err(DecodeError::limit(0, most, "more")),
            ..empty()
        });
    }
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
        idle_slots: Vec::new(),
        host_functions: Vec::new(),
        vm_tir_functions: Vec::new(),
        kernels: Default::default(),
        host_callees: Vec::new(),
        host_calls: Vec::new(),
        extensions: Vec::new(),
        has_unread_callees: false,
        recovered: Vec::new(),
        outlines: Vec::new(),
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
        .and_then(|offset| region.data.bytes().behind(offset))
        .ok_or_else(|| {
            DecodeError::new(
                offset,
                format!("a blob inside {}", region.name),
                format!("{} bytes there", region.data.len()),
            )
        })?;
    Blob::decode_in(bytes)
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

/// Bytes of a VM magic.
const MAGIC: usize = 8;
/// Bytes between the fields that a blob begins with and the magic of its executable, at
/// least: those fields, the longest kind, and two lengths.
const KIND_AND_LENGTHS: usize = 64;

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
        let blobs = blobs_in(&region.data);
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
fn outside<'a>(
    data: &'a Contents<'_>,
    runs: &[Range<usize>],
    blob: &Range<usize>,
) -> Vec<&'a [u8]> {
    let cut = |run: &Range<usize>| {
        [
            run.start..run.end.min(blob.start),
            run.start.max(blob.end)..run.end,
        ]
    };
    let parts = runs.iter().flat_map(cut);
    let parts = parts.filter(|part| !part.is_empty());
    parts.filter_map(|part| data.get(part)).collect()
}

/// Where a blob is, and the blob or why it does not decode.
type Found = (Range<usize>, Result<Blob, DecodeError>);

/// The blobs in a region, in order, none inside another. What a blob holds is not
/// searched.
fn blobs_in(data: &Contents<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut budget = MAX_BLOB_CANDIDATES;
    let mut from = 0;
    while let Some(magic) = next_magic(data, from) {
        from = magic.saturating_add(1);
        let is_last = budget == 0;
        if let Some(blob) = around(data, magic, &mut budget) {
            from = from.max(blob.0.end);
            found.push(blob);
        }
        if is_last {
            break;
        }
    }
    found
}

/// The first VM magic of either generation that begins at `from` or behind it. Both are
/// words without a zero byte, so that no linker leaves a part of one out.
fn next_magic(data: &Contents<'_>, from: usize) -> Option<usize> {
    // They differ in their first byte alone; the rest is searched once.
    static TAIL: LazyLock<Finder<'static>> =
        LazyLock::new(|| Finder::new(&[0x15, 0x14, 0x42, 0x2f, 0xde, 0x25, 0xd2]));
    let whole = |start: usize| {
        let end = start.checked_add(MAGIC)?;
        Magic::of(data.get(start..end)?).map(|_| start)
    };
    let mut end = 0;
    for (start, piece) in data.pieces(from) {
        // One that is cut in two, where two pieces meet.
        if end == start && start > 0 {
            let across = start.saturating_sub(MAGIC - 1).max(from)..start;
            if let Some(found) = across.into_iter().find_map(whole) {
                return Some(found);
            }
        }
        end = start.saturating_add(piece.len());
        if end <= from {
            continue;
        }
        let skipped = from.saturating_sub(start);
        let rest = piece.get(skipped..).unwrap_or_default();
        let tails = TAIL.find_iter(rest);
        let mut starts = tails.filter_map(|tail| {
            let tail = start.checked_add(skipped)?.checked_add(tail)?;
            tail.checked_sub(1).filter(|start| *start >= from)
        });
        if let Some(found) = starts.find_map(whole) {
            return Some(found);
        }
    }
    None
}

/// The blob that holds the executable at `magic`. `None` where the magic is a
/// number among others; a module's kind and a length before it are an executable,
/// and it is a library even if no blob around it can be made out.
fn around(data: &Contents<'_>, magic: usize, budget: &mut usize) -> Option<Found> {
    let first = magic.saturating_sub(MAX_BLOB_HEAD.saturating_add(KIND_AND_LENGTHS));
    let head = data.get(first..magic)?;
    let kind_start = first.checked_add(kind_before(head)?)?;
    let nearest = kind_start.checked_sub(16)?;
    *budget = budget.saturating_sub(1);
    let furthest = nearest.saturating_sub(MAX_BLOB_HEAD);
    let mut best: Option<(usize, DecodeError)> = None;
    for start in (furthest..=nearest).rev() {
        let fields = start.checked_sub(first).and_then(|start| head.get(start..));
        if !may_start(fields.unwrap_or_default(), start, magic, data.len()) {
            continue;
        }
        let Some(left) = budget.checked_sub(1) else {
            let expected = format!("at most {MAX_BLOB_CANDIDATES} places where a blob may begin");
            best = Some((start, DecodeError::limit(0, expected, "more")));
            break;
        };
        *budget = left;
        match Blob::decode_in(data.bytes().behind(start)?) {
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

/// Where the `str` of the module kind begins that `head` ends with, an executable's
/// length behind it.
fn kind_before(head: &[u8]) -> Option<usize> {
    let before = head.get(..head.len().checked_sub(8)?)?;
    payload::VM_EXECUTABLE_KINDS.iter().find_map(|kind| {
        let head = before.strip_suffix(kind.as_bytes())?;
        let length = (kind.len() as u64).to_le_bytes();
        head.strip_suffix(&length).map(<[u8]>::len)
    })
}

/// Whether a blob could start at `start` with these fields: its length reaches beyond
/// the magic and stays inside the region's `size`, and a small count follows.
fn may_start(fields: &[u8], start: usize, magic: usize, size: usize) -> bool {
    let Some(([length, count], _)) = fields.as_chunks::<8>().0.split_first_chunk::<2>() else {
        return false;
    };
    let (length, count) = (u64::from_le_bytes(*length), u64::from_le_bytes(*count));
    let end = (start as u64).saturating_add(8).saturating_add(length);
    let ends_inside = end > magic as u64 && end <= size as u64;
    ends_inside && count >= 1 && count <= (MAX_BLOB_HEAD as u64) / 8
}
