//! PE headers and the mapping from relative addresses (RVAs) to file bytes.

use object::LittleEndian as LE;
use object::pe;
use object::read::ReadRef;
use object::read::pe::{
    DataDirectories, ImageNtHeaders, ImageOptionalHeader, optional_header_magic,
};

use crate::container::{Region, Segment, segment};
use crate::error::DecodeError;

/// The pages of every processor that Windows runs on.
pub(super) const PAGE: u32 = 4 << 10;

/// Sections that hold neither a blob nor text of the program.
const SKIPPED_SECTIONS: [&str; 4] = [".reloc", ".rsrc", ".pdata", ".xdata"];

/// One PE image, headers read.
pub(super) struct Image<'data> {
    pub(super) data: &'data [u8],
    pub(super) is_64: bool,
    pub(super) machine: pe::Machine,
    pub(super) characteristics: pe::FileFlags,
    pub(super) entry_point: u32,
    /// RVA and size of the export, import and delay-import directories.
    pub(super) exports: Option<(u32, u32)>,
    pub(super) imports: Option<(u32, u32)>,
    pub(super) delayed: Option<(u32, u32)>,
    /// The same of what the loader goes by where it has a size.
    pub(super) exceptions: Option<(u32, u32)>,
    pub(super) relocations: Option<(u32, u32)>,
    pub(super) thread_local: Option<(u32, u32)>,
    /// What the loader asks before any code: cookies, functions that may be called.
    pub(super) configuration: Option<(u32, u32)>,
    pub(super) image_base: u64,
    /// Bytes that the image takes in memory.
    pub(super) size: u32,
    /// Where the headers end in the file.
    pub(super) headers_end: u64,
    pub(super) flags: pe::DllFlags,
    /// In the order of the file.
    pub(super) segments: Vec<Segment>,
    /// Sorted by RVA.
    pub(super) sections: Vec<Section>,
}

pub(super) struct Section {
    pub(super) name: String,
    rva: u32,
    /// Bytes that exist both in the file and in memory.
    pub(super) length: u32,
    in_memory: u32,
    pub(super) file_offset: u32,
    pub(super) executable: bool,
    pub(super) writable: bool,
    pub(super) readable: bool,
}

impl Section {
    /// The first page behind it.
    pub(super) fn end(&self) -> u64 {
        let end = u64::from(self.rva).saturating_add(self.in_memory.into());
        end.checked_next_multiple_of(PAGE.into()).unwrap_or(end)
    }

    /// Whether `rva` is in it; its last page is mapped as a whole.
    pub(super) fn holds(&self, rva: u32) -> bool {
        let size = self.in_memory.checked_next_multiple_of(PAGE);
        let skip = rva.checked_sub(self.rva);
        skip.is_some_and(|skip| skip < size.unwrap_or(self.in_memory))
    }
}

