//! Relocations: where they write, what they write, and of which symbol.
//!
//! Linkers write each place once, in the file's part of a segment that may be written,
//! the relative ones first and in order. A relative one leaves either nothing or its
//! addend in the file, all of a library the same way; a slot of a function that is
//! bound late leads to code.

use std::collections::HashSet;

use object::Endianness;
use object::elf;
use object::pod;
use object::read::elf::{FileHeader, Rela, Sym};

use super::targets::Targets;
use crate::container::Reply;
use crate::container::elf::dynamic::Dynamic;
use crate::container::elf::image::Image;
use crate::container::elf::memory::Memory;
use crate::container::elf::relocations::LISTS;
use crate::container::elf::table::Table;
use crate::container::faults::{Faults, out_of};

/// The types that a machine's loader and linkers know.
#[derive(Clone, Copy)]
struct Types {
    relative: u32,
    slot: u32,
    global: u32,
    indirect: u32,
    descriptor: u32,
    /// Whether the addend of a slot counts.
    adds: bool,
    /// Of thread-local variables.
    local: &'static [u32],
    /// The others.
    more: &'static [u32],
    /// Only with relocations in code.
    in_text: &'static [u32],
}

const X86_64: Types = Types {
    relative: 8,
    slot: 7,
    global: 6,
    indirect: 37,
    descriptor: 36,
    adds: false,
    local: &[16, 17, 18],
    more: &[1, 33],
    in_text: &[2, 10, 24],
};
const AARCH64: Types = Types {
    relative: 1027,
    slot: 1026,
    global: 1025,
    indirect: 1032,
    descriptor: 1031,
    adds: true,
    local: &[1028, 1029, 1030],
    more: &[257],
    in_text: &[],
};

/// One relocation.
#[derive(Clone, Copy)]
struct One {
    place: u64,
    kind: u32,
    symbol: u32,
    addend: i64,
    /// Where it is in the file.
    at: u64,
}

pub(super) fn check<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
    odd: &HashSet<u32>,
    faults: &mut Faults,
) {
    let types = match image.header.e_machine(image.endian) {
        elf::EM_X86_64 => X86_64,
        _ => AARCH64,
    };
    let mut checker = Checker {
        memory: &image.memory,
        types,
        endian: image.endian,
        symbols: table.symbols,
        is_lazy: dynamic.is_lazy(),
        in_text: dynamic.has_text_relocations(),
        targets: Targets::new(&image.memory),
        odd,
        has_slot: vec![false; table.symbols.len()],
        has_global: vec![false; table.symbols.len()],
        first_slot: None,
        has_indirect: false,
        twice: Vec::new(),
    };
    let memory = &image.memory;
    let counted = dynamic.get(elf::DT_RELACOUNT).unwrap_or(0);
    // The loader takes the beginning of an entry for the whole.
    let table_of = |address, size| {
        let step = if size == elf::DT_RELRSZ { 8 } else { 24 };
        let size = dynamic.get(size)?.checked_next_multiple_of(step)?;
        let start = dynamic.get(address)?;
        // Both lists may share entries.
        let next = dynamic
            .get(elf::DT_JMPREL)
            .filter(|_| address == elf::DT_RELA);
        let room = next
            .and_then(|next| next.checked_sub(start))
            .filter(|room| *room > 0);
        memory.range(start, room.map_or(size, |room| room.min(size)))
    };
    let kinds = [(counted, false), (0, true)];
    for ((address, size), (counted, of_functions)) in LISTS.into_iter().zip(kinds) {
        if let Some((at, bytes)) = table_of(address, size) {
            checker.list::<Elf::Rela>(at, bytes, counted, of_functions, faults);
        }
    }
    if let Some((at, bytes)) = table_of(elf::DT_RELR, elf::DT_RELRSZ) {
        checker.targets.packed(at, bytes, memory, faults);
    }
    checker.twice(faults);
    checker.targets.finish(&image.memory, faults);
    let is_packed = [
        elf::DT_ANDROID_RELA,
        elf::DT_ANDROID_REL,
        elf::DT_ANDROID_RELR,
    ];
    if !is_packed.iter().any(|tag| dynamic.has(*tag)) {
        checker.arrays(dynamic, faults);
    }
    checker.first_slot(dynamic, faults);
}

struct Checker<'a, 'data, S> {
    memory: &'a Memory<'data>,
    types: Types,
    endian: Endianness,
    symbols: &'data [S],
    is_lazy: bool,
    in_text: bool,
    targets: Targets<'a, 'data>,
    /// Symbols whose version is not listed.
    odd: &'a HashSet<u32>,
    /// The symbols that have a slot.
    has_slot: Vec<bool>,
    /// Those that have a word with their address.
    has_global: Vec<bool>,
    first_slot: Option<u64>,
    has_indirect: bool,
    /// Those of a symbol that another of the same type names.
    twice: Vec<One>,
}

