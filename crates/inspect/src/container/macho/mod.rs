//! Mach-O: dylibs, bundles, programs and objects, thin and fat.
//!
//! Load commands, what dyld sets and looks for, the exports that concern TVM and the code
//! directory are touched.

mod asked;
mod code_directory;
mod commands;
mod exports;
mod fixups;
mod image;
mod linkage;
mod page_hashes;
mod signature;
mod symbols;
mod table;
mod trie;

pub use code_directory::CodeDirectory;
pub(crate) use page_hashes::broken as broken_signature;

use object::Endianness;
use object::macho;
use object::read::macho::{FatArch, MachHeader, MachOFatFile32, MachOFatFile64};

use super::linkage::Linkage;
use super::{Architecture, Binary, BinaryKind, ForeignSymbol, Format, Parsed, frozen};
use crate::error::DecodeError;
use image::{Image, bad, bytes_at, is_64};

/// Slices of one fat file; there are fewer kinds of processors.
const MAX_SLICES: usize = 64;

/// The bits of a processor's kind that are not capabilities.
const SUBTYPE: u32 = 0x00ff_ffff;

/// Reads a thin Mach-O file.
pub fn parse(data: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    parse_slice(data, 0)
}

/// Reads every slice of a fat Mach-O file. Offsets in the result count from
/// the start of the fat file.
pub(crate) fn parse_fat(data: &[u8]) -> Result<Vec<Parsed<'_>>, DecodeError> {
    let mut parsed = Vec::new();
    for (offset, slice) in slices(data)? {
        parsed.push(parse_slice(slice, offset).map_err(|error| error.rebase(offset))?);
    }
    Ok(parsed)
}

/// The archives of a fat file that holds nothing else: a static library for several
/// machines, as `lipo -create` makes it.
pub fn archives(data: &[u8]) -> Option<Vec<(Architecture, &[u8])>> {
    let slices = slices(data).ok()?.into_iter();
    let archives = slices.map(|(_, slice)| slice.starts_with(b"!<arch>\n").then_some(slice));
    let archives: Vec<&[u8]> = archives.collect::<Option<_>>()?;
    let machines = arches(data).ok()?.into_iter().map(|arch| arch.machine);
    Some(machines.zip(archives).collect())
}

/// What a fat header says of a slice.
struct Arch {
    machine: Architecture,
    offset: u64,
    size: u64,
}

fn arches(data: &[u8]) -> Result<Vec<Arch>, DecodeError> {
    fn of<Header: FatArch>(headers: &[Header]) -> Vec<Arch> {
        let of = |header: &Header| {
            let (offset, size) = header.file_range();
            Arch {
                machine: architecture(header.cputype(), header.cpusubtype()),
                offset,
                size,
            }
        };
        headers.iter().map(of).collect()
    }
    let failed = |error| bad(0, "a Mach-O fat header", error);
    match data.get(3) == Some(&0xbf) {
        true => Ok(of(MachOFatFile64::parse(data).map_err(failed)?.arches())),
        false => Ok(of(MachOFatFile32::parse(data).map_err(failed)?.arches())),
    }
}

/// The slices of a fat file with their offsets.
pub fn slices(data: &[u8]) -> Result<Vec<(u64, &[u8])>, DecodeError> {
    let arches = arches(data)?.into_iter();
    let ranges: Vec<(u64, u64)> = arches.map(|arch| (arch.offset, arch.size)).collect();
    if ranges.is_empty() || ranges.len() > MAX_SLICES {
        let found = format!("{} slices", ranges.len());
        return Err(DecodeError::new(4, "one to 64 slices", found));
    }
    let total = ranges
        .iter()
        .fold(0u64, |total, (_, size)| total.saturating_add(*size));
    if total > data.len() as u64 {
        let found = format!("{total} bytes of slices in {}", data.len());
        return Err(DecodeError::new(4, "slices that do not overlap", found));
    }
    ranges
        .into_iter()
        .map(|(offset, size)| {
            bytes_at(data, offset, size)
                .map(|slice| (offset, slice))
                .ok_or_else(|| DecodeError::cut(offset, "a Mach-O slice", size, data))
        })
        .collect()
}

/// Calls a function with the image of a thin file.
macro_rules! with_image {
    ($($function:ident)::+, $data:expr $(, $more:expr)*) => {
        match is_64($data) {
            true => $($function)::+::<macho::MachHeader64<Endianness>>(
                &Image::parse($data, 0)? $(, $more)*
            ),
            false => $($function)::+::<macho::MachHeader32<Endianness>>(
                &Image::parse($data, 0)? $(, $more)*
            ),
        }
    };
}