impl<'data> Image<'data> {
    /// A name without the underscore that C's have on 32-bit x86, where a linker kept it.
    pub(super) fn bare<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        match self.machine {
            pe::IMAGE_FILE_MACHINE_I386 => name.strip_prefix(b"_").unwrap_or(name),
            _ => name,
        }
    }

    /// Reads the headers and checks that the sections lie in the file.
    pub(super) fn parse(data: &'data [u8]) -> Result<Self, DecodeError> {
        let magic = optional_header_magic(data)
            .map_err(|error| DecodeError::new(0, "PE headers", error))?;
        match magic {
            pe::IMAGE_NT_OPTIONAL_HDR64_MAGIC => Self::parse_class::<pe::ImageNtHeaders64>(data),
            pe::IMAGE_NT_OPTIONAL_HDR32_MAGIC => Self::parse_class::<pe::ImageNtHeaders32>(data),
            other => Err(DecodeError::new(
                0,
                "a PE optional header of magic 0x10b or 0x20b",
                format!("{other:#x}"),
            )),
        }
    }

    fn parse_class<Pe: ImageNtHeaders>(data: &'data [u8]) -> Result<Self, DecodeError> {
        let bad = |expected: &'static str| {
            move |error: object::read::Error| DecodeError::new(0, expected, error)
        };
        let dos = pe::ImageDosHeader::parse(data).map_err(bad("a DOS header"))?;
        let mut offset = dos.nt_headers_offset().into();
        let (headers, directories) =
            headers::<Pe>(data, &mut offset).map_err(bad("PE headers inside the file"))?;
        let table = headers
            .sections(data, offset)
            .map_err(bad("PE section headers inside the file"))?;
        let of_sections = size_of_val(table.iter().as_slice()) as u64;
        let headers_end = offset.saturating_add(of_sections);
        let alignment = headers.optional_header().section_alignment();
        let mut sections = Vec::with_capacity(table.len());
        let mut segments = Vec::new();
        for header in table.iter() {
            sections.push(section(data, header)?);
            segment::push(&mut segments, mapped(header, alignment))?;
        }
        sections.sort_by_key(|section: &Section| section.rva);
        let directory = |index: usize| {
            directories
                .get(index)
                .map(|entry| entry.address_range())
                .filter(|(rva, _)| *rva != 0)
        };
        let sized = |index| directory(index).filter(|(_, size)| *size != 0);
        let (file, optional) = (headers.file_header(), headers.optional_header());
        Ok(Self {
            data,
            is_64: headers.is_type_64(),
            machine: file.machine.get(LE),
            characteristics: file.characteristics.get(LE),
            entry_point: optional.address_of_entry_point(),
            image_base: optional.image_base(),
            size: optional.size_of_image(),
            headers_end,
            flags: optional.dll_characteristics(),
            exports: directory(pe::IMAGE_DIRECTORY_ENTRY_EXPORT),
            imports: directory(pe::IMAGE_DIRECTORY_ENTRY_IMPORT),
            delayed: sized(pe::IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT),
            exceptions: sized(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION),
            relocations: directory(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC),
            thread_local: sized(pe::IMAGE_DIRECTORY_ENTRY_TLS),
            configuration: sized(pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG),
            segments,
            sections,
        })
    }

    /// File offset of the byte at `rva`, if the file holds it.
    pub(super) fn file_offset(&self, rva: u32) -> Option<u64> {
        let after = self.sections.partition_point(|section| section.rva <= rva);
        let section = self.sections.get(after.checked_sub(1)?)?;
        let skip = rva.checked_sub(section.rva)?;
        if skip >= section.length {
            return None;
        }
        u64::from(section.file_offset).checked_add(skip.into())
    }

    /// The same where the headers are mapped, which are the beginning of the file.
    pub(super) fn text_offset(&self, rva: u32) -> Option<u64> {
        let in_headers = Some(u64::from(rva)).filter(|at| *at < self.headers_end);
        self.file_offset(rva).or(in_headers)
    }

    /// The bytes from `rva` on that a section has in the file, `size` at most.
    pub(super) fn bytes(&self, rva: u32, size: u32) -> Option<&'data [u8]> {
        let section = self.sections.iter().rfind(|section| section.rva <= rva)?;
        let left = section.length.checked_sub(rva.checked_sub(section.rva)?)?;
        let start = usize::try_from(self.file_offset(rva)?).ok()?;
        let size = usize::try_from(left.min(size)).ok()?;
        self.data.get(start..start.checked_add(size)?)
    }

    /// The address that a word holds, as an RVA; the one behind the last counts.
    pub(super) fn relative(&self, address: u64) -> Option<u32> {
        let rva = u32::try_from(address.checked_sub(self.image_base)?).ok()?;
        (rva <= self.size).then_some(rva)
    }

    /// The word of the processor's size at `rva` plus `index` of them.
    pub(super) fn word_at(&self, rva: u32, index: u32) -> Option<u64> {
        match self.is_64 {
            true => self.u64_at(rva, index),
            false => self.u32_at(rva, index).map(u64::from),
        }
    }

    /// The section that holds `rva` in memory.
    pub(super) fn section(&self, rva: u32) -> Option<&Section> {
        let mut sections = self.sections.iter();
        sections.find(|section| section.holds(rva))
    }

    /// Whether a section that may be executed holds `rva`.
    pub(super) fn is_code(&self, rva: u32) -> bool {
        self.section(rva).is_some_and(|section| section.executable)
    }

    /// The word at `rva` plus `index` times four.
    pub(super) fn u32_at(&self, rva: u32, index: u32) -> Option<u32> {
        let bytes = self.bytes_at(rva, index, 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The half word at `rva` plus `index` times two.
    pub(super) fn u16_at(&self, rva: u32, index: u32) -> Option<u16> {
        let bytes = self.bytes_at(rva, index, 2)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The double word at `rva` plus `index` times eight.
    pub(super) fn u64_at(&self, rva: u32, index: u32) -> Option<u64> {
        let bytes = self.bytes_at(rva, index, 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    fn bytes_at(&self, rva: u32, index: u32, size: u32) -> Option<&'data [u8]> {
        let rva = rva.checked_add(index.checked_mul(size)?)?;
        let start = usize::try_from(self.file_offset(rva)?).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        self.data.get(start..end)
    }

    /// The sections as regions; addresses are RVAs.
    pub(super) fn regions(&self) -> Vec<Region<'data>> {
        let mut regions = Vec::with_capacity(self.sections.len());
        for section in &self.sections {
            let range = usize::try_from(section.file_offset)
                .ok()
                .zip(usize::try_from(section.length).ok())
                .and_then(|(start, length)| Some(start..start.checked_add(length)?));
            let bytes = range.and_then(|range| self.data.get(range));
            let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
                continue;
            };
            if SKIPPED_SECTIONS.contains(&section.name.as_str()) {
                continue;
            }
            let (at, file_offset) = (section.rva.into(), section.file_offset.into());
            regions.push(Region {
                executable: section.executable,
                writable: section.writable,
                ..Region::of_file(section.name.clone(), at, file_offset, bytes)
            });
        }
        regions
    }
}

/// The headers and the directories. Windows counts no more than 16 of these, whatever the
/// header says; `ImageNtHeaders::parse` refuses more.
fn headers<'data, Pe: ImageNtHeaders>(
    data: &'data [u8],
    offset: &mut u64,
) -> object::read::Result<(&'data Pe, DataDirectories<'data>)> {
    let start = *offset;
    let most = u32::try_from(pe::IMAGE_NUMBEROF_DIRECTORY_ENTRIES).unwrap_or(16);
    match data.read_at::<Pe>(start) {
        Ok(headers)
            if headers.optional_header().number_of_rva_and_sizes() > most
                && headers.signature() == pe::IMAGE_NT_SIGNATURE
                && headers.is_valid_optional_magic() =>
        {
            let all = headers.file_header().size_of_optional_header.get(LE);
            let own = size_of::<Pe::ImageOptionalHeader>();
            let behind = start.saturating_add(size_of::<Pe>() as u64);
            let rest = usize::from(all).saturating_sub(own);
            *offset = behind.saturating_add(rest as u64);
            let at = usize::try_from(behind).unwrap_or(usize::MAX);
            let directories = data.get(at..at.saturating_add(rest)).unwrap_or_default();
            Ok((headers, DataDirectories::parse(directories, most)?))
        }
        _ => Pe::parse(data, offset),
    }
}