impl<S: Sym<Endian = Endianness>> Checker<'_, '_, S> {
    fn list<R: Rela<Endian = Endianness>>(
        &mut self,
        at: u64,
        bytes: &[u8],
        counted: u64,
        of_functions: bool,
        faults: &mut Faults,
    ) {
        let size = size_of::<R>();
        let count = bytes.len().checked_div(size).unwrap_or(0);
        let Ok((all, _)) = pod::slice_from_bytes::<R>(bytes, count) else {
            return;
        };
        let (plain, mut before) = self.plain(bytes, counted);
        for (number, entry) in (0u64..).zip(all).skip(plain) {
            let one = One {
                place: entry.r_offset(self.endian).into(),
                kind: entry.r_type(self.endian, false).0,
                symbol: entry.r_sym(self.endian, false),
                addend: entry.r_addend(self.endian).into(),
                at: at.saturating_add(number.saturating_mul(size as u64)),
            };
            let found = if number < counted && one.kind != self.types.relative {
                let what = format!("is of type {:#x} among the relative ones", one.kind);
                Some((Reply::Assertion, what))
            } else if number < counted && one.place <= before && number > 0 {
                Some((Reply::Crash, String::from("is out of order")))
            } else {
                self.one(&one, of_functions).err()
            };
            before = one.place;
            if let Some((reply, what)) = found {
                let what = format!("the relocation of {:#x} {what}", one.place);
                faults.add(reply, what, one.at);
                if faults.is_full() {
                    return;
                }
            }
        }
    }

    /// How many of the relative ones at the start are as linkers write them, and the place
    /// of the last: nearly all of a compiler's million.
    fn plain(&mut self, bytes: &[u8], counted: u64) -> (usize, u64) {
        let (all, _) = bytes.as_chunks::<24>();
        let count = usize::try_from(counted).unwrap_or(usize::MAX);
        let all = all.get(..count).unwrap_or(all);
        let relative = u64::from(self.types.relative);
        self.targets.plain(all, relative, &self.memory.addresses)
    }

    fn one(&mut self, one: &One, of_functions: bool) -> Result<(), (Reply, String)> {
        let types = self.types;
        let crash = |what: &str| Err((Reply::Crash, what.to_owned()));
        if one.kind == 0 && one.place == 0 {
            return Ok(());
        }
        let is_relative = one.kind == types.relative;
        let is_of_function = [types.slot, types.indirect, types.descriptor].contains(&one.kind);
        let is_local = types.local.contains(&one.kind) || one.kind == types.descriptor;
        let is_in_text = self.in_text && types.in_text.contains(&one.kind);
        let is_known = is_relative
            || is_of_function
            || is_local
            || is_in_text
            || one.kind == types.global
            || types.more.contains(&one.kind);
        if !is_known || (of_functions && self.is_lazy && !is_of_function) {
            let what = format!("is of type {:#x}, which no library has there", one.kind);
            return Err((Reply::Type, what));
        }
        self.has_indirect |= one.kind == types.indirect;
        if is_relative || one.kind == types.indirect {
            // The addend of a relocation by name is nothing: this is such a one.
            if one.symbol != 0 && one.addend == 0 {
                return crash("names a symbol and is of the type without one");
            }
            let address = one.addend.cast_unsigned();
            if !self.memory.addresses.contains(&address) {
                // Such a word tells libraries apart and leads nowhere.
                let is_own = self.targets.content(one.place) == Some(one.place);
                let reply = match is_own {
                    true => Reply::Unknown,
                    false => out_of(&self.memory.addresses, address),
                };
                return Err((reply, String::from("leads out of the library")));
            }
            if one.kind == types.indirect && !self.memory.may(elf::PF_X, address) {
                return crash("calls what is not code");
            }
        } else {
            self.symbol(one, is_local)?;
        }
        let unused = self.unused_addend(one);
        let addend = is_relative.then_some(one.addend);
        if let Err(what) = self.targets.mark(one.place, one.at, addend)
            && !self.in_text
        {
            return crash(what);
        }
        if one.kind == types.slot {
            self.first_slot = Some(self.first_slot.unwrap_or(u64::MAX).min(one.place));
            let content = self.targets.content(one.place).unwrap_or(0);
            if of_functions && self.is_lazy && !self.memory.may(elf::PF_X, content) {
                return crash("is of a slot that does not lead to code");
            }
        }
        unused
    }

    /// An addend that the psABI of x86-64 tells loaders to pass over.
    fn unused_addend(&self, one: &One) -> Result<(), (Reply, String)> {
        let is_plain = [self.types.global, self.types.slot].contains(&one.kind);
        if !is_plain || one.addend == 0 || self.types.adds {
            return Ok(());
        }
        let what = "adds to the address of what it names, as glibc did up to 2.35";
        Err((Reply::Unasked, what.to_owned()))
    }

