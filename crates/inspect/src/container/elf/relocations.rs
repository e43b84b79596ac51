//! In which order the loader looks for undefined symbols, and when: the relocations
//! of data first, then those of functions, which wait for their first call unless
//! the file says `BIND_NOW` (or whoever loads it does).

use std::collections::{HashMap, HashSet};

use object::Endianness;
use object::elf;
use object::pod;
use object::read::elf::{FileHeader, Rela};

use super::dynamic::Dynamic;
use super::image::Image;

/// The loader's lists, by address and size: of data, and of functions, which may wait for
/// their first call.
pub(super) const LISTS: [List; 2] = [
    (elf::DT_RELA, elf::DT_RELASZ),
    (elf::DT_JMPREL, elf::DT_PLTRELSZ),
];
pub(super) type List = (elf::DynamicTag, elf::DynamicTag);

/// Where the loader meets a symbol first.
pub(super) struct Met {
    /// How many relocations come before.
    pub(super) order: usize,
    /// A function that waits for its first call.
    pub(super) lazy: bool,
    /// The address that is filled in.
    pub(super) slot: u64,
}

/// Where the loader meets the symbols of these numbers in the symbol table. Files whose relocations
/// have no addend, of 32-bit machines, are not followed.
pub(super) fn met<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    wanted: &HashSet<u32>,
) -> HashMap<u32, Met> {
    let mut met: HashMap<u32, Met> = HashMap::new();
    if wanted.is_empty() {
        return met;
    }
    // Relocations come by the hundred thousand: whether one names a wanted symbol that
    // was not met yet is one look at a table.
    let mut open = Vec::new();
    for number in wanted {
        let number = usize::try_from(*number).unwrap_or(usize::MAX);
        open.resize(open.len().max(number.saturating_add(1)), false);
        if let Some(open) = open.get_mut(number) {
            *open = true;
        }
    }
    // Entries at the beginning of the first that name no symbol, where the linker counted them.
    let relative = dynamic.get(elf::DT_RELACOUNT).unwrap_or(0);
    let relative = usize::try_from(relative).unwrap_or(usize::MAX);
    let is_lazy = dynamic.is_lazy();
    let mut order = 0usize;
    for (list, (skipped, waits)) in LISTS.into_iter().zip([(relative, false), (0, is_lazy)]) {
        for entry in all(image, dynamic, list).iter().skip(skipped) {
            order = order.saturating_add(1);
            let symbol = entry.r_sym(image.endian, false);
            let number = usize::try_from(symbol).unwrap_or(usize::MAX);
            let Some(is_open) = open.get_mut(number).filter(|open| **open) else {
                continue;
            };
            *is_open = false;
            let place = Met {
                order,
                lazy: waits,
                slot: entry.r_offset(image.endian).into(),
            };
            met.insert(symbol, place);
            if met.len() == wanted.len() {
                return met;
            }
        }
    }
    met
}

/// The symbols, by their numbers, of which a program has the room alone: the loader looks for
/// them in the libraries, and copies what is there.
pub(super) fn copied<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> HashSet<u32> {
    let kind = match image.header.e_machine(image.endian) {
        elf::EM_X86_64 => elf::R_X86_64_COPY,
        elf::EM_AARCH64 => elf::R_AARCH64_COPY,
        elf::EM_RISCV => elf::R_RISCV_COPY,
        _ => return HashSet::new(),
    };
    if image.is_library {
        return HashSet::new();
    }
    let [data, _] = LISTS;
    let entries = all(image, dynamic, data).iter();
    let entries = entries.filter(|entry| entry.r_type(image.endian, false) == kind);
    let symbols = entries.map(|entry| entry.r_sym(image.endian, false));
    symbols.collect()
}

/// All entries of a list.
pub(super) fn all<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
    dynamic: &Dynamic,
    (address, size): List,
) -> &'data [Elf::Rela] {
    let entry = size_of::<Elf::Rela>();
    let found = || {
        let (_, bytes) = image.memory.at(dynamic.get(address)?)?;
        // The loader takes the beginning of an entry for the whole.
        let size = usize::try_from(dynamic.get(size)?).ok()?.min(bytes.len());
        let count = size.div_ceil(entry).min(bytes.len().checked_div(entry)?);
        let (all, _) = pod::slice_from_bytes::<Elf::Rela>(bytes, count).ok()?;
        Some(all)
    };
    found().unwrap_or_default()
}