/// A section as the loader maps it.
fn mapped(header: &pe::ImageSectionHeader, alignment: u32) -> Segment {
    let file_size = header.size_of_raw_data.get(LE);
    let memory_size = match header.virtual_size.get(LE) {
        0 => file_size,
        size => size,
    };
    Segment {
        name: String::from_utf8_lossy(header.raw_name()).into_owned(),
        file_offset: header.pointer_to_raw_data.get(LE).into(),
        file_size: file_size.into(),
        address: header.virtual_address.get(LE).into(),
        memory_size: memory_size.into(),
        alignment: alignment.into(),
        writable: header
            .characteristics
            .get(LE)
            .contains(pe::IMAGE_SCN_MEM_WRITE),
    }
}

fn section(data: &[u8], header: &pe::ImageSectionHeader) -> Result<Section, DecodeError> {
    let file_offset = header.pointer_to_raw_data.get(LE);
    let in_file = header.size_of_raw_data.get(LE);
    let in_memory = match header.virtual_size.get(LE) {
        0 => in_file,
        size => size,
    };
    let end = u64::from(file_offset).saturating_add(in_file.into());
    if in_file > 0 && end > data.len() as u64 {
        return Err(DecodeError::cut(
            file_offset.into(),
            "a PE section",
            in_file.into(),
            data,
        ));
    }
    let flags = header.characteristics.get(LE);
    Ok(Section {
        name: String::from_utf8_lossy(header.raw_name()).into_owned(),
        rva: header.virtual_address.get(LE),
        length: in_file.min(in_memory),
        in_memory,
        file_offset,
        executable: flags.contains(pe::IMAGE_SCN_MEM_EXECUTE),
        writable: flags.contains(pe::IMAGE_SCN_MEM_WRITE),
        readable: flags.contains(pe::IMAGE_SCN_MEM_READ),
    })
}
