//! Machine code that is the same in every library of x86-64: the stubs that jump through
//! the loader's slots, and the functions that the C library's start files bring. And of
//! what TVM compiled, functions that are overwritten with zeros, on any processor.
//!
//! Nothing else of code is asked: which bytes are right, only who compiled them knows.
//! What a byte that is wrong does is not worked out either.

use memchr::memmem;
use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, Rela, SectionHeader, Sym};

use super::context::Faults;
use crate::container::Reply;
use crate::container::elf::dynamic::{Dynamic, name};
use crate::container::elf::image::Image;
use crate::container::elf::memory::Memory;
use crate::container::elf::relocations::{LISTS, all};
use crate::container::elf::table::Table;
use crate::container::names::concerns_tvm;
use crate::container::symbols::Names;

/// `endbr64`, where indirect branches are guarded.
const MARK: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
/// A distance of four bytes.
const ANY: [Option<u8>; 4] = [None; 4];
/// More zeros than instructions have in a row.
const ZEROS: [u8; 16] = [0; 16];
/// Slots that are asked for their stubs.
const MAX_SLOTS: usize = 1 << 12;

pub(super) fn check<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
    faults: &mut Faults,
) {
    zeros(image, table, faults);
    if image.header.e_machine(image.endian) != elf::EM_X86_64 {
        return;
    }
    ends(&image.memory, dynamic, faults);
    stubs(image, dynamic, faults);
    direct_stubs(image, faults);
}

/// Functions of TVM's compiler with zeros in them.
fn zeros<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    table: &Table<'_, Elf>,
    faults: &mut Faults,
) {
    let mut names = Names::new(table.strings, table.strings_at, image.data.len());
    for symbol in table.symbols {
        if symbol.st_type() != elf::STT_FUNC || symbol.is_undefined(image.endian) {
            continue;
        }
        let mut body = || {
            let value: u64 = symbol.st_value(image.endian).into();
            let (at, body) = image
                .memory
                .range(value, symbol.st_size(image.endian).into())?;
            let zeros = memmem::find(body, &ZEROS)? as u64;
            let name = names.get(symbol.st_name(image.endian).into()).ok()??;
            concerns_tvm(name).then_some((at.saturating_add(zeros), name))
        };
        if let Some((at, name)) = body() {
            let name = String::from_utf8_lossy(name);
            let what = format!("the code of `{name}` has zeros in it, which are no instructions");
            faults.add(Reply::Unknown, what, at);
        }
    }
}

/// The functions at `DT_INIT` and `DT_FINI`, where they are nearly those of glibc's files.
fn ends(memory: &Memory<'_>, dynamic: &Dynamic, faults: &mut Faults) {
    let known = |bytes: &[u8]| bytes.iter().copied().map(Some).collect::<Vec<_>>();
    let enter = known(&[0x48, 0x83, 0xec, 0x08]);
    let leave = known(&[0x48, 0x83, 0xc4, 0x08, 0xc3]);
    let load = known(&[0x48, 0x8b, 0x05]);
    let call = known(&[0x48, 0x85, 0xc0, 0x74, 0x02, 0xff, 0xd0]);
    let first = [&enter[..], &load, &ANY, &call, &leave].concat();
    let last = [&enter[..], &leave].concat();
    for (tag, form) in [(elf::DT_INIT, first), (elf::DT_FINI, last)] {
        let found = dynamic.get(tag).and_then(|address| memory.at(address));
        let Some((at, bytes)) = found else { continue };
        let differs = |form: &[Option<u8>]| {
            let bytes = form.iter().zip(bytes);
            let differs = bytes.filter(|(known, byte)| known.is_some_and(|known| known != **byte));
            differs.count()
        };
        let marked = [known(&MARK), form.clone()].concat();
        let fewest = differs(&form).min(differs(&marked));
        // What it reads is a slot.
        let skip = if differs(&form) == fewest {
            0
        } else {
            MARK.len()
        };
        let slot = || {
            let skip = enter.len().checked_add(load.len())?.checked_add(skip)?;
            let end = dynamic.get(tag)?.wrapping_add(skip as u64).wrapping_add(4);
            Some(end.wrapping_add_signed(distance(bytes.get(skip..)?)?))
        };
        let reads = tag != elf::DT_INIT || slot().is_some_and(|slot| memory.may(elf::PF_W, slot));
        if (1..=form.len() / 3).contains(&fewest) || (fewest == 0 && !reads) {
            let what = format!(
                "the function at {} is nearly that of the C library's files",
                name(tag)
            );
            faults.add(Reply::Unknown, what, at);
        }
    }
}

