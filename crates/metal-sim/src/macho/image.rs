//! What a Mach-O file says of itself: segments, symbols, fixups, initialisers.
//!
//! Nothing here is executed. Addresses are those of the file, before sliding.

use std::collections::BTreeMap;

use object::LittleEndian as LE;
use object::macho;
use object::read::macho::{LoadCommandVariant, MachHeader, Section, Segment as _};

use super::error::{Result, malformed};
use super::fixups;
use super::segments::{Fixups, Segment, Segments, part, plus};

/// The largest image that is mapped.
const MAX_IMAGE: u64 = 1 << 32;

pub(super) type Header = macho::MachHeader64<LE>;

/// A parsed library.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Where its bytes go.
    pub segments: Segments,
    /// What it exports, by name with the leading underscore.
    pub symbols: BTreeMap<String, u64>,
    /// Exports that are numbers and do not move with the image.
    pub absolute: BTreeMap<String, u64>,
    /// Exports that another library defines: its number, from 1, and the name there.
    pub reexports: BTreeMap<String, (u64, String)>,
    /// The numbers of the libraries that it re-exports whole.
    pub reexported: Vec<u64>,
    /// Places that hold addresses.
    pub fixups: Fixups,
    /// Arrays of pointers to functions that run at load: address and count.
    pub initialisers: Vec<(u64, u64)>,
    /// The name that others ask for it by.
    pub install_name: String,
    /// The names of the libraries that it asks for, in their order.
    pub dependencies: Vec<String>,
    /// The numbers of those without which it loads.
    pub optional: Vec<u64>,
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
        let header = match Header::parse(bytes, 0) {
            Ok(header) if header.is_little_endian() => header,
            _ => return malformed("a thin 64-bit Mach-O file expected"),
        };
        let (cpu, kind) = (header.cputype(LE), header.filetype(LE));
        if cpu != macho::CPU_TYPE_ARM64 {
            return malformed(format!("CPU type arm64 expected, found {:#x}", cpu.0));
        }
        if kind != macho::MH_DYLIB && kind != macho::MH_BUNDLE {
            return malformed(format!(
                "a dynamic library (6) or bundle (8) expected, found {}",
                kind.0
            ));
        }
        let mut image = Image::default();
        let commands = header.load_commands(LE, bytes, 0)?;
        let commands = commands.collect::<object::Result<Vec<_>>>()?;
        for command in &commands {
            let name = |name| command.string(LE, name).map(text);
            match command.variant()? {
                LoadCommandVariant::Segment64(segment, sections) => {
                    image.segment(segment, sections, bytes)?;
                }
                LoadCommandVariant::IdDylib(own) => image.install_name = name(own.dylib.name)?,
                LoadCommandVariant::Dylib(other) => {
                    image.dependencies.push(name(other.dylib.name)?);
                    let number = image.dependencies.len() as u64;
                    match command.cmd() {
                        macho::LC_REEXPORT_DYLIB => image.reexported.push(number),
                        macho::LC_LOAD_WEAK_DYLIB => image.optional.push(number),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        for command in &commands {
            let (segments, found) = (&image.segments, &mut image.fixups);
            if let Some(info) = command.dyld_info()? {
                fixups::programs(info, bytes, segments, found)?;
            }
            if let Some(chained) = command.dyld_chained_fixups()? {
                fixups::chains(chained, bytes, segments, found)?;
            }
        }
        image.exports(&commands, bytes)?;
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
                return malformed(format!(
                    "a section of {size:#x} bytes at {start:#x}, beyond the last segment"
                ));
            }
        }
        Ok(())
    }

    fn segment(
        &mut self,
        command: &macho::SegmentCommand64<LE>,
        sections: &[u8],
        bytes: &[u8],
    ) -> Result<()> {
        let segment = Segment {
            name: text(command.name()),
            address: command.vmaddr(LE),
            size: command.vmsize(LE),
            file_offset: command.fileoff(LE),
            file_size: command.filesize(LE),
        };
        let name = &segment.name;
        if segment.file_size > segment.size {
            return malformed(format!(
                "segment {name}: more bytes in the file than in memory"
            ));
        }
        if part(bytes, segment.file_offset, segment.file_size).is_none() {
            return malformed(format!("segment {name}: the file ends before it"));
        }
        let end = plus(segment.address, segment.size)?;
        if end > MAX_IMAGE {
            return malformed(format!("segment {name}: ends at {end:#x}, beyond 4 GiB"));
        }
        self.segments.end = self.segments.end.max(end);
        for section in command.sections(LE, sections)? {
            self.section(section)?;
        }
        self.segments.list.push(segment);
        Ok(())
    }

    fn section(&mut self, section: &macho::Section64<LE>) -> Result<()> {
        let name = text(section.name());
        let (address, size) = (section.addr(LE), section.size(LE));
        match name.as_str() {
            "__unwind_info" => self.unwinding.compact = (address, size),
            "__eh_frame" => self.unwinding.frames = (address, size),
            _ => {}
        }
        match section.section_type(LE) {
            macho::S_MOD_INIT_FUNC_POINTERS => self.initialisers.push((address, size / 8)),
            macho::S_THREAD_LOCAL_REGULAR | macho::S_THREAD_LOCAL_ZEROFILL => {
                self.thread_locals.add(address, size)?;
            }
            macho::S_THREAD_LOCAL_VARIABLES => {
                self.thread_locals.descriptors.push((address, size));
            }
            // Pointers to descriptors of other images, bound like any.
            macho::S_THREAD_LOCAL_VARIABLE_POINTERS => self.thread_locals.foreign = true,
            macho::S_THREAD_LOCAL_INIT_FUNCTION_POINTERS => self
                .unsupported
                .push(format!("thread-local section {name}")),
            macho::S_INIT_FUNC_OFFSETS => self
                .unsupported
                .push(format!("initialiser-offset section {name}")),
            _ => {}
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

pub(super) fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