    /// What a relocation says of its symbol.
    fn symbol(&mut self, one: &One, is_local: bool) -> Result<(), (Reply, String)> {
        let crash = |what: String| Err((Reply::Crash, what));
        let number = usize::try_from(one.symbol).unwrap_or(usize::MAX);
        let Some(symbol) = self.symbols.get(number) else {
            let count = self.symbols.len();
            return crash(format!("names symbol {number} of {count}"));
        };
        if number == 0 {
            return match is_local {
                true => Ok(()),
                false => crash(String::from("names no symbol")),
            };
        }
        // At its first call a function is looked for whatever it is.
        let is_late = self.is_lazy && one.kind == self.types.slot;
        if symbol.is_local() && symbol.is_undefined(self.endian) && !is_late {
            return crash(format!("names symbol {number}, which nothing defines"));
        }
        let is_variable = symbol.st_type() == elf::STT_TLS;
        // Of its own variables a library may name the section, or any symbol.
        let is_own = symbol.is_local() && is_local;
        if is_variable != is_local && !is_own && !symbol.is_undefined(self.endian) {
            return crash(format!(
                "is of type {:#x}, which symbol {number} is not",
                one.kind
            ));
        }
        if self.odd.contains(&one.symbol) {
            let what = format!("names symbol {number}, whose version the library does not list");
            return Err((Reply::Unknown, what));
        }
        // A slot that is filled late gets the plain address.
        let is_plain =
            one.kind == self.types.global || (one.kind == self.types.slot && !self.is_lazy);
        if one.addend != 0 && is_plain && self.types.adds {
            return crash(String::from("adds to the address of what it names"));
        }
        let known = match one.kind {
            kind if kind == self.types.slot => self.has_slot.get_mut(number),
            kind if kind == self.types.global => self.has_global.get_mut(number),
            _ => None,
        };
        if known.is_some_and(|known| std::mem::replace(known, true)) {
            self.twice.push(*one);
        }
        Ok(())
    }

    /// Linkers give a symbol one slot of a type. Tools that move functions (BOLT) give many
    /// a second; a single one is a relocation that names the wrong symbol.
    fn twice(&self, faults: &mut Faults) {
        if let [one] = &self.twice[..] {
            let (place, symbol) = (one.place, one.symbol);
            let what = format!(
                "the relocation of {place:#x} names symbol {symbol}, which has a slot already"
            );
            faults.add(Reply::Crash, what, one.at);
        }
    }

    /// Every word of the lists of functions that are called is relocated: a plain number
    /// there is no address.
    fn arrays(&self, dynamic: &Dynamic, faults: &mut Faults) {
        let arrays = [
            (elf::DT_INIT_ARRAY, elf::DT_INIT_ARRAYSZ, "opened"),
            (elf::DT_FINI_ARRAY, elf::DT_FINI_ARRAYSZ, "closed"),
        ];
        for (address, size, when) in arrays {
            let (Some(address), Some(entry)) = (dynamic.get(address), dynamic.entry(size)) else {
                continue;
            };
            if let Some(place) = self.targets.first_unmarked(address, entry.value) {
                let what = format!(
                    "the list of functions to call when the library is {when} has no address at {place:#x}"
                );
                faults.add(Reply::Crash, what, entry.offset);
            }
        }
    }

    /// The loader writes its own two words in front of the first slot.
    fn first_slot(&self, dynamic: &Dynamic, faults: &mut Faults) {
        let entry = dynamic.entry(elf::DT_PLTGOT);
        if let Some((entry, first)) = entry.zip(self.first_slot)
            && entry.value.checked_add(24) == Some(first)
        {
            let own = [8, 16].map(|skip| entry.value.saturating_add(skip));
            let is_written = |place: &u64| self.targets.first_unmarked(*place, 8).is_none();
            if let Some(place) = own.into_iter().find(is_written) {
                let what = format!("a relocation writes over the loader's own word at {place:#x}");
                faults.add(Reply::Crash, what, entry.offset);
            }
        }
        // Slots that are filled at once are filled without it.
        if !self.is_lazy {
            return;
        }
        let wanted = self.first_slot.filter(|_| !self.has_indirect);
        // glibc takes a first word that is not zero for that of a prelinked library.
        if let Some(entry) = entry.filter(|_| self.first_slot.is_some())
            && let Some(word) = entry.value.checked_add(8)
            && self.targets.content(word).is_some_and(|word| word != 0)
        {
            let what = format!("the loader's own word at {word:#x} is not empty");
            faults.add(Reply::Crash, what, entry.offset);
        }
        match (entry, wanted) {
            (Some(entry), Some(first)) if entry.value.checked_add(24) != Some(first) => {
                let what = format!(
                    "DT_PLTGOT is {:#x}, and the slots of functions begin at {first:#x}",
                    entry.value
                );
                faults.add(Reply::Crash, what, entry.offset);
            }
            (Some(entry), _) if !self.memory.may(elf::PF_W, entry.value) => {
                let what = format!("DT_PLTGOT is {:#x}, which may not be written", entry.value);
                faults.add(Reply::Crash, what, entry.offset);
            }
            (None, Some(_)) => {
                let what =
                    String::from("the dynamic section has slots of functions and no DT_PLTGOT");
                faults.add(Reply::Crash, what, 0);
            }
            _ => {}
        }
    }
}
