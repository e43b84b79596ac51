//! ELF headers, the mapping from addresses to file bytes, and the dynamic
//! section as the loader sees it.

use object::Endianness;
use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, SectionTable};

use crate::container::Packing;
use crate::error::DecodeError;

/// One ELF file, headers read, nothing else touched.
pub(super) struct Image<'data, Elf: FileHeader<Endian = Endianness>> {
    pub(super) data: &'data [u8],
    pub(super) endian: Endianness,
    pub(super) header: &'data Elf,
    pub(super) segments: &'data [Elf::ProgramHeader],
    pub(super) sections: SectionTable<'data, Elf>,
    /// What the header says of section headers cannot be read. No loader reads them.
    pub(super) has_lost_sections: bool,
}

/// Entries whose values are addresses that every loader follows.
const TABLES: [(elf::DynamicTag, &str); 11] = [
    (elf::DT_STRTAB, "DT_STRTAB"),
    (elf::DT_SYMTAB, "DT_SYMTAB"),
    (elf::DT_HASH, "DT_HASH"),
    (elf::DT_GNU_HASH, "DT_GNU_HASH"),
    (elf::DT_RELA, "DT_RELA"),
    (elf::DT_REL, "DT_REL"),
    (elf::DT_JMPREL, "DT_JMPREL"),
    (elf::DT_INIT, "DT_INIT"),
    (elf::DT_FINI, "DT_FINI"),
    (elf::DT_INIT_ARRAY, "DT_INIT_ARRAY"),
    (elf::DT_VERNEED, "DT_VERNEED"),
];

/// The entries of the dynamic section that are of interest.
#[derive(Default)]
pub(super) struct Dynamic {
    pub(super) needed: Vec<u64>,
    pub(super) soname: Option<u64>,
    pub(super) rpath: Option<u64>,
    pub(super) runpath: Option<u64>,
    pub(super) symbols: Option<u64>,
    pub(super) strings: Option<u64>,
    pub(super) strings_size: u64,
    pub(super) hash: Option<u64>,
    pub(super) gnu_hash: Option<u64>,
    pub(super) version_needs: Option<u64>,
    /// `DT_VERSYM`: a version number per dynamic symbol.
    pub(super) versions: Option<u64>,
    pub(super) relocations: Relocations,
    /// Relocations of functions that may wait for their first call.
    pub(super) lazy: Relocations,
    /// Nothing waits.
    pub(super) binds_now: bool,
    pub(super) has_constructors: bool,
    /// `DT_VERDEF`.
    pub(super) version_definitions: Option<u64>,
    pub(super) is_pie: bool,
    /// `DT_DEBUG`, which linkers write into programs alone.
    pub(super) is_debugged: bool,
    /// `DF_1_NOOPEN`: loaded with a program, never by `dlopen`.
    pub(super) is_not_opened: bool,
    /// `DF_STATIC_TLS`.
    pub(super) static_tls: bool,
    pub(super) packed: Vec<Packing>,
    /// Addresses of what the loader reads or calls, by the name of their tags.
    pub(super) tables: Vec<(&'static str, u64)>,
}

/// One of the loader's lists of relocations.
#[derive(Default)]
pub(super) struct Relocations {
    pub(super) address: Option<u64>,
    /// Bytes.
    pub(super) size: u64,
    /// Entries at the beginning that name no symbol, where the linker counted them.
    pub(super) relative: u64,
}

impl<'data, Elf: FileHeader<Endian = Endianness>> Image<'data, Elf> {
    /// Reads the headers and checks that what they describe lies in the file.
    pub(super) fn parse(data: &'data [u8]) -> Result<Self, DecodeError> {
        let header = Elf::parse(data).map_err(|error| match data.get(4..7) {
            Some(identity) if data.len() >= 64 => DecodeError::new(
                4,
                "the class, byte order and version of an ELF header",
                format_args!("{identity:02x?}"),
            ),
            _ => bad(0, "an ELF header", error),
        })?;
        let endian = header
            .endian()
            .map_err(|error| bad(5, "an ELF byte order", error))?;
        let segments = header
            .program_headers(endian, data)
            .map_err(|error| bad(header.e_phoff(endian).into(), "ELF program headers", error))?;
        for segment in segments {
            let (offset, size) = segment.file_range(endian);
            if segment.p_type(endian) == elf::PT_LOAD && size > 0 {
                within(data, offset, size, "an ELF segment")?;
            }
        }
        let sections = match header.sections(endian, data) {
            Ok(sections) => Some(sections),
            // An object is nothing without them.
            Err(error) if header.e_type(endian) == elf::ET_REL => {
                return Err(bad(
                    header.e_shoff(endian).into(),
                    "ELF section headers",
                    error,
                ));
            }
            Err(_) => None,
        };
        Ok(Self {
            data,
            endian,
            header,
            segments,
            has_lost_sections: sections.is_none(),
            sections: sections.unwrap_or_default(),
        })
    }

