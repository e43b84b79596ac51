//! ELF: shared libraries, programs and relocatable objects, 32 and 64 bits.
//!
//! Linked files are read the way the loader reads them, through the program
//! headers and the dynamic section; section headers name the data regions.
//! Objects are read through their sections. Only headers, the dynamic section,
//! symbol tables and version needs are touched.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod hash;
mod image;
mod symbols;
mod versions;

use std::borrow::Cow;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use super::symbols::Names;
use super::{
    Architecture, Binary, BinaryKind, FileRange, Format, Needed, Parsed, Platform, Region,
    Signature,
};
use crate::error::DecodeError;
use image::{Dynamic, Image, bad};
use symbols::Placement;

/// Sections that hold neither a blob nor text of the program.
const UNWIND_SECTIONS: [&[u8]; 4] = [
    b".eh_frame",
    b".eh_frame_hdr",
    b".gcc_except_table",
    b".interp",
];

/// Reads one ELF file.
pub fn parse(data: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    if is_64(data)? {
        parse_class::<elf::FileHeader64<Endianness>>(data)
    } else {
        parse_class::<elf::FileHeader32<Endianness>>(data)
    }
}

/// Which of `names` the dynamic symbol table defines for others.
pub fn defines(data: &[u8], wanted: &[&str]) -> Result<Vec<bool>, DecodeError> {
    if is_64(data)? {
        defines_class::<elf::FileHeader64<Endianness>>(data, wanted)
    } else {
        defines_class::<elf::FileHeader32<Endianness>>(data, wanted)
    }
}

/// Calls `visit` with every defined dynamic symbol until it returns `false`.
pub fn each_export(data: &[u8], visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), DecodeError> {
    if is_64(data)? {
        each_export_class::<elf::FileHeader64<Endianness>>(data, visit)
    } else {
        each_export_class::<elf::FileHeader32<Endianness>>(data, visit)
    }
}

fn is_64(data: &[u8]) -> Result<bool, DecodeError> {
    match data.get(4) {
        Some(1) => Ok(false),
        Some(2) => Ok(true),
        Some(other) => Err(DecodeError::new(4, "ELF class 1 or 2", other)),
        None => Err(DecodeError::new(4, "an ELF class", "the end of the file")),
    }
}

fn parse_class<'data, Elf: FileHeader<Endian = Endianness>>(
    data: &'data [u8],
) -> Result<Parsed<'data>, DecodeError> {
    let image = Image::<Elf>::parse(data)?;
    let dynamic = image.dynamic()?;
    let object = image.header.e_type(image.endian) == elf::ET_REL;
    let (regions, by_section) = regions(&image, object)?;
    let placement = if object {
        Placement::Section(&by_section)
    } else {
        symbols::by_address(&regions)
    };
    let kept = kept_symbols(&image, dynamic.as_ref(), &placement)?;

    let dynamic = dynamic.unwrap_or_default();
    let mut texts = Texts::new(&image, &dynamic);
    let identity = texts.get(dynamic.soname)?;
    let mut needed = Vec::with_capacity(dynamic.needed.len());
    for offset in &dynamic.needed {
        if let Some(name) = texts.get(Some(*offset))? {
            let optional = false;
            needed.push(Needed { name, optional });
        }
    }
    // The loader ignores DT_RPATH where DT_RUNPATH exists.
    let paths = texts.get(dynamic.runpath.or(dynamic.rpath))?;
    let search_paths = paths.map_or_else(Vec::new, |paths| {
        paths.split(':').map(str::to_owned).collect()
    });
    let kind = kind(&image, &dynamic)?;
    let binary = Binary {
        format: Format::Elf,
        kind,
        architecture: architecture(image.header.e_machine(image.endian)),
        platform: platform(&image, kind, &needed),
        min_os: None,
        identity,
        needed,
        search_paths,
        version_needs: versions::needs(&image, &dynamic)?,
        defined: kept.defined,
        undefined: kept.undefined,
        wasm_imports: Vec::new(),
        wasm_exports: Vec::new(),
        signature: Signature::NotApplicable,
        // Objects and static programs say it by the section alone.
        has_constructors: dynamic.has_constructors
            || image.section_of_type(elf::SHT_INIT_ARRAY).is_some(),
        visible_llvm: kept
            .visible_llvm
            .filter(|_| !object && !dynamic.defines_versions),
    };
    Ok(Parsed {
        binary,
        regions,
        slice_offset: 0,
    })
}

