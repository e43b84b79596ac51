//! What a file is, by its first bytes; and the way from bytes to [`Parsed`].
//!
//! Names and suffixes are not looked at: a rule compares them later.

use serde::Serialize;

use super::sealed::{self, Sealed};
use super::{
    Architecture, Parsed, coff, elf, linker_script, macho, misplaced, pe, vm_executable, wasm,
};
use crate::error::DecodeError;
use crate::shown::article;

/// What a file is, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileType {
    /// ELF of any kind.
    Elf,
    /// Mach-O, thin.
    MachO,
    /// Mach-O with several slices.
    MachOFat,
    /// Mach-O debug companion (`.dSYM`): symbols without code.
    MachODebug,
    /// PE image.
    Pe,
    /// COFF object, big-object form included.
    Coff,
    /// Short import object of an MSVC import library: names, no code.
    CoffImport,
    /// WebAssembly module.
    Wasm,
    /// Relax VM executable outside any container.
    VmExecutable,
    /// `ar` archive.
    Ar,
    /// GNU thin archive: names of files, not their bytes.
    ThinAr,
    /// Uncompressed tar.
    Tar,
    /// gzip stream, usually a tar.
    Gzip,
    /// zip, wheel.
    Zip,
    /// An archive or a compression of a kind that is not opened.
    Sealed(Sealed),
    /// No bytes at all.
    Empty,
    /// Nothing but zero bytes wherever it was looked at.
    Zeros,
    /// Git LFS pointer: the real file was never fetched.
    LfsPointer,
    /// HTML page, usually a saved error message.
    Html,
    /// AppleDouble companion (`._name`) written by macOS tar.
    AppleDouble,
    /// A text that tells linkers which libraries to take: `libc.so` of a development package.
    LinkerScript,
    /// An object in LLVM's own form, as `-flto` and `-emit-llvm` write it: no machine code.
    Bitcode,
    /// An object in GCC's own form, as its `-flto` writes it: no machine code either.
    GccBytecode,
    /// None of these.
    Unknown,
}

impl FileType {
    /// Whether [`parse`] reads this type.
    pub fn is_binary(self) -> bool {
        matches!(
            self,
            Self::Elf
                | Self::MachO
                | Self::MachOFat
                | Self::Pe
                | Self::Coff
                | Self::Wasm
                | Self::VmExecutable
        )
    }

    /// Whether it holds members to look into.
    pub fn is_archive(self) -> bool {
        matches!(
            self,
            Self::Ar | Self::ThinAr | Self::Tar | Self::Gzip | Self::Zip
        )
    }

    /// What a person would call it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Elf => "ELF file",
            Self::MachO => "Mach-O file",
            Self::MachOFat => "Mach-O universal file",
            Self::MachODebug => "Mach-O debug companion",
            Self::Pe => "PE image",
            Self::Coff => "COFF object",
            Self::CoffImport => "COFF import object",
            Self::Wasm => "WebAssembly module",
            Self::VmExecutable => "bare VM executable",
            Self::Ar => "ar archive",
            Self::ThinAr => "thin ar archive",
            Self::Tar => "tar archive",
            Self::Gzip => "gzip file",
            Self::Zip => "zip archive",
            Self::Sealed(sealed) => sealed.describe(),
            Self::Empty => "empty file",
            Self::Zeros => "file of zero bytes",
            Self::LfsPointer => "Git LFS pointer",
            Self::Html => "HTML page",
            Self::AppleDouble => "AppleDouble companion file",
            Self::LinkerScript => "linker script",
            Self::Bitcode => {
                "LLVM bitcode, an object without machine code that only a linker of LLVM's takes"
            }
            Self::GccBytecode => {
                "GCC's bytecode, an object without machine code that only GCC's linker takes"
            }
            Self::Unknown => "unknown file",
        }
    }
}

impl FileType {
    /// The same in a sentence: `an ELF file`.
    pub fn spoken(self) -> String {
        match self {
            Self::Bitcode | Self::GccBytecode => self.describe().to_owned(),
            Self::Html | Self::Unknown => format!("an {}", self.describe()),
            _ => format!("{} {}", article(self.describe()), self.describe()),
        }
    }
}

/// Tail of the VM magic; the first byte tells V1 (`1d`) from V2 (`1e`).
const VM_MAGIC_TAIL: [u8; 7] = [0x15, 0x14, 0x42, 0x2f, 0xde, 0x25, 0xd2];