    /// File bytes from virtual address `address` to the end of its segment,
    /// with their file offset.
    pub(super) fn at_address(&self, address: u64) -> Option<(u64, &'data [u8])> {
        self.segments
            .iter()
            .filter(|segment| segment.p_type(self.endian) == elf::PT_LOAD)
            .find_map(|segment| {
                let (offset, size) = segment.file_range(self.endian);
                let skip = address.checked_sub(segment.p_vaddr(self.endian).into())?;
                let left = size.checked_sub(skip).filter(|left| *left > 0)?;
                let start = offset.checked_add(skip)?;
                let end = start.checked_add(left)?;
                let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
                Some((start, self.data.get(range)?))
            })
    }

    /// The dynamic section; `None` in objects and static programs.
    pub(super) fn dynamic(&self) -> Result<Option<Dynamic>, DecodeError> {
        for segment in self.segments {
            let entries = segment.dynamic(self.endian, self.data).map_err(|error| {
                let at = segment.p_offset(self.endian).into();
                bad(at, "an ELF dynamic segment", error)
            })?;
            if let Some(entries) = entries {
                if entries.is_empty() && !self.holds_code() {
                    return Ok(None);
                }
                if entries.is_empty() {
                    let at = segment.p_offset(self.endian).into();
                    let expected = "a dynamic section with entries";
                    return Err(DecodeError::new(
                        at,
                        expected,
                        "none: nothing would be linked",
                    ));
                }
                return Ok(Some(self.collect_dynamic(entries)));
            }
        }
        Ok(None)
    }

    /// Whether there is code in the file. Files of debug information keep the headers of
    /// what they were cut from, and nothing in it.
    fn holds_code(&self) -> bool {
        self.segments.iter().any(|segment| {
            segment.p_type(self.endian) == elf::PT_LOAD
                && segment.p_flags(self.endian).contains(elf::PF_X)
                && segment.p_filesz(self.endian).into() > 0
        })
    }

