//! Which cells of a linked file anything in it refers to: a relocation, a word of its data,
//! an instruction. A compiler that does not optimise leaves cells that nothing uses.
//!
//! What may refer to a cell counts: nothing is disassembled.

use std::collections::BTreeSet;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, Rela, Sym};

use super::calls;
use super::dynamic::Dynamic;
use super::image::Image;
use super::relocations::{self, LISTS};
use super::symbols;
use crate::container::{Architecture, Region};

/// Relocations in forms that are not followed here.
const OTHER_LISTS: [elf::DynamicTag; 3] = [elf::DT_REL, elf::DT_ANDROID_REL, elf::DT_ANDROID_RELA];
/// Bytes of a number that an x86-64 instruction may have behind a distance.
const BEHIND: [u64; 4] = [0, 1, 2, 4];
/// Instructions after the page of a cell among which one with its place there is looked for.
const NEAR: usize = 256;

/// Those of some cells that are referred to; `None` where that is not read.
pub(super) fn referred<Elf: FileHeader<Endian = Endianness>>(
    data: &[u8],
    regions: &[Region<'_>],
    architecture: Architecture,
    cells: &BTreeSet<u64>,
) -> Option<BTreeSet<u64>> {
    let image = Image::<Elf>::parse(data).ok()?;
    let dynamic = Dynamic::of(&image).ok()??;
    if OTHER_LISTS.iter().any(|tag| dynamic.has(*tag)) {
        return None;
    }
    let mut found = relocated(&image, &dynamic, cells)?;
    let words = regions
        .iter()
        .filter(|region| region.writable)
        .flat_map(|region| region.data.chunks_exact(8))
        .filter_map(|word| word.try_into().ok().map(u64::from_le_bytes));
    found.extend(words.filter(|word| cells.contains(word)));
    let open: BTreeSet<u64> = cells.difference(&found).copied().collect();
    if !open.is_empty() {
        found.extend(of_code(regions, architecture, &open)?);
    }
    Some(found)
}

/// Cells that relocations name, or have the address of.
fn relocated<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    cells: &BTreeSet<u64>,
) -> Option<BTreeSet<u64>> {
    let endian = image.endian;
    let table = symbols::dynamic_table(image, dynamic).ok()??;
    let mut found = BTreeSet::new();
    for list in LISTS {
        for entry in relocations::all(image, dynamic, list) {
            let addend: i64 = entry.r_addend(endian).into();
            let number = usize::try_from(entry.r_sym(endian, false)).unwrap_or(usize::MAX);
            let named = table.symbols.get(number);
            let named: u64 = named.map_or(0, |symbol| symbol.st_value(endian).into());
            let led_to = [named, named.wrapping_add_signed(addend)];
            found.extend(led_to.iter().filter(|address| cells.contains(address)));
        }
    }
    Some(found)
}

/// Cells that code has the address of.
fn of_code(
    regions: &[Region<'_>],
    architecture: Architecture,
    cells: &BTreeSet<u64>,
) -> Option<BTreeSet<u64>> {
    let code = calls::code(regions, calls::MAX_MODEL_CODE).filter(|code| !code.is_empty())?;
    let mut found = BTreeSet::new();
    for region in code {
        match architecture {
            Architecture::X86_64 => {
                let ends = |cell: &u64| BEHIND.map(|behind| cell.wrapping_sub(behind));
                let targets: BTreeSet<u64> = cells.iter().flat_map(ends).collect();
                for (_, target) in calls::x86_64(region, &targets) {
                    let of = BEHIND.map(|behind| target.wrapping_add(behind));
                    found.extend(of.iter().filter(|cell| cells.contains(cell)));
                }
            }
            Architecture::Aarch64 => found.extend(aarch64(region, cells)),
            _ => return None,
        }
    }
    Some(found)
}

/// `adr` and a load from beside the code; `adrp`, and soon after it anything that takes a
/// number from its register: `add`, a load or a store.
fn aarch64(region: &Region<'_>, cells: &BTreeSet<u64>) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    // Of each register the page that was put there last, and at which instruction.
    let mut pages: [Option<(usize, u64)>; 32] = [None; 32];
    for (number, (at, word)) in calls::instructions(region).enumerate() {
        let target = if word & 0x9f00_0000 == 0x9000_0000 {
            if let Some(page) = pages.get_mut(register(word)) {
                *page = Some((number, calls::page(at, word)));
            }
            continue;
        } else if word & 0x9f00_0000 == 0x1000_0000 {
            at.wrapping_add_signed(calls::distance(word).into())
        } else if word & 0x3b00_0000 == 0x1800_0000 {
            let distance = (word << 8).cast_signed() >> 13;
            at.wrapping_add_signed(i64::from(distance) << 2)
        } else if let Some(place) = place_on_page(word)
            && let Some(Some((began, page))) = pages.get(register(word >> 5))
            && number.saturating_sub(*began) <= NEAR
        {
            page.wrapping_add(place)
        } else {
            continue;
        };
        if cells.contains(&target) {
            found.insert(target);
        }
    }
    found
}

/// The number that is added to a register: by `add`, or by a load or store, which counts in
/// its own size.
fn place_on_page(word: u32) -> Option<u64> {
    let number = u64::from(word >> 10 & 0xfff);
    if word & 0xffc0_0000 == 0x9100_0000 {
        return Some(number);
    }
    (word & 0x3b00_0000 == 0x3900_0000).then(|| number << (word >> 30))
}

fn register(word: u32) -> usize {
    usize::try_from(word & 31).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(address: u64, words: &[u32]) -> Region<'static> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let bytes: &'static [u8] = bytes.leak();
        Region {
            executable: true,
            ..Region::of_file(".text".into(), address, 0, bytes)
        }
    }

    /// Words that an assembler made, at 0x1000: each refers to 0x3018, or to nothing there.
    #[test]
    fn what_refers_to_a_cell_on_aarch64() {
        let cells = BTreeSet::from([0x3018]);
        let found = |words: &[u32]| !aarch64(&code(0x1000, words), &cells).is_empty();
        // adrp x8, 0x3000; adrp x9, 0x1000; ldr x8, [x8, #24]
        assert!(found(&[0xd000_0008, 0x9000_0009, 0xf940_0d08]));
        // adrp x8, 0x3000; add x0, x8, #24
        assert!(found(&[0xd000_0008, 0x9100_6100]));
        // adrp x8, 0x3000; str x0, [x8, #24]
        assert!(found(&[0xd000_0008, 0xf900_0d00]));
        // nop; adr x0, 0x3018
        assert!(found(&[0xd503_201f, 0x1001_00a0]));
        // ldr x0, 0x3018
        assert!(found(&[0x5801_00c0]));
        // adrp x8, 0x3000; ldr x9, [x9, #24]; ldr x8, [x8, #32]
        assert!(!found(&[0xd000_0008, 0xf940_0d29, 0xf940_1108]));
    }

    /// `cmpq $0, 0x3018(%rip)` at 0x1000: a number is behind the distance.
    #[test]
    fn what_refers_to_a_cell_on_x86_64() {
        let words = [0x103d_8348, 0x0000_0020];
        let region = [code(0x1000, &words)];
        let found = |cell| of_code(&region, Architecture::X86_64, &BTreeSet::from([cell]));
        assert_eq!(found(0x3018), Some(BTreeSet::from([0x3018])));
        assert_eq!(found(0x3020), Some(BTreeSet::new()));
        let other = of_code(&region, Architecture::Riscv64, &BTreeSet::from([0x3018]));
        assert_eq!(other, None);
    }
}