/// Tells the type of a file from its bytes; at most three pages are touched.
pub fn identify(bytes: &[u8]) -> FileType {
    if let Some(found) = by_magic(bytes) {
        return found;
    }
    if is_tar(bytes) {
        return FileType::Tar;
    }
    if let Some(found) = sealed::sealed(bytes) {
        return FileType::Sealed(found);
    }
    if let Some(found) = coff(bytes) {
        return found;
    }
    if is_zeros(bytes) {
        return FileType::Zeros;
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return FileType::LfsPointer;
    }
    if is_html(bytes) {
        return FileType::Html;
    }
    if linker_script::is_one(bytes) {
        return FileType::LinkerScript;
    }
    FileType::Unknown
}

fn by_magic(bytes: &[u8]) -> Option<FileType> {
    let found = match bytes {
        [] => FileType::Empty,
        [0x7f, b'E', b'L', b'F', ..] if sealed::is_app_image(bytes) => {
            FileType::Sealed(Sealed::AppImage)
        }
        [0x7f, b'E', b'L', b'F', ..] if elf::is_bytecode(bytes) => FileType::GccBytecode,
        [0x7f, b'E', b'L', b'F', ..] => FileType::Elf,
        // Word 3 is the file type; 10 is MH_DSYM.
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, rest @ ..] if rest.get(8..12) == Some(&[10, 0, 0, 0]) => {
            FileType::MachODebug
        }
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xfe, 0xed, 0xfa, 0xcf | 0xce, ..] => {
            FileType::MachO
        }
        // A Java class begins with the same four bytes; its next word is a
        // version of at least 45, a fat header's is the number of slices.
        [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, slices, ..] if *slices < 40 => FileType::MachOFat,
        [0xca, 0xfe, 0xba, 0xbf, ..] => FileType::MachOFat,
        [0, b'a', b's', b'm', ..] => FileType::Wasm,
        [0x1d | 0x1e, tail @ ..] if tail.starts_with(&VM_MAGIC_TAIL) => FileType::VmExecutable,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => FileType::Zip,
        [b'#', b'!', ..] if is_zip_application(bytes) => FileType::Zip,
        [0x1f, 0x8b, ..] => FileType::Gzip,
        [0, 5, 0x16, 7, 0, 2, 0, 0, ..] => FileType::AppleDouble,
        [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..] => FileType::Bitcode,
        _ if bytes.starts_with(b"!<arch>\n") => FileType::Ar,
        _ if bytes.starts_with(b"!<thin>\n") => FileType::ThinAr,
        [b'M', b'Z', ..] if is_pe(bytes) => FileType::Pe,
        _ => return None,
    };
    Some(found)
}

/// Python's archives that are started as programs (`.pyz`, `.pex`): a line that names
/// the interpreter, and then a zip archive.
fn is_zip_application(bytes: &[u8]) -> bool {
    let line = bytes.get(..256).unwrap_or(bytes);
    let end = line.iter().position(|byte| *byte == b'\n');
    let archive = end.and_then(|end| bytes.get(end..)?.get(1..));
    archive.is_some_and(|archive| archive.starts_with(b"PK\x03\x04"))
}

/// A PE image, or what is left of one that was cut before its header, which linkers put
/// behind a small DOS program.
fn is_pe(bytes: &[u8]) -> bool {
    const LATEST: usize = 4096;
    let offset = bytes
        .get(0x3c..0x40)
        .and_then(|word| word.try_into().ok())
        .map(u32::from_le_bytes)
        .and_then(|offset| usize::try_from(offset).ok());
    let Some(offset) = offset else { return true };
    let header = bytes.get(offset..).and_then(|rest| rest.get(..4));
    header.map_or(offset < LATEST, |header| header == b"PE\0\0")
}

pub(super) fn is_tar(bytes: &[u8]) -> bool {
    // POSIX and GNU tar have a magic; the checksum settles the V7 form too.
    let Some(header) = bytes.get(..512) else {
        return false;
    };
    let Some(stored) = header.get(148..156).and_then(octal) else {
        return false;
    };
    let byte = |(at, byte): (usize, &u8)| {
        if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        }
    };
    let sum: u64 = header.iter().enumerate().map(byte).map(u64::from).sum();
    // Some systems' tar took the bytes for signed; all readers accept both.
    let negative = header
        .iter()
        .enumerate()
        .map(byte)
        .filter(|byte| *byte > 127);
    let signed = (negative.count() as u64).saturating_mul(256);
    (sum == stored || sum.checked_sub(signed) == Some(stored)) && header.first() != Some(&0)
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|c: char| c == ' ' || c == '\0');
    u64::from_str_radix(digits, 8).ok()
}