fn kept_symbols<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: Option<&Dynamic>,
    placement: &Placement<'_>,
) -> Result<symbols::Kept, DecodeError> {
    let exported = match dynamic {
        Some(dynamic) => symbols::dynamic_table(image, dynamic)?,
        None => None,
    };
    let Some(exported) = exported else {
        return match symbols::full_table(image)? {
            Some(table) => symbols::keep(image, &table, placement),
            None => Ok(symbols::Kept::default()),
        };
    };
    let mut kept = symbols::keep(image, &exported, placement)?;
    let carries_blob = kept
        .defined
        .iter()
        .any(|symbol| super::names::is_blob_symbol(&symbol.name));
    // Model libraries are small; their full table names the callees that host
    // code looks up at run time.
    if carries_blob && let Some(full) = symbols::full_table(image)? {
        symbols::keep_locals(image, &full, placement, &mut kept)?;
    }
    Ok(kept)
}

/// Strings of the dynamic section.
struct Texts<'data> {
    names: Names<'data>,
}

impl<'data> Texts<'data> {
    fn new<Elf: FileHeader<Endian = Endianness>>(
        image: &Image<'data, Elf>,
        dynamic: &Dynamic,
    ) -> Self {
        let (at, table) = image.dynamic_strings(dynamic);
        let names = Names::new(table, at, image.data.len());
        Self { names }
    }

    fn get(&mut self, offset: Option<u64>) -> Result<Option<String>, DecodeError> {
        let Some(offset) = offset else {
            return Ok(None);
        };
        match self.names.get(offset)? {
            Some(text) => self.names.keep(text).map(Some),
            None => Ok(None),
        }
    }
}

/// The regions, and for every section the region it became.
#[allow(clippy::type_complexity)]
fn regions<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
    object: bool,
) -> Result<(Vec<Region<'data>>, Vec<Option<usize>>), DecodeError> {
    let endian = image.endian;
    if image.sections.is_empty() {
        return Ok((segment_regions(image), Vec::new()));
    }
    let mut regions = Vec::new();
    let mut by_section = Vec::with_capacity(image.sections.len());
    for section in image.sections.iter() {
        let flags = section.sh_flags(endian);
        let kind = section.sh_type(endian);
        let name = image
            .sections
            .section_name(endian, section)
            .unwrap_or_default();
        let wanted = kind == elf::SHT_PROGBITS
            && flags.contains(elf::SHF_ALLOC)
            && !UNWIND_SECTIONS.contains(&name);
        if !wanted {
            by_section.push(None);
            continue;
        }
        let at = section.sh_offset(endian).into();
        let bytes = section
            .data(endian, image.data)
            .map_err(|error| bad(at, "an ELF section inside the file", error))?;
        by_section.push(Some(regions.len()));
        regions.push(Region {
            name: String::from_utf8_lossy(name).into_owned(),
            address: if object {
                0
            } else {
                section.sh_addr(endian).into()
            },
            data: Cow::Borrowed(bytes),
            file_ranges: vec![FileRange {
                region_offset: 0,
                file_offset: at,
                length: bytes.len() as u64,
            }],
            executable: flags.contains(elf::SHF_EXECINSTR),
            writable: flags.contains(elf::SHF_WRITE),
        });
    }
    Ok((regions, by_section))
}

