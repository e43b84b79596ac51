//! Contradictions between the headers of a linked ELF file that no linker makes:
//! bytes that were inserted or cut, segments that were moved, permissions that were
//! lost. Facts only; which of them a loader trips over is a rule's question.
//!
//! The loader reads program headers alone. Where the section headers, which the
//! linker wrote with them, say something else of code and data, what is mapped is
//! not what was linked.

use object::Endianness;
use object::elf;
use object::pod;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use super::dynamic::Dynamic;
use super::image::Image;
use super::memory::Load;
use crate::container::{Damage, DamageKind, Packing, Platform};

/// Contradictions that are kept of one file.
const MAX_DAMAGE: usize = 32;
/// Bytes of a section's name that are kept.
const MAX_NAME: usize = 64;
/// The largest page that segments are rounded to.
const LARGEST_PAGE: u64 = 64 << 10;

/// What glibc keeps of thread-local memory for libraries that are opened later, 1664
/// bytes (`TLS_STATIC_SURPLUS`), and what rounding may leave beside it.
const STATIC_TLS: u64 = 1664 + 256;

/// What a loader refuses of a sound file: systems, and flags of the dynamic section.
pub(super) fn refused<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    platform: Platform,
) -> Vec<Damage> {
    let mut found = Vec::new();
    let mut add = |kind, what: String, offset| found.push(Damage { kind, what, offset });
    let ident = image.header.e_ident();
    if !matches!(ident.os_abi, elf::ELFOSABI_SYSV | elf::ELFOSABI_GNU) {
        add(
            DamageKind::OtherSystem,
            format!("OS ABI {}", ident.os_abi.0),
            7,
        );
    } else if ident.abi_version > 3 {
        let what = format!("version {} of the OS ABI", ident.abi_version);
        add(DamageKind::OtherSystem, what, 8);
    }
    let machine = image.header.e_machine(image.endian);
    if image.header.is_class_64() && matches!(machine, elf::EM_386 | elf::EM_ARM) {
        let what = format!("machine number {}", machine.0);
        add(DamageKind::OtherClass, what, 18);
    }
    let is_androids = |packing: &&Packing| **packing != Packing::Relr;
    if platform == Platform::Linux
        && let Some(packing) = dynamic.packed().iter().find(is_androids)
    {
        let what = match packing {
            Packing::AndroidRelr => "DT_ANDROID_RELR",
            _ => "DT_ANDROID_REL or DT_ANDROID_RELA",
        };
        add(DamageKind::PackedForAndroid, what.to_owned(), 0);
    }
    if dynamic.has_flag_1(elf::DF_1_NOOPEN) {
        add(DamageKind::NotOpened, String::from("`-z nodlopen`"), 0);
    }
    let headers = image.segments.iter();
    let mut local = headers.filter(|header| header.p_type(image.endian) == elf::PT_TLS);
    let size = local
        .next()
        .map_or(0, |header| header.p_memsz(image.endian).into());
    if dynamic.has_flag(elf::DF_STATIC_TLS) && size > STATIC_TLS {
        add(DamageKind::StaticTls, format!("{size} bytes"), 0);
    }
    found
}

/// Whether linkers write sections of this type: what one byte further is read as one is
/// not.
fn is_section(kind: u32) -> bool {
    (1..32).contains(&kind) || kind >= elf::SHT_LOOS
}

/// What contradicts itself.
pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>) -> Vec<Damage> {
    let endian = image.endian;
    let mut found = Vec::new();
    let mut add = |kind, what: String, offset| {
        if found.len() < MAX_DAMAGE {
            found.push(Damage { kind, what, offset });
        }
    };
    for segment in &image.memory.loads {
        let rights = [elf::PF_R, elf::PF_W, elf::PF_X];
        if !rights.iter().any(|flag| segment.may(*flag)) && segment.in_memory > 0 {
            let what = format!("{:#x}", segment.address);
            add(DamageKind::NoPermission, what, segment.offset);
        }
    }
    relro(image, &mut add);
    if image.memory.loads.is_empty() {
        return found;
    }
    match has_section_table(image) {
        _ if image.has_lost_sections => {
            let kind = match is_cut(image) {
                true => DamageKind::Cut,
                false => DamageKind::SectionTable,
            };
            let what = format!("{:#x}", image.data.len());
            add(kind, what, image.header.e_shoff(endian).into());
        }
        Some(true) => sections(image, &mut add),
        Some(false) => {
            let at: u64 = image.header.e_shoff(endian).into();
            add(DamageKind::SectionTable, String::new(), at);
        }
        None => {}
    }
    found
}

/// Whether the file ends before its section headers. Linkers write them last: where they
/// are at the end, the file is whole, and only the header is wrong about them.
fn is_cut<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>) -> bool {
    let endian = image.endian;
    let start = usize::try_from(image.header.e_shoff(endian).into()).unwrap_or(usize::MAX);
    let count = usize::from(image.header.e_shnum(endian));
    let size = size_of::<Elf::SectionHeader>().saturating_mul(count);
    let is_outside = start
        .checked_add(size)
        .is_none_or(|end| end > image.data.len());
    let last = image.data.len().checked_sub(size);
    let last = last.and_then(|at| image.data.get(at..));
    let headers =
        last.and_then(|bytes| pod::slice_from_bytes::<Elf::SectionHeader>(bytes, count).ok());
    let is_at_end = headers.is_some_and(|(headers, _)| {
        let mut headers = headers.iter();
        let first = headers.next();
        // The first is empty, and no other.
        first.is_some_and(|first| first.sh_type(endian) == elf::SHT_NULL)
            && headers
                .next()
                .is_some_and(|next| is_section(next.sh_type(endian).0))
            && headers.all(|next| is_section(next.sh_type(endian).0))
    });
    is_outside && !is_at_end
}

