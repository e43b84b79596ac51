//! What a Mach-O file says of itself: segments, symbols, fixups, initialisers.
//!
//! Nothing here is executed. Addresses are those of the file, before sliding.
//! Facts: Apple's published `mach-o/loader.h`, `nlist.h` and `fixup-chains.h`.

use std::collections::BTreeMap;

use super::chained;
use super::error::{Result, malformed};
use super::opcodes;
use super::reader::{Reader, plus, times};
use super::segments::{Fixups, Segment, Segments};

const MAGIC_64: u32 = 0xfeed_facf;
const CPU_ARM64: u32 = 0x0100_000c;
const TYPE_DYLIB: u32 = 6;
const TYPE_BUNDLE: u32 = 8;
const LC_SEGMENT_64: u32 = 0x19;
const LC_SYMTAB: u32 = 0x2;
const LC_ID_DYLIB: u32 = 0xd;
const LC_LOAD_DYLIB: u32 = 0xc;
const LC_LOAD_WEAK_DYLIB: u32 = 0x8000_0018;
const LC_REEXPORT_DYLIB: u32 = 0x8000_001f;
const LC_LOAD_UPWARD_DYLIB: u32 = 0x8000_0023;
const LC_DYLD_INFO: u32 = 0x22;
const LC_DYLD_INFO_ONLY: u32 = 0x8000_0022;
const LC_CHAINED_FIXUPS: u32 = 0x8000_0034;
/// The largest image that is mapped.
const MAX_IMAGE: u64 = 1 << 32;

/// A parsed library.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Where its bytes go.
    pub segments: Segments,
    /// Defined external symbols by name, with the leading underscore.
    pub symbols: BTreeMap<String, u64>,
    /// Places that hold addresses.
    pub fixups: Fixups,
    /// Arrays of pointers to functions that run at load: address and count.
    pub initialisers: Vec<(u64, u64)>,
    /// The name that others ask for it by.
    pub install_name: String,
    /// The names of the libraries that it asks for, in their order.
    pub dependencies: Vec<String>,
    /// Its variables of each thread.
    pub thread_locals: ThreadLocals,
    /// How to leave its functions by an exception.
    pub unwinding: Unwinding,
    /// What the library needs and no emulation here has.
    pub unsupported: Vec<String>,
}

/// Ranges of addresses: start and size.
type Range = (u64, u64);

/// The variables of each thread.
#[derive(Clone, Debug, Default)]
pub struct ThreadLocals {
    /// Arrays of descriptors, three words each.
    pub descriptors: Vec<Range>,
    /// The variables' first contents; zeros where the file has no bytes.
    pub template: Option<Range>,
    /// Whether it uses variables of other images.
    pub foreign: bool,
}

/// Tables for exceptions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwinding {
    /// `__unwind_info`.
    pub compact: Range,
    /// `__eh_frame`.
    pub frames: Range,
}

impl Image {
    /// Reads a thin arm64 dynamic library.
    pub fn parse(bytes: &[u8]) -> Result<Image> {
        let reader = Reader::new(bytes);
        if reader.u32(0)? != MAGIC_64 {
            return malformed(
                0,
                format!("a thin 64-bit Mach-O file expected (magic {MAGIC_64:#x})"),
            );
        }
        let (cpu, kind) = (reader.u32(4)?, reader.u32(12)?);
        if cpu != CPU_ARM64 {
            return malformed(
                4,
                format!("CPU type arm64 ({CPU_ARM64:#x}) expected, found {cpu:#x}"),
            );
        }
        if kind != TYPE_DYLIB && kind != TYPE_BUNDLE {
            return malformed(
                12,
                format!("a dynamic library (6) or bundle (8) expected, found {kind}"),
            );
        }
        let mut image = Image::default();
        let commands = commands(&reader)?;
        for (id, at) in &commands {
            match *id {
                LC_SEGMENT_64 => image.segment(&reader, *at)?,
                LC_SYMTAB => image.symbols(&reader, *at)?,
                LC_ID_DYLIB => image.install_name = name_at(&reader, *at)?,
                LC_LOAD_DYLIB | LC_LOAD_WEAK_DYLIB | LC_REEXPORT_DYLIB | LC_LOAD_UPWARD_DYLIB => {
                    image.dependencies.push(name_at(&reader, *at)?);
                }
                _ => {}
            }
        }
        for (id, at) in &commands {
            match *id {
                LC_DYLD_INFO | LC_DYLD_INFO_ONLY => {
                    opcodes::read(&reader, *at, &image.segments, &mut image.fixups)?;
                }
                LC_CHAINED_FIXUPS => {
                    chained::read(&reader, *at, &image.segments, &mut image.fixups)?;
                }
                _ => {}
            }
        }
        image.within()?;
        Ok(image)
    }

    /// Refuses variables of threads and tables for exceptions outside the image.
    fn within(&self) -> Result<()> {
        let tables = [self.unwinding.compact, self.unwinding.frames];
        let locals = &self.thread_locals;
        let ranges = locals.descriptors.iter().chain(&locals.template);
        for (start, size) in ranges.chain(&tables) {
            if plus(*start, *size)? > self.segments.end {
                return malformed(
                    0,
                    format!("a section of {size:#x} bytes at {start:#x}, beyond the last segment"),
                );
            }
        }
        Ok(())
    }