/// A slot that is bound late leads to the second instruction of its stub, which pushes the
/// number of the relocation and jumps to the first stub of all.
fn stubs<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    faults: &mut Faults,
) {
    let [_, of_functions] = LISTS;
    let slots = (0u64..)
        .zip(all(image, dynamic, of_functions))
        .take(MAX_SLOTS);
    let is_slot = |entry: &Elf::Rela| entry.r_type(image.endian, false) == elf::R_X86_64_JUMP_SLOT;
    let slots = slots.filter(|(_, entry)| is_slot(entry));
    let stubs: Vec<Stub> = slots
        .filter_map(|(number, entry)| {
            let place = entry.r_offset(image.endian).into();
            Stub::of(&image.memory, place, number)
        })
        .collect();
    // Other linkers may have other stubs.
    let is_habit = stubs.iter().any(|stub| stub.fits == PARTS);
    let is_lazy = dynamic.is_lazy();
    for stub in &stubs {
        let is_damaged = match is_lazy {
            true => stub.fits != PARTS && (is_habit || stub.fits > 2),
            false => !stub.jumps && (is_habit || stub.fits > 1),
        };
        if is_damaged {
            let what = format!(
                "the stub that jumps through the slot at {:#x} is not what linkers write",
                stub.slot
            );
            faults.add(Reply::Unknown, what, stub.at);
        }
    }
    let first = stubs.iter().filter(|_| is_lazy).find_map(|stub| stub.first);
    let own = dynamic.get(elf::DT_PLTGOT).unwrap_or(0);
    if let Some(first) = first
        && let Some((at, bytes)) = image.memory.at(first)
    {
        let leads = |skip: usize, word: u64| {
            let distance = distance(bytes.get(skip..)?)?;
            let end = first.wrapping_add(skip as u64).wrapping_add(4);
            Some(end.wrapping_add_signed(distance) == own.wrapping_add(word))
        };
        let parts = [
            bytes.starts_with(&[0xff, 0x35]),
            leads(2, 8) == Some(true),
            bytes
                .get(6..)
                .is_some_and(|rest| rest.starts_with(&[0xff, 0x25])),
            leads(8, 16) == Some(true),
        ];
        let fits = parts.iter().filter(|fits| **fits).count();
        if fits > 1 && fits < parts.len() {
            let what = format!("the first stub, at {first:#x}, is not what linkers write");
            faults.add(Reply::Unknown, what, at);
        }
    }
}

/// What a stub is made of: the jump and where it leads, the number, the jump to the first.
const PARTS: usize = 4;

struct Stub {
    slot: u64,
    at: u64,
    fits: usize,
    /// Whether it jumps through its slot.
    jumps: bool,
    /// Where the first stub is.
    first: Option<u64>,
}

impl Stub {
    fn of(memory: &Memory<'_>, slot: u64, number: u64) -> Option<Self> {
        let (_, word) = memory.at(slot)?;
        let second = u64::from_le_bytes(*word.first_chunk::<8>()?);
        let (at, bytes) = memory.at(second)?;
        // With marks the jump through the slot is in a table of its own.
        let marked = bytes.strip_prefix(&MARK);
        let rest = marked.unwrap_or(bytes);
        let pushes = rest.first() == Some(&0x68);
        let is_number = rest.get(1..).and_then(distance) == i64::try_from(number).ok();
        let to_first = rest.get(5..)?;
        let to_first = to_first.strip_prefix(&[0xf2]).unwrap_or(to_first);
        let start = second.checked_sub(6)?;
        let jump = memory.at(start).map(|(_, bytes)| bytes).unwrap_or_default();
        let leads = jump.get(2..).and_then(distance);
        let leads = leads.map(|distance| second.wrapping_add_signed(distance)) == Some(slot);
        let jumps = marked.is_some() || (jump.starts_with(&[0xff, 0x25]) && leads);
        let first = to_first.get(1..).and_then(distance);
        let skipped = bytes.len().checked_sub(to_first.len())? as u64;
        let end = second.wrapping_add(skipped).wrapping_add(5);
        let first = first.map(|distance| end.wrapping_add_signed(distance));
        // Which pushes the loader's first word.
        let begins = |first: &u64| {
            let code = memory.at(*first).map(|(_, bytes)| bytes);
            code.is_some_and(|bytes| bytes.starts_with(&[0xff, 0x35]))
        };
        let leaves = to_first.first() == Some(&0xe9) && first.as_ref().is_some_and(begins);
        Some(Self {
            slot,
            at,
            fits: [jumps, pushes, is_number, leaves]
                .iter()
                .filter(|fits| **fits)
                .count(),
            jumps,
            first: first.filter(|_| leaves),
        })
    }
}

/// The four bytes of a distance or a number.
fn distance(bytes: &[u8]) -> Option<i64> {
    let bytes = bytes.first_chunk::<4>()?;
    Some(i32::from_le_bytes(*bytes).into())
}

/// Stubs of what is bound at once: a jump through a slot, and two bytes to fill.
fn direct_stubs<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>, faults: &mut Faults) {
    let endian = image.endian;
    for section in image.sections.iter() {
        let entry: u64 = section.sh_entsize(endian).into();
        if entry != 8 || image.sections.section_name(endian, section) != Ok(b".plt.got") {
            continue;
        }
        let address: u64 = section.sh_addr(endian).into();
        let Some((at, bytes)) = image.memory.range(address, section.sh_size(endian).into()) else {
            continue;
        };
        let (stubs, _) = bytes.as_chunks::<8>();
        for (number, stub) in (0u64..).zip(stubs).take(MAX_SLOTS) {
            let skip = number.saturating_mul(8);
            let end = address.wrapping_add(skip).wrapping_add(6);
            let slot = stub.get(2..).and_then(distance);
            let slot = slot.map(|distance| end.wrapping_add_signed(distance));
            let leads = slot.is_some_and(|slot| image.memory.may(elf::PF_W, slot));
            if !stub.starts_with(&[0xff, 0x25]) || !leads || !stub.ends_with(&[0x66, 0x90]) {
                let what = format!(
                    "the stub at {:#x} is not what linkers write",
                    end.wrapping_sub(6)
                );
                faults.add(Reply::Unknown, what, at.saturating_add(skip));
            }
        }
    }
}
