//! Load commands of one Mach-O image, and the sections they describe.

use object::Endianness;
use object::macho;
use object::read::macho::{LoadCommandVariant as Command, MachHeader, Section};

use super::signature;
use super::trie::Trie;
use crate::container::regions::push;
use crate::container::{Needed, Platform, Region, Segment, Signature};
use crate::error::DecodeError;

/// Sections that hold neither a blob nor text of the program.
const UNWIND_SECTIONS: [&[u8]; 4] = [
    b"__unwind_info",
    b"__eh_frame",
    b"__compact_unwind",
    b"__gcc_except_tab",
];

/// What a segment's memory may be used for from the start.
#[derive(Clone, Copy)]
pub(super) struct Rights {
    pub(super) write: bool,
    pub(super) execute: bool,
}

/// One image with its load commands read.
pub(super) struct Image<'data, Mach: MachHeader<Endian = Endianness>> {
    /// Bytes of the image alone.
    pub(super) data: &'data [u8],
    /// Where the image begins in the bytes given.
    pub(super) base: u64,
    pub(super) endian: Endianness,
    pub(super) header: &'data Mach,
    pub(super) platform: Platform,
    pub(super) min_os: Option<String>,
    pub(super) identity: Option<String>,
    pub(super) needed: Vec<Needed>,
    pub(super) reexports: Vec<String>,
    pub(super) search_paths: Vec<String>,
    pub(super) signature: Signature,
    pub(super) has_constructors: bool,
    pub(super) symbols: Option<&'data macho::SymtabCommand<Endianness>>,
    pub(super) ranges: Option<&'data macho::DysymtabCommand<Endianness>>,
    pub(super) exports: Option<Trie<'data>>,
    pub(super) dyld_info: Option<&'data macho::DyldInfoCommand<Endianness>>,
    pub(super) chained: Option<&'data macho::LinkeditDataCommand<Endianness>>,
    /// Address of the image's first byte, which the export trie counts from.
    pub(super) text_address: u64,
    pub(super) segments: Vec<Segment>,
    /// What each of them may be used for while dyld sets addresses.
    pub(super) rights: Vec<Rights>,
    pub(super) regions: Vec<Region<'data>>,
    /// For every section, in file order, the region it became.
    pub(super) by_section: Vec<Option<usize>>,
}

impl<'data, Mach: MachHeader<Endian = Endianness>> Image<'data, Mach> {
    /// Reads header and load commands of the image at `base` of the input.
    pub(super) fn parse(data: &'data [u8], base: u64) -> Result<Self, DecodeError> {
        let header = Mach::parse(data, 0).map_err(|error| bad(0, "a Mach-O header", error))?;
        let endian = header
            .endian()
            .map_err(|error| bad(0, "a Mach-O byte order", error))?;
        let mut image = Self {
            data,
            base,
            endian,
            header,
            platform: Platform::Unknown,
            min_os: None,
            identity: None,
            needed: Vec::new(),
            reexports: Vec::new(),
            search_paths: Vec::new(),
            signature: Signature::Unsigned,
            has_constructors: false,
            symbols: None,
            ranges: None,
            exports: None,
            dyld_info: None,
            chained: None,
            text_address: 0,
            segments: Vec::new(),
            rights: Vec::new(),
            regions: Vec::new(),
            by_section: Vec::new(),
        };
        let mut commands = header
            .load_commands(endian, data, 0)
            .map_err(|error| bad(0, "Mach-O load commands inside the file", error))?;
        loop {
            let command = commands.next();
            let command = command.map_err(|error| bad(0, "a Mach-O load command", error))?;
            let Some(command) = command else { break };
            image.command(command)?;
        }
        Ok(image)
    }