    fn segment(&mut self, reader: &Reader<'_>, at: u64) -> Result<()> {
        let segment = Segment {
            name: fixed_name(reader.slice(plus(at, 8)?, 16)?),
            address: reader.u64(plus(at, 24)?)?,
            size: reader.u64(plus(at, 32)?)?,
            file_offset: reader.u64(plus(at, 40)?)?,
            file_size: reader.u64(plus(at, 48)?)?,
        };
        if segment.file_size > segment.size {
            return malformed(
                at,
                format!(
                    "segment {}: more bytes in the file than in memory",
                    segment.name
                ),
            );
        }
        reader.slice(segment.file_offset, segment.file_size)?;
        let end = plus(segment.address, segment.size)?;
        if end > MAX_IMAGE {
            return malformed(
                at,
                format!("segment {}: ends at {end:#x}, beyond 4 GiB", segment.name),
            );
        }
        self.segments.end = self.segments.end.max(end);
        for i in 0..u64::from(reader.u32(plus(at, 64)?)?) {
            self.section(reader, plus(at, plus(72, times(i, 80)?)?)?)?;
        }
        self.segments.list.push(segment);
        Ok(())
    }

    fn section(&mut self, reader: &Reader<'_>, at: u64) -> Result<()> {
        let name = fixed_name(reader.slice(at, 16)?);
        let (address, size) = (reader.u64(plus(at, 32)?)?, reader.u64(plus(at, 40)?)?);
        match name.as_str() {
            "__unwind_info" => self.unwinding.compact = (address, size),
            "__eh_frame" => self.unwinding.frames = (address, size),
            _ => {}
        }
        match reader.u32(plus(at, 64)?)? & 0xff {
            0x9 => self.initialisers.push((address, size / 8)),
            0x11 | 0x12 => self.thread_locals.add(address, size)?,
            0x13 => self.thread_locals.descriptors.push((address, size)),
            // Pointers to descriptors of other images, bound like any.
            0x14 => self.thread_locals.foreign = true,
            0x15 => self
                .unsupported
                .push(format!("thread-local section {name}")),
            0x16 => self
                .unsupported
                .push(format!("initialiser-offset section {name}")),
            _ => {}
        }
        Ok(())
    }

    fn symbols(&mut self, reader: &Reader<'_>, at: u64) -> Result<()> {
        let (table, count) = (reader.u32(plus(at, 8)?)?, reader.u32(plus(at, 12)?)?);
        let (names, names_size) = (reader.u32(plus(at, 16)?)?, reader.u32(plus(at, 20)?)?);
        reader.slice(names.into(), names_size.into())?;
        reader.slice(table.into(), times(count.into(), 16)?)?;
        for i in 0..u64::from(count) {
            let entry = plus(table.into(), times(i, 16)?)?;
            let kind = *reader.slice(plus(entry, 4)?, 1)?.first().unwrap_or(&0);
            // Not a debugging entry, external, defined in a section.
            if kind & 0xe0 != 0 || kind & 0x01 == 0 || kind & 0x0e != 0x0e {
                continue;
            }
            let name = reader.text(plus(names.into(), reader.u32(entry)?.into())?)?;
            self.symbols
                .insert(name.to_owned(), reader.u64(plus(entry, 8)?)?);
        }
        Ok(())
    }

    /// The name and distance of the last symbol at or before an address.
    pub fn describe(&self, address: u64) -> String {
        let before = self
            .symbols
            .iter()
            .filter(|(_, a)| **a <= address)
            .max_by_key(|(_, a)| **a);
        match before {
            Some((name, start)) => format!("{name}+{:#x}", address.saturating_sub(*start)),
            None => format!("{address:#x}"),
        }
    }
}

impl ThreadLocals {
    /// The template reaches from the first to the last of its sections.
    fn add(&mut self, address: u64, size: u64) -> Result<()> {
        let end = plus(address, size)?;
        let (start, end) = match self.template {
            Some((start, old)) => (start.min(address), plus(start, old)?.max(end)),
            None => (address, end),
        };
        self.template = Some((start, end.saturating_sub(start)));
        Ok(())
    }
}

/// The name of a load command about a library.
fn name_at(reader: &Reader<'_>, at: u64) -> Result<String> {
    let name = reader.text(plus(at, reader.u32(plus(at, 8)?)?.into())?)?;
    Ok(name.to_owned())
}

/// Load commands: identity and file offset.
fn commands(reader: &Reader<'_>) -> Result<Vec<(u32, u64)>> {
    let count = reader.u32(16)?;
    let mut at = 32;
    let mut found = Vec::new();
    for _ in 0..count {
        let size = u64::from(reader.u32(plus(at, 4)?)?);
        if size < 8 {
            return malformed(at, format!("a load command of {size} bytes"));
        }
        reader.slice(at, size)?;
        found.push((reader.u32(at)?, at));
        at = plus(at, size)?;
    }
    Ok(found)
}

fn fixed_name(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned()
}