/// COFF objects have no magic: a known machine, a small section count and a
/// plausible header tell them.
fn coff(bytes: &[u8]) -> Option<FileType> {
    let head: &[u8; 20] = bytes.get(..20)?.try_into().ok()?;
    let word = |low: u8, high: u8| u16::from_le_bytes([low, high]);
    let [m0, m1, s0, s1, version_low, version_high, ..] = *head;
    let machine = word(m0, m1);
    if machine == 0 && word(s0, s1) == 0xffff {
        // Version 0: import; version 2: big object.
        return match word(version_low, version_high) {
            0 => Some(FileType::CoffImport),
            _ => Some(FileType::Coff),
        };
    }
    let optional = word(*head.get(16)?, *head.get(17)?);
    let sections = u64::from(word(s0, s1));
    let table_end = sections.checked_mul(40)?.checked_add(20)?;
    let known = !matches!(
        pe::architecture(object::pe::Machine(machine)),
        Architecture::Other(_)
    );
    (known && optional == 0 && sections > 0 && table_end <= bytes.len() as u64)
        .then_some(FileType::Coff)
}

fn is_zeros(bytes: &[u8]) -> bool {
    const PAGE: usize = 4096;
    let zero = |part: &[u8]| part.iter().all(|byte| *byte == 0);
    let middle = bytes.len() / 2;
    let tail = bytes.len().saturating_sub(PAGE);
    let page_at = |at: usize| {
        let end = at.saturating_add(PAGE).min(bytes.len());
        bytes.get(at..end).unwrap_or_default()
    };
    zero(page_at(0)) && zero(page_at(middle)) && zero(page_at(tail))
}

fn is_html(bytes: &[u8]) -> bool {
    let head = bytes.get(..512).unwrap_or(bytes);
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let head = head.trim_ascii_start().to_ascii_lowercase();
    head.starts_with(b"<!doctype html") || head.starts_with(b"<html")
}

/// Reads every binary in `bytes`: one, or one per slice of a fat Mach-O.
///
/// Archives are not opened here (see [`crate::source`]).
pub fn parse(bytes: &[u8]) -> Result<Vec<Parsed<'_>>, DecodeError> {
    let mut parsed = match identify(bytes) {
        FileType::Elf => elf::parse(bytes).map(|parsed| vec![parsed]),
        FileType::MachO => macho::parse(bytes).map(|parsed| vec![parsed]),
        FileType::MachOFat => macho::parse_fat(bytes),
        FileType::Pe => pe::parse(bytes).map(|parsed| vec![parsed]),
        FileType::Coff => coff::parse(bytes).map(|parsed| vec![parsed]),
        FileType::Wasm => wasm::parse(bytes).map(|parsed| vec![parsed]),
        FileType::VmExecutable => Ok(vec![vm_executable::parse(bytes)]),
        other => Err(DecodeError::new(
            0,
            "ELF, Mach-O, PE, COFF, WebAssembly or a VM executable",
            other.describe(),
        )),
    }?;
    refuse_overlaps(&parsed, bytes.len())?;
    for one in &mut parsed {
        let misplaced = misplaced::find(&one.binary, &one.regions);
        one.binary.damage.extend(misplaced);
    }
    Ok(parsed)
}

/// Sections of a real file share no bytes. Ten thousand sections over the same
/// bytes would make every search through the regions quadratic.
fn refuse_overlaps(parsed: &[Parsed<'_>], size: usize) -> Result<(), DecodeError> {
    let in_regions: u64 = parsed
        .iter()
        .flat_map(|parsed| &parsed.regions)
        .flat_map(|region| &region.file_ranges)
        .fold(0u64, |sum, range| sum.saturating_add(range.length));
    let allowed = (size as u64).saturating_mul(2);
    if in_regions <= allowed {
        return Ok(());
    }
    Err(DecodeError::new(
        0,
        format!("sections of at most {allowed} bytes together"),
        format!("{in_regions} bytes: sections overlap"),
    ))
}