/// Whole segments, for files whose section headers were removed.
fn segment_regions<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
) -> Vec<Region<'data>> {
    let endian = image.endian;
    let mut regions = Vec::new();
    for segment in image.segments {
        if segment.p_type(endian) != elf::PT_LOAD {
            continue;
        }
        let Ok(bytes) = segment.data(endian, image.data) else {
            continue;
        };
        let flags = segment.p_flags(endian);
        regions.push(Region {
            name: format!("PT_LOAD[{}]", regions.len()),
            address: segment.p_vaddr(endian).into(),
            data: Cow::Borrowed(bytes),
            file_ranges: vec![FileRange {
                region_offset: 0,
                file_offset: segment.p_offset(endian).into(),
                length: bytes.len() as u64,
            }],
            executable: flags.contains(elf::PF_X),
            writable: flags.contains(elf::PF_W),
        });
    }
    regions
}

fn kind<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> Result<BinaryKind, DecodeError> {
    let interpreter = image
        .segments
        .iter()
        .any(|segment| segment.p_type(image.endian) == elf::PT_INTERP);
    match image.header.e_type(image.endian) {
        elf::ET_REL => Ok(BinaryKind::Object),
        elf::ET_EXEC => Ok(BinaryKind::Program),
        // Some libraries can be run as well; a SONAME tells them apart.
        elf::ET_DYN if dynamic.is_pie || (interpreter && dynamic.soname.is_none()) => {
            Ok(BinaryKind::Program)
        }
        elf::ET_DYN => Ok(BinaryKind::SharedLibrary),
        other => Err(DecodeError::new(
            16,
            "an ELF object, program or shared library",
            format!("type {}", other.0),
        )),
    }
}

fn architecture(machine: elf::Machine) -> Architecture {
    match machine {
        elf::EM_X86_64 => Architecture::X86_64,
        elf::EM_386 => Architecture::X86,
        elf::EM_AARCH64 => Architecture::Aarch64,
        elf::EM_ARM => Architecture::Arm,
        elf::EM_RISCV => Architecture::Riscv64,
        other => Architecture::Other(other.0.into()),
    }
}

/// Android by its own note or its own libraries; otherwise Linux, except that
/// objects do not say.
fn platform<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    kind: BinaryKind,
    needed: &[Needed],
) -> Platform {
    let android_library =
        |needed: &Needed| ["liblog.so", "libandroid.so"].contains(&needed.name.as_str());
    let os_abi = image.header.e_ident().os_abi;
    if needed.iter().any(android_library) || has_android_note(image) {
        Platform::Android
    } else if kind != BinaryKind::Object && matches!(os_abi, elf::ELFOSABI_SYSV | elf::ELFOSABI_GNU)
    {
        Platform::Linux
    } else {
        Platform::Unknown
    }
}

fn has_android_note<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>) -> bool {
    image.segments.iter().any(|segment| {
        let Ok(Some(mut notes)) = segment.notes(image.endian, image.data) else {
            return false;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == b"Android" {
                return true;
            }
        }
        false
    })
}

fn defines_class<Elf: FileHeader<Endian = Endianness>>(
    data: &[u8],
    wanted: &[&str],
) -> Result<Vec<bool>, DecodeError> {
    let image = Image::<Elf>::parse(data)?;
    let Some(dynamic) = image.dynamic()? else {
        return Ok(vec![false; wanted.len()]);
    };
    let Some(table) = symbols::dynamic_table(&image, &dynamic)? else {
        return Ok(vec![false; wanted.len()]);
    };
    Ok(wanted
        .iter()
        .map(|name| hash::defines(&image, &dynamic, &table, name.as_bytes()))
        .collect())
}

fn each_export_class<Elf: FileHeader<Endian = Endianness>>(
    data: &[u8],
    visit: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), DecodeError> {
    let image = Image::<Elf>::parse(data)?;
    let table = match image.dynamic()? {
        Some(dynamic) => symbols::dynamic_table(&image, &dynamic)?,
        None => None,
    };
    match table {
        Some(table) => symbols::each_export(&image, &table, visit),
        None => Ok(()),
    }
}