/// The part that the loader protects after it has relocated must be mapped.
fn relro<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    add: &mut impl FnMut(DamageKind, String, u64),
) {
    let endian = image.endian;
    for header in image.segments {
        if header.p_type(endian) != elf::PT_GNU_RELRO {
            continue;
        }
        let address: u64 = header.p_vaddr(endian).into();
        let size: u64 = header.p_memsz(endian).into();
        let end = address.checked_add(size);
        let holds = |segment: &Load<'_>| {
            let last = segment.address.checked_add(segment.in_memory);
            let last = last.and_then(|last| last.checked_next_multiple_of(LARGEST_PAGE));
            segment.address <= address && end.zip(last).is_some_and(|(end, last)| end <= last)
        };
        if size > 0 && !image.memory.loads.iter().any(holds) {
            let what = format!("{address:#x} to {:#x}", address.saturating_add(size));
            add(DamageKind::Relro, what, header.p_offset(endian).into());
        }
    }
}

/// Whether the section table is where the header says, by its first entry, which is
/// empty in every file, and the one with the names; `None` where there is no table.
fn has_section_table<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>) -> Option<bool> {
    let at: u64 = image.header.e_shoff(image.endian).into();
    if at == 0 || image.header.e_shnum(image.endian) == 0 {
        return None;
    }
    let endian = image.endian;
    let header = |number: u16| {
        let size = u64::try_from(size_of::<Elf::SectionHeader>()).ok()?;
        let at = at.checked_add(size.checked_mul(number.into())?)?;
        let bytes = usize::try_from(at)
            .ok()
            .and_then(|at| image.data.get(at..))?;
        let (header, _) = pod::from_bytes::<Elf::SectionHeader>(bytes).ok()?;
        Some(header)
    };
    let first = header(0)?;
    let is_empty = first.sh_type(endian) == elf::SHT_NULL
        && first.sh_addr(endian).into() == 0
        && first.sh_offset(endian).into() == 0;
    // Numbers from 0xff00 on stand for something else.
    let names = image.header.e_shstrndx(endian).0;
    let has_names = match names {
        0 | 0xff00.. => true,
        number => header(number)?.sh_type(endian) == elf::SHT_STRTAB,
    };
    Some(is_empty && has_names)
}

/// A size in whole pages of the smallest kind.
fn pages(size: u64) -> u64 {
    const PAGE: u64 = 4 << 10;
    size.checked_next_multiple_of(PAGE).unwrap_or(size)
}

/// What sections say of the memory that segments map.
fn sections<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    add: &mut impl FnMut(DamageKind, String, u64),
) {
    let endian = image.endian;
    for section in image.sections.iter() {
        let flags = section.sh_flags(endian);
        let address: u64 = section.sh_addr(endian).into();
        let offset: u64 = section.sh_offset(endian).into();
        let size: u64 = section.sh_size(endian).into();
        // Thread-local zeros take no memory of the image.
        let is_mapped = flags.contains(elf::SHF_ALLOC)
            && !flags.contains(elf::SHF_TLS)
            && section.sh_type(endian) != elf::SHT_NOBITS;
        if !is_mapped || size == 0 {
            continue;
        }
        let Some(end) = address.checked_add(size) else {
            continue;
        };
        let holds = |segment: &&Load<'_>| {
            let in_file = segment.bytes.len() as u64;
            let size = pages(segment.in_memory.max(in_file));
            let last = segment.address.checked_add(size);
            segment.address <= address && last.is_some_and(|last| end <= last)
        };
        let is_same = |segment: &&Load<'_>| {
            address.wrapping_sub(offset) == segment.address.wrapping_sub(segment.offset)
        };
        let fault = |segment: &Load<'_>| {
            // Whole pages are mapped; what is behind the file's part is cleared where
            // memory goes on.
            let in_file = match segment.bytes.len() as u64 {
                size if segment.in_memory > size => size,
                size => pages(size),
            };
            if !is_same(&segment) {
                Some(DamageKind::Moved)
            } else if end.wrapping_sub(segment.address) > in_file {
                Some(DamageKind::NotMapped)
            } else if flags.contains(elf::SHF_EXECINSTR) && !segment.may(elf::PF_X) {
                Some(DamageKind::NotExecutable)
            } else if flags.contains(elf::SHF_WRITE) && !segment.may(elf::PF_W) {
                Some(DamageKind::NotWritable)
            } else {
                None
            }
        };
        // Whole pages overlap where segments meet: one that is right is enough, and of
        // others the one that maps the section's own bytes tells what is wrong.
        let around = image.memory.loads.iter().filter(holds);
        if around.clone().any(|segment| fault(segment).is_none()) {
            continue;
        }
        let meant = around
            .clone()
            .find(is_same)
            .or_else(|| around.clone().next());
        let kind = meant.and_then(fault).unwrap_or(DamageKind::NotMapped);
        let name = image.sections.section_name(endian, section).unwrap_or(b"");
        let name = name.get(..MAX_NAME).unwrap_or(name);
        add(kind, String::from_utf8_lossy(name).into_owned(), offset);
    }
}
