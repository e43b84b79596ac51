//! ELF headers, and where the loader finds what they lead to.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym};

use super::error::bad;
use super::memory::Memory;
use crate::error::DecodeError;

/// One ELF file, headers read, nothing else touched.
pub(super) struct Image<'data, Elf: FileHeader<Endian = Endianness>> {
    pub(super) data: &'data [u8],
    pub(super) endian: Endianness,
    pub(super) header: &'data Elf,
    /// Whether it is linked, and no program.
    pub(super) is_library: bool,
    pub(super) segments: &'data [Elf::ProgramHeader],
    /// Those of them that are loaded.
    pub(super) memory: Memory<'data>,
    pub(super) sections: SectionTable<'data, Elf>,
    /// What the header says of section headers cannot be read. No loader reads them.
    pub(super) has_lost_sections: bool,
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
        let memory = Memory::of(data, endian, segments)?;
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
        let has_loader = segments
            .iter()
            .any(|one| one.p_type(endian) == elf::PT_INTERP);
        Ok(Self {
            data,
            endian,
            header,
            is_library: header.e_type(endian) == elf::ET_DYN && !has_loader,
            segments,
            memory,
            has_lost_sections: sections.is_none(),
            sections: sections.unwrap_or_default(),
        })
    }

    /// Whether the loader takes a symbol for another library's. In a library one with an
    /// address is its own, whatever section it is said to be in.
    pub(super) fn is_undefined(&self, symbol: &Elf::Sym) -> bool {
        let has_address = symbol.st_value(self.endian).into() != 0;
        symbol.is_undefined(self.endian) && !(has_address && self.is_library)
    }

    /// Section headers of one type.
    pub(super) fn section_of_type(&self, wanted: elf::SectionType) -> Option<&Elf::SectionHeader> {
        self.sections
            .iter()
            .find(|section| section.sh_type(self.endian) == wanted)
    }
}