    fn collect_dynamic(&self, entries: &[Elf::Dyn]) -> Dynamic {
        let mut dynamic = Dynamic::default();
        for entry in entries {
            let value: u64 = entry.d_val(self.endian).into();
            let tag = entry.d_tag(self.endian);
            if let Some((_, name)) = TABLES.iter().find(|(table, _)| *table == tag)
                && value != 0
                && dynamic.tables.len() < TABLES.len()
            {
                dynamic.tables.push((name, value));
            }
            match tag {
                elf::DT_NULL => break,
                // What a filter stands for is loaded with it, or nothing is.
                elf::DT_NEEDED | elf::DT_FILTER => dynamic.needed.push(value),
                elf::DT_SONAME => dynamic.soname = Some(value),
                elf::DT_RPATH => dynamic.rpath = Some(value),
                elf::DT_RUNPATH => dynamic.runpath = Some(value),
                elf::DT_SYMTAB => dynamic.symbols = Some(value),
                elf::DT_STRTAB => dynamic.strings = Some(value),
                elf::DT_STRSZ => dynamic.strings_size = value,
                elf::DT_HASH => dynamic.hash = Some(value),
                elf::DT_GNU_HASH => dynamic.gnu_hash = Some(value),
                elf::DT_VERDEF => dynamic.version_definitions = Some(value),
                elf::DT_VERNEED => dynamic.version_needs = Some(value),
                // Every linked library has DT_INIT; only the array says that
                // somebody wrote a constructor.
                elf::DT_INIT_ARRAYSZ => dynamic.has_constructors = value > 0,
                elf::DT_VERSYM => dynamic.versions = Some(value),
                elf::DT_RELA => dynamic.relocations.address = Some(value),
                elf::DT_RELASZ => dynamic.relocations.size = value,
                elf::DT_RELACOUNT => dynamic.relocations.relative = value,
                elf::DT_JMPREL => dynamic.lazy.address = Some(value),
                elf::DT_PLTRELSZ => dynamic.lazy.size = value,
                elf::DT_BIND_NOW => dynamic.binds_now = true,
                elf::DT_DEBUG => dynamic.is_debugged = true,
                elf::DT_RELR
                | elf::DT_ANDROID_RELR
                | elf::DT_ANDROID_REL
                | elf::DT_ANDROID_RELA => {
                    let packing = match tag {
                        elf::DT_RELR => Packing::Relr,
                        elf::DT_ANDROID_RELR => Packing::AndroidRelr,
                        _ => Packing::Android,
                    };
                    if !dynamic.packed.contains(&packing) {
                        dynamic.packed.push(packing);
                    }
                }
                elf::DT_FLAGS => {
                    let flags = elf::DynamicFlags(value);
                    dynamic.binds_now |= flags.contains(elf::DF_BIND_NOW);
                    dynamic.static_tls = flags.contains(elf::DF_STATIC_TLS);
                }
                elf::DT_FLAGS_1 => {
                    let flags = elf::DynamicFlags1(value);
                    dynamic.is_pie = flags.contains(elf::DF_1_PIE);
                    dynamic.is_not_opened = flags.contains(elf::DF_1_NOOPEN);
                    dynamic.binds_now |= flags.contains(elf::DF_1_NOW);
                }
                _ => {}
            }
        }
        dynamic
    }

    /// The dynamic string table with its file offset.
    pub(super) fn dynamic_strings(&self, dynamic: &Dynamic) -> (u64, &'data [u8]) {
        let Some((at, rest)) = dynamic.strings.and_then(|address| self.at_address(address)) else {
            return (0, &[]);
        };
        // No loader of Linux asks for the size, and it may be missing.
        let size = match dynamic.strings_size {
            0 => usize::MAX,
            size => usize::try_from(size).unwrap_or(usize::MAX),
        };
        (at, rest.get(..size).unwrap_or(rest))
    }

    /// Section headers of one type.
    pub(super) fn section_of_type(&self, wanted: elf::SectionType) -> Option<&Elf::SectionHeader> {
        self.sections
            .iter()
            .find(|section| section.sh_type(self.endian) == wanted)
    }
}

/// Fails unless `size` bytes at `offset` lie in `data`.
pub(super) fn within(
    data: &[u8],
    offset: u64,
    size: u64,
    what: &'static str,
) -> Result<(), DecodeError> {
    let end = offset.checked_add(size);
    if end.is_some_and(|end| end <= data.len() as u64) {
        return Ok(());
    }
    Err(DecodeError::cut(offset, what, size, data))
}

/// An error of the `object` crate with its place.
pub(super) fn bad(at: u64, expected: &'static str, error: object::read::Error) -> DecodeError {
    DecodeError::new(at, expected, error)
}
