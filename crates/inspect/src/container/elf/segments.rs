//! What the loader maps of an ELF file, and what it looks for there: the header's
//! fixed fields, the `PT_LOAD` segments, the dynamic section and its tables.
//!
//! Facts: the gABI's chapters on the header, program headers and dynamic section;
//! what glibc and bionic do with files that break them.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use super::dynamic::{Dynamic, Entry};
use super::image::Image;
use crate::container::{BinaryKind, Segment, segment};
use crate::error::DecodeError;

/// The segments of a linked file, after a look at what every loader reads first.
pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: Option<&Dynamic>,
    kind: BinaryKind,
) -> Result<Vec<Segment>, DecodeError> {
    if kind == BinaryKind::Object || is_debug_companion(image) {
        return Ok(Vec::new());
    }
    check_header(image, kind)?;
    let mut segments = Vec::new();
    for load in &image.memory.loads {
        let segment = Segment {
            name: String::new(),
            file_offset: load.offset,
            file_size: load.bytes.len() as u64,
            address: load.address,
            memory_size: load.in_memory,
            alignment: load.alignment,
            writable: load.may(elf::PF_W),
        };
        segment::push(&mut segments, segment)?;
    }
    if kind == BinaryKind::SharedLibrary && segments.is_empty() {
        let at = image.header.e_phoff(image.endian).into();
        return Err(DecodeError::new(at, "a loadable segment", "none"));
    }
    match dynamic {
        Some(dynamic) => {
            check_dynamic(image, dynamic)?;
            check_entries(image, dynamic, kind)?;
        }
        None if kind == BinaryKind::SharedLibrary => {
            let at = image.header.e_phoff(image.endian).into();
            return Err(DecodeError::new(at, "a dynamic section", "none"));
        }
        None => {}
    }
    Ok(segments)
}

/// Whether the file holds the debug sections of another: what would be loaded has
/// no bytes in it.
fn is_debug_companion<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>) -> bool {
    let endian = image.endian;
    let mut sections = image.sections.iter();
    sections.any(|section| {
        section.sh_type(endian) == elf::SHT_NOBITS
            && section.sh_flags(endian).contains(elf::SHF_EXECINSTR)
    })
}

/// The version fields, and in a library the bytes of the identification that have
/// no meaning yet: glibc refuses others than these.
fn check_header<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    kind: BinaryKind,
) -> Result<(), DecodeError> {
    let version = image.header.e_version(image.endian);
    if version != u32::from(elf::EV_CURRENT.0) {
        return Err(DecodeError::new(20, "ELF version 1", version));
    }
    let padding = image.data.get(9..16).unwrap_or_default();
    if kind == BinaryKind::SharedLibrary && padding.iter().any(|byte| *byte != 0) {
        return Err(DecodeError::new(
            9,
            "zeros to the end of the ELF identification",
            format!("{padding:02x?}"),
        ));
    }
    Ok(())
}

/// The dynamic section is where its segment says in memory, and so are its tables.
fn check_dynamic<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> Result<(), DecodeError> {
    let endian = image.endian;
    let mut headers = image.segments.iter();
    let header = headers.find(|header| header.p_type(endian) == elf::PT_DYNAMIC);
    if let Some(header) = header {
        let (offset, address): (u64, u64) = (
            header.p_offset(endian).into(),
            header.p_vaddr(endian).into(),
        );
        let mapped = image.memory.at(address).map(|(at, _)| at);
        if mapped.is_none() {
            return Err(DecodeError::new(
                offset,
                format!("the dynamic section in a loadable segment, at address {address:#x}"),
                "no segment there",
            ));
        }
    }
    let loads = &image.memory.loads;
    // Of two hash tables, GNU's is used.
    let is_unused = |entry: &Entry| entry.tag == elf::DT_HASH && dynamic.has(elf::DT_GNU_HASH);
    let is_outside =
        |entry: &&Entry| !is_unused(entry) && !loads.iter().any(|load| load.holds(entry.value));
    if let Some(entry) = dynamic.tables().find(is_outside) {
        return Err(DecodeError::new(
            0,
            format!("{} in a loadable segment", entry.name()),
            format!("address {:#x}, outside all of them", entry.value),
        ));
    }
    Ok(())
}

/// What every loader follows without asking is there, and what it calls is code.
fn check_entries<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    kind: BinaryKind,
) -> Result<(), DecodeError> {
    let is_library = kind == BinaryKind::SharedLibrary;
    if is_library && !(dynamic.has(elf::DT_SYMTAB) && dynamic.has(elf::DT_STRTAB)) {
        let headers = image.segments.iter();
        let mut headers = headers.filter(|one| one.p_type(image.endian) == elf::PT_DYNAMIC);
        let at = headers
            .next()
            .map_or(0, |one| one.p_offset(image.endian).into());
        return Err(DecodeError::new(
            at,
            "DT_SYMTAB and DT_STRTAB in the dynamic section",
            "a dynamic section without them",
        ));
    }
    for entry in dynamic.all(&[elf::DT_INIT, elf::DT_FINI]) {
        // No processor has a function that begins so.
        if let Some((at, bytes)) = image.memory.at(entry.value)
            && entry.value != 0
            && bytes.starts_with(&[0; 4])
        {
            let name = entry.name();
            let expected = format!("a function at {name}, address {:#x}", entry.value);
            return Err(DecodeError::new(at, expected, "zeros"));
        }
    }
    Ok(())
}
