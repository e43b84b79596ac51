//! Contradictions between the headers of a linked ELF file that no linker makes:
//! bytes that were inserted or cut, segments that were moved, permissions that were
//! lost. Facts only; which of them a loader trips over is a rule's question.
//!
//! The loader reads program headers alone. Where the section headers, which the
//! linker wrote with them, say something else of code and data (`sections`), what is
//! mapped is not what was linked.

use std::ops::Range;

use object::Endianness;
use object::elf;
use object::pod;
use object::read::elf::{FileHeader, ProgramHeader, Rela, SectionHeader, Sym};

use super::dynamic::Dynamic;
use super::image::Image;
use super::memory::{Load, PAGE};
use super::{relocations, sections, symbols};
use crate::container::{Damage, DamageKind, Packing, Platform, Reply};

/// Contradictions that are kept of one file.
const MAX_DAMAGE: usize = 32;
/// The largest page that segments are rounded to.
const LARGEST_PAGE: u64 = 64 << 10;

/// What glibc keeps of thread-local memory for libraries that are opened later, 1664
/// bytes (`TLS_STATIC_SURPLUS`), and what rounding may leave beside it.
const STATIC_TLS: u64 = 1664 + 256;

fn of_file(kind: DamageKind, what: String, offset: u64) -> Damage {
    Damage {
        kind,
        what,
        offset,
        lost: Vec::new(),
    }
}

/// What a loader refuses of a sound file: systems, and flags of the dynamic section.
pub(super) fn refused<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    platform: Platform,
) -> Vec<Damage> {
    let mut found = Vec::new();
    let mut add = |kind, what: String, offset| found.push(of_file(kind, what, offset));
    let ident = image.header.e_ident();
    // Only GNU's ABI has versions, up to 3 so far.
    let most = match ident.os_abi {
        elf::ELFOSABI_GNU => 3,
        _ => 0,
    };
    if !matches!(ident.os_abi, elf::ELFOSABI_SYSV | elf::ELFOSABI_GNU) {
        add(
            DamageKind::OtherSystem,
            format!("OS ABI {}", ident.os_abi.0),
            7,
        );
    } else if ident.abi_version > most {
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
    if size > STATIC_TLS && has_static_tls(image, dynamic) {
        add(DamageKind::StaticTls, format!("{size} bytes"), 0);
    }
    found
}

/// Whether the loader has to find room for the file's thread-local memory in what is there
/// already: it does for the relocations that ask for an offset in it, whatever the flag says.
fn has_static_tls<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> bool {
    let kind = match image.header.e_machine(image.endian) {
        elf::EM_X86_64 => elf::R_X86_64_TPOFF64,
        elf::EM_AARCH64 => elf::R_AARCH64_TLS_TPREL,
        _ => return dynamic.has_flag(elf::DF_STATIC_TLS),
    };
    let table = symbols::dynamic_table(image, dynamic).ok().flatten();
    // What another library defines has its room there.
    let is_own = |entry: &Elf::Rela| {
        let number = usize::try_from(entry.r_sym(image.endian, false)).unwrap_or(0);
        let symbol = table.as_ref().and_then(|table| table.symbols.get(number));
        number == 0 || symbol.is_some_and(|symbol| !symbol.is_undefined(image.endian))
    };
    let is_one = |entry: &Elf::Rela| entry.r_type(image.endian, false) == kind && is_own(entry);
    let lists = relocations::LISTS.into_iter();
    let mut lists = lists.map(|list| relocations::all(image, dynamic, list));
    lists.any(|list| list.iter().any(is_one))
}

/// Whether a library asks for a stack that may be executed: so does one that says nothing of
/// it, where the processor's ABI has that.
pub(super) fn asks_for_code_on_stack<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
) -> bool {
    let mut headers = image.segments.iter();
    let header = headers.find(|header| header.p_type(image.endian) == elf::PT_GNU_STACK);
    let machine = image.header.e_machine(image.endian);
    header.map_or(
        matches!(machine, elf::EM_X86_64 | elf::EM_386 | elf::EM_ARM),
        |header| header.p_flags(image.endian).contains(elf::PF_X),
    )
}

/// What contradicts itself.
pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>) -> Vec<Damage> {
    let endian = image.endian;
    let mut found = Vec::new();
    let mut add = |kind, what: String, offset| {
        if found.len() < MAX_DAMAGE {
            found.push(of_file(kind, what, offset));
        }
    };
    for segment in &image.memory.loads {
        let rights = [elf::PF_R, elf::PF_W, elf::PF_X];
        if !rights.iter().any(|flag| segment.may(*flag)) && segment.in_memory > 0 {
            let what = format!("{:#x}", segment.address);
            add(DamageKind::NoPermission, what, segment.offset);
        }
    }
    zeros_behind_the_end(image, &mut add);
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
        Some(true) => {
            let all = sections::all(image);
            for fault in sections::faults(&all, &image.memory.loads, MAX_DAMAGE) {
                add(fault.kind, fault.name, fault.offset);
            }
        }
        Some(false) => {
            let at: u64 = image.header.e_shoff(endian).into();
            add(DamageKind::SectionTable, String::new(), at);
        }
        None => {}
    }
    found
}

/// Zeros that begin within a page: the loader maps what the file has there and clears it.
fn zeros_behind_the_end<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    add: &mut impl FnMut(DamageKind, String, u64),
) {
    for load in &image.memory.loads {
        let skip = load.address & PAGE.saturating_sub(1);
        let page = load.offset.saturating_sub(skip);
        if load.bytes.is_empty()
            && load.in_memory > 0
            && skip > 0
            && page >= image.data.len() as u64
        {
            let what = format!(
                "the zeros at address {:#x} begin in a page of the file behind its end",
                load.address
            );
            add(DamageKind::Table(Reply::Crash), what, load.offset);
        }
    }
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
                .is_some_and(|next| sections::is_section(next.sh_type(endian).0))
            && headers.all(|next| sections::is_section(next.sh_type(endian).0))
    });
    is_outside && !is_at_end
}

/// What the loader protects after it has relocated, in whole pages of the smallest kind.
pub(super) fn protected<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
) -> Option<Range<u64>> {
    let endian = image.endian;
    let mut headers = image.segments.iter();
    let header = headers.find(|header| header.p_type(endian) == elf::PT_GNU_RELRO)?;
    let address: u64 = header.p_vaddr(endian).into();
    let end = address.checked_add(header.p_memsz(endian).into())?;
    let whole = |address: u64| address.checked_div(PAGE)?.checked_mul(PAGE);
    Some(whole(address)?..whole(end)?)
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
        // Whole pages are protected: of a part of one page, none.
        let is_none = end.is_some_and(|end| end / PAGE == address / PAGE);
        let holds = |segment: &Load<'_>| {
            let last = segment.address.checked_add(segment.in_memory);
            let last = last.and_then(|last| last.checked_next_multiple_of(LARGEST_PAGE));
            segment.address <= address && end.zip(last).is_some_and(|(end, last)| end <= last)
        };
        if size > 0 && !is_none && !image.memory.loads.iter().any(holds) {
            let what = format!("{address:#x} to {:#x}", address.saturating_add(size));
            add(DamageKind::Relro, what, header.p_offset(endian).into());
        }
    }
}

/// Whether the section table is where the header says, by its first entry, which is
/// empty in every file, and the one with the names; `None` where there is no table.
pub(super) fn has_section_table<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
) -> Option<bool> {
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