    fn command(
        &mut self,
        command: object::read::macho::LoadCommandData<'data, Endianness>,
    ) -> Result<(), DecodeError> {
        let endian = self.endian;
        let at = command.offset();
        let variant = command
            .variant()
            .map_err(|error| bad(at, "a Mach-O load command", error))?;
        let text = |string| {
            command
                .string(endian, string)
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .map_err(|error| bad(at, "text inside a Mach-O load command", error))
        };
        match variant {
            Command::Segment32(segment, sections) => self.segment(segment, sections, at)?,
            Command::Segment64(segment, sections) => self.segment(segment, sections, at)?,
            Command::Symtab(symtab) => self.symbols = Some(symtab),
            Command::Dysymtab(ranges) => self.ranges = Some(ranges),
            Command::IdDylib(dylib) => self.identity = Some(text(dylib.dylib.name)?),
            Command::Dylib(dylib) => {
                let flags = command
                    .dylib_use_flags(endian, dylib)
                    .map_err(|error| bad(at, "a Mach-O load command", error))?;
                let optional = matches!(
                    command.cmd(),
                    macho::LC_LOAD_WEAK_DYLIB | macho::LC_LAZY_LOAD_DYLIB
                ) || flags.is_some_and(|flags| {
                    flags.contains(macho::DYLIB_USE_WEAK_LINK)
                        || flags.contains(macho::DYLIB_USE_DELAYED_INIT)
                });
                let name = text(dylib.dylib.name)?;
                if command.cmd() == macho::LC_REEXPORT_DYLIB
                    || flags.is_some_and(|flags| flags.contains(macho::DYLIB_USE_REEXPORT))
                {
                    self.reexports.push(name.clone());
                }
                self.needed.push(Needed { name, optional });
            }
            Command::Rpath(rpath) => self.search_paths.push(text(rpath.path)?),
            Command::BuildVersion(version, _) if self.min_os.is_none() => {
                self.platform = platform(version.platform.get(endian));
                self.min_os = Some(version_text(version.minos.get(endian)));
            }
            Command::VersionMin(version) if self.min_os.is_none() => {
                self.platform = self.old_platform(command.cmd());
                self.min_os = Some(version_text(version.version.get(endian)));
            }
            Command::DyldInfo(info) => {
                let (at, size) = (info.export_off.get(endian), info.export_size.get(endian));
                self.set_exports(at.into(), size.into())?;
                self.dyld_info = Some(info);
            }
            Command::LinkeditData(linkedit) => {
                let at = u64::from(linkedit.dataoff.get(endian));
                let size = u64::from(linkedit.datasize.get(endian));
                match command.cmd() {
                    macho::LC_DYLD_EXPORTS_TRIE => self.set_exports(at, size)?,
                    macho::LC_DYLD_CHAINED_FIXUPS => self.chained = Some(linkedit),
                    macho::LC_CODE_SIGNATURE => {
                        self.signature = signature::state(bytes_at(self.data, at, size));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// dyld refuses an image whose trie is not in it.
    fn set_exports(&mut self, at: u64, size: u64) -> Result<(), DecodeError> {
        let data = bytes_at(self.data, at, size)
            .ok_or_else(|| DecodeError::cut(at, "a Mach-O export trie", size, self.data))?;
        self.exports = Some(Trie { data, at });
        Ok(())
    }

    /// The export trie, where it is not empty.
    pub(super) fn trie(&self) -> Option<Trie<'data>> {
        self.exports.filter(|trie| !trie.data.is_empty())
    }

    /// Whether it asks for other libraries' names, and has no fixups. Intel's have had them
    /// since Mac OS X 10.6 alone, those for arm64 always.
    pub(super) fn is_bound_by_nothing(&self) -> bool {
        let is_linked = self.header.filetype(self.endian) != macho::MH_OBJECT;
        let asks = |ranges: &&macho::DysymtabCommand<Endianness>| {
            let counts = [ranges.nundefsym, ranges.nindirectsyms];
            counts.iter().all(|count| count.get(self.endian) > 0)
        };
        is_linked
            && self.header.cputype(self.endian) == macho::CPU_TYPE_ARM64
            && self.dyld_info.is_none()
            && self.chained.is_none()
            && self.ranges.as_ref().is_some_and(asks)
    }

    fn segment<S: object::read::macho::Segment<Endian = Endianness>>(
        &mut self,
        segment: &S,
        section_headers: &'data [u8],
        at: u64,
    ) -> Result<(), DecodeError>
    where
        S::Section: 'data,
    {
        let endian = self.endian;
        let (offset, size) = segment.file_range(endian);
        if bytes_at(self.data, offset, size).is_none() {
            return Err(DecodeError::cut(
                offset,
                "a Mach-O segment",
                size,
                self.data,
            ));
        }
        if segment.name() == b"__TEXT" {
            self.text_address = segment.vmaddr(endian).into();
        }
        let object = self.header.filetype(endian) == macho::MH_OBJECT;
        let first = segment.initprot(endian);
        let writable = !object && first.contains(macho::VM_PROT_WRITE);
        if !object {
            // The loader takes the right away again when it has set addresses.
            let is_protected = segment.flags(endian).contains(macho::SG_READ_ONLY);
            let mapped = Segment {
                name: String::from_utf8_lossy(segment.name()).into_owned(),
                file_offset: offset,
                file_size: size,
                address: segment.vmaddr(endian).into(),
                memory_size: segment.vmsize(endian).into(),
                alignment: page_size(self.header.cputype(endian)),
                writable: writable && !is_protected,
            };
            crate::container::segment::push(&mut self.segments, mapped)?;
            self.rights.push(Rights {
                write: writable,
                execute: first.contains(macho::VM_PROT_EXECUTE),
            });
        }
        let sections = segment
            .sections(endian, section_headers)
            .map_err(|error| bad(at, "Mach-O section headers", error))?;
        for section in segment.section_offsets(endian, sections) {
            let (section, offset) =
                section.map_err(|error| bad(at, "Mach-O section offsets", error))?;
            let writable = writable || (object && section.segment_name() == b"__DATA");
            let region = self.region(section, offset, writable)?;
            self.by_section.push(region);
        }
        Ok(())
    }

    fn region<S: Section<Endian = Endianness>>(
        &mut self,
        section: &S,
        offset: u64,
        writable: bool,
    ) -> Result<Option<usize>, DecodeError> {
        let endian = self.endian;
        let kind = section.section_type(endian);
        if matches!(
            kind,
            macho::S_MOD_INIT_FUNC_POINTERS | macho::S_INIT_FUNC_OFFSETS
        ) {
            self.has_constructors = true;
        }
        let segment_name = section.segment_name();
        let Some((offset, size)) = section.file_range(endian, offset) else {
            return Ok(None);
        };
        if matches!(segment_name, b"__DWARF" | b"__LLVM" | b"__LD")
            || UNWIND_SECTIONS.contains(&section.name())
        {
            return Ok(None);
        }
        let bytes = bytes_at(self.data, offset, size)
            .ok_or_else(|| DecodeError::cut(offset, "a Mach-O section", size, self.data))?;
        let flags = section.flags(endian);
        let index = self.regions.len();
        let name = format!(
            "{},{}",
            String::from_utf8_lossy(segment_name),
            String::from_utf8_lossy(section.name())
        );
        let (address, at) = (
            section.addr(endian).into(),
            self.base.saturating_add(offset),
        );
        let region = Region {
            executable: flags.contains(macho::S_ATTR_PURE_INSTRUCTIONS)
                || flags.contains(macho::S_ATTR_SOME_INSTRUCTIONS),
            writable,
            ..Region::of_file(name, address, at, bytes)
        };
        push(&mut self.regions, region)?;
        Ok(Some(index))
    }

    /// The platform of the version commands used before `LC_BUILD_VERSION`;
    /// a simulator build for iOS shows only in its instruction set.
    fn old_platform(&self, command: macho::LoadCommandType) -> Platform {
        let intel = matches!(
            self.header.cputype(self.endian),
            macho::CPU_TYPE_X86 | macho::CPU_TYPE_X86_64
        );
        match command {
            macho::LC_VERSION_MIN_MACOSX => Platform::MacOs,
            macho::LC_VERSION_MIN_IPHONEOS if intel => Platform::IosSimulator,
            macho::LC_VERSION_MIN_IPHONEOS => Platform::Ios,
            macho::LC_VERSION_MIN_TVOS => Platform::TvOs,
            macho::LC_VERSION_MIN_WATCHOS => Platform::WatchOs,
            _ => Platform::Unknown,
        }
    }
}

/// The pages of Apple's systems on a processor: 16 KiB on arm64, 4 KiB on Intel.
fn page_size(cpu: macho::CpuType) -> u64 {
    match cpu {
        macho::CPU_TYPE_ARM64 | macho::CPU_TYPE_ARM64_32 => 16 << 10,
        _ => 4 << 10,
    }
}

fn platform(platform: macho::Platform) -> Platform {
    match platform {
        macho::PLATFORM_MACOS => Platform::MacOs,
        macho::PLATFORM_IOS => Platform::Ios,
        macho::PLATFORM_IOSSIMULATOR => Platform::IosSimulator,
        macho::PLATFORM_MACCATALYST => Platform::MacCatalyst,
        macho::PLATFORM_TVOS => Platform::TvOs,
        macho::PLATFORM_WATCHOS => Platform::WatchOs,
        macho::PLATFORM_XROS => Platform::VisionOs,
        macho::Platform(0) => Platform::Unknown,
        _ => Platform::OtherApple,
    }
}

/// `xxxx.yy.zz` in nibbles, the patch level left out when zero.
fn version_text(version: macho::Version) -> String {
    let (major, minor, patch) = (version.0 >> 16, version.0 >> 8 & 0xff, version.0 & 0xff);
    if patch == 0 {
        format!("{major}.{minor}")
    } else {
        format!("{major}.{minor}.{patch}")
    }
}

/// `cffaedfe` little-endian, `feedfacf` big-endian.
pub(super) fn is_64(data: &[u8]) -> bool {
    data.first() == Some(&0xcf) || data.get(3) == Some(&0xcf)
}

/// `size` bytes at `offset`, if they are all there.
pub(super) fn bytes_at(data: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    data.get(start..end)
}

/// An error of the `object` crate with its place.
pub(super) fn bad(at: u64, expected: &'static str, error: object::read::Error) -> DecodeError {
    DecodeError::new(at, expected, error)
}