/// Which of `wanted` a thin file exports.
pub fn defines(data: &[u8], wanted: &[&str]) -> Result<Vec<bool>, DecodeError> {
    with_image!(exports::defines, data, wanted)
}

/// What a thin file asks of the libraries that `is_meant` says, and of any.
pub(super) fn asked(
    data: &[u8],
    is_meant: fn(&str) -> bool,
) -> Result<Vec<ForeignSymbol>, DecodeError> {
    with_image!(asked::of, data, is_meant)
}

/// The processors that a file is for, as its first bytes say.
pub(super) fn machines(header: &[u8]) -> Vec<Architecture> {
    if let Ok(arches) = arches(header) {
        return arches.into_iter().map(|arch| arch.machine).collect();
    }
    let word = |at: usize| {
        let bytes = header.get(at..)?.first_chunk::<4>()?;
        Some(match header.first() {
            Some(0xfe) => u32::from_be_bytes(*bytes),
            _ => u32::from_le_bytes(*bytes),
        })
    };
    let kinds = word(4).zip(word(8));
    let machine = |(cpu, kind)| architecture(macho::CpuType(cpu), macho::CpuSubtype(kind));
    kinds.map(machine).into_iter().collect()
}

/// Calls `visit` with every export of a thin file until it returns `false`.
pub fn each_export(data: &[u8], visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), DecodeError> {
    with_image!(exports::each, data, visit)
}

/// Calls by name, and functions, of a thin 64-bit file.
pub(super) fn linkage(data: &[u8], wanted: fn(&[u8]) -> bool) -> Option<Linkage> {
    is_64(data).then(|| linkage::read(data, wanted))?
}

fn parse_slice(data: &[u8], base: u64) -> Result<Parsed<'_>, DecodeError> {
    match is_64(data) {
        true => parse_class::<macho::MachHeader64<Endianness>>(data, base),
        false => parse_class::<macho::MachHeader32<Endianness>>(data, base),
    }
}

fn parse_class<'data, Mach: MachHeader<Endian = Endianness>>(
    data: &'data [u8],
    base: u64,
) -> Result<Parsed<'data>, DecodeError> {
    let image = Image::<Mach>::parse(data, base)?;
    let kind = match image.header.filetype(image.endian) {
        macho::MH_OBJECT => BinaryKind::Object,
        macho::MH_EXECUTE => BinaryKind::Program,
        macho::MH_DYLIB | macho::MH_BUNDLE | macho::MH_DYLIB_STUB => BinaryKind::SharedLibrary,
        other => {
            return Err(DecodeError::new(
                12,
                "a Mach-O object, program, dylib or bundle",
                format!("file type {}", other.0),
            ));
        }
    };
    let kept = symbols::keep(&image, kind)?;
    let binary = Binary {
        min_os: image.min_os,
        identity: image.identity,
        needed: image.needed,
        reexports: image.reexports,
        search_paths: image.search_paths,
        frozen: frozen::cells(&kept.defined, &image.segments, None),
        segments: image.segments,
        defined: kept.defined,
        undefined: kept.undefined,
        foreign: kept.foreign,
        opens: kept.opens,
        damage: kept.damage,
        signature: image.signature,
        has_constructors: image.has_constructors,
        ..Binary::new(
            Format::MachO,
            kind,
            architecture(
                image.header.cputype(image.endian),
                image.header.cpusubtype(image.endian),
            ),
            image.platform,
        )
    };
    Ok(Parsed {
        slice_offset: base,
        ..Parsed::new(binary, image.regions, data)
    })
}

fn architecture(cpu: macho::CpuType, kind: macho::CpuSubtype) -> Architecture {
    match cpu {
        macho::CPU_TYPE_X86_64 => Architecture::X86_64,
        macho::CPU_TYPE_X86 => Architecture::X86,
        // What is above says which form of signed pointers it has.
        macho::CPU_TYPE_ARM64 if kind.0 & SUBTYPE == macho::CPU_SUBTYPE_ARM64E.0 => {
            Architecture::Arm64e
        }
        macho::CPU_TYPE_ARM64 => Architecture::Aarch64,
        macho::CPU_TYPE_ARM => Architecture::Arm,
        other => Architecture::Other(other.0),
    }
}
