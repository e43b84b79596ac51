//! Cells that an ELF image calls through, by its relocations, and its functions,
//! by the search table of its unwind information, or by that itself.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, Rela, Sym};

use super::dynamic::Dynamic;
use super::image::Image;
use super::relocations::{self, LISTS, List};
use super::{symbols, unwind};
use crate::container::linkage::Linkage;

/// `DW_EH_PE_datarel | DW_EH_PE_sdata4`, the only form that linkers write.
const RELATIVE_WORDS: u8 = 0x3b;
/// `DW_EH_PE_udata4`.
const WORD: u8 = 0x03;

pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(
    data: &[u8],
    wanted: fn(&[u8]) -> bool,
) -> Option<Linkage> {
    let image = Image::<Elf>::parse(data).ok()?;
    let dynamic = Dynamic::of(&image).ok()??;
    let mut linkage = Linkage::default();
    for list in LISTS {
        cells(&image, &dynamic, list, wanted, &mut linkage);
    }
    if starts(&image, &mut linkage).is_none() {
        unwind::starts(&image, &mut linkage);
    }
    Some(linkage)
}

/// Relocations that put a function's address into a cell.
fn cells<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    list: List,
    wanted: fn(&[u8]) -> bool,
    linkage: &mut Linkage,
) -> Option<()> {
    let table = symbols::dynamic_table(image, dynamic).ok()??;
    let endian = image.endian;
    for entry in relocations::all(image, dynamic, list) {
        let index = usize::try_from(entry.r_sym(endian, false)).unwrap_or(0);
        if index == 0 || !is_function_cell(image, entry.r_type(endian, false)) {
            continue;
        }
        let Some(symbol) = table.symbols.get(index) else {
            continue;
        };
        let from = usize::try_from(symbol.st_name(endian)).unwrap_or(usize::MAX);
        let text = table.strings.get(from..).unwrap_or_default();
        let name = text.get(..memchr::memchr(0, text).unwrap_or(0));
        let name = name.unwrap_or_default();
        let own = (!symbol.is_undefined(endian)).then(|| symbol.st_value(endian).into());
        linkage.cell(entry.r_offset(endian).into(), name, own, wanted(name));
    }
    Some(())
}

/// Jump slots and entries of the global offset table.
fn is_function_cell<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    kind: elf::RelocationType,
) -> bool {
    let known = match image.header.e_machine(image.endian) {
        elf::EM_X86_64 => [elf::R_X86_64_JUMP_SLOT, elf::R_X86_64_GLOB_DAT],
        elf::EM_AARCH64 => [elf::R_AARCH64_JUMP_SLOT, elf::R_AARCH64_GLOB_DAT],
        _ => return false,
    };
    known.contains(&kind)
}

/// `.eh_frame_hdr`: version, three encodings, a pointer, a count, and a sorted table
/// of function and description.
fn starts<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    linkage: &mut Linkage,
) -> Option<()> {
    let endian = image.endian;
    let is_table = |segment: &&Elf::ProgramHeader| segment.p_type(endian) == elf::PT_GNU_EH_FRAME;
    let segment = image.segments.iter().find(is_table)?;
    let bytes = segment.data(endian, image.data).ok()?;
    let base: u64 = segment.p_vaddr(endian).into();
    let [
        1,
        _,
        WORD,
        RELATIVE_WORDS,
        _,
        _,
        _,
        _,
        c0,
        c1,
        c2,
        c3,
        table @ ..,
    ] = bytes
    else {
        return None;
    };
    let count = usize::try_from(u32::from_le_bytes([*c0, *c1, *c2, *c3])).ok()?;
    let (entries, _) = table.as_chunks::<8>();
    for [a, b, c, d, ..] in entries.iter().take(count) {
        let distance = i32::from_le_bytes([*a, *b, *c, *d]);
        linkage.start(base.wrapping_add_signed(distance.into()));
    }
    Some(())
}
