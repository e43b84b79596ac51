//! Whether the loader finds the symbols that a library defines: by the hash table, as
//! it looks for them, and by what it asks of a symbol that it takes.

use std::collections::HashSet;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};

use crate::container::Reply;
use crate::container::elf::dynamic::Dynamic;
use crate::container::elf::hash::Hashes;
use crate::container::elf::image::Image;
use crate::container::elf::memory::pages;
use crate::container::elf::relocations::met;
use crate::container::elf::table::Table;
use crate::container::faults::Faults;
use crate::container::names::{concerns_tvm, is_blob_symbol, is_context_symbol};
use crate::container::symbols::Names;

/// Bytes of a name that are shown.
const MAX_SHOWN: usize = 80;
/// Symbols whose chains are followed, of one library.
const MAX_STEPS: usize = 1 << 24;

pub(super) fn check<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
    faults: &mut Faults,
) {
    first_symbol(image, dynamic, table, faults);
    wanted(image, dynamic, table, faults);
    let Some(hashes) = hashes(image, dynamic, table.symbols.len(), faults) else {
        return;
    };
    let mut steps = MAX_STEPS;
    let mut names = Names::new(table.strings, table.strings_at, image.data.len());
    for (number, symbol) in table.symbols.iter().enumerate().skip(1) {
        let of_others = symbol.is_local() || symbol.is_undefined(image.endian);
        let is_section = symbol.st_type() == elf::STT_SECTION;
        if of_others && (is_section || !hashes.counts(number)) {
            continue;
        }
        // More names than the table can hold are a fault of their own.
        let Ok(name) = names.get(symbol.st_name(image.endian).into()) else {
            return;
        };
        let Some(name) = name else {
            let what = format!("symbol {number} has its name outside the table");
            match symbol.st_type() {
                _ if of_others => {}
                elf::STT_FUNC => faults.lost(Reply::NotFound, b"", what, hashes.at),
                _ => faults.add(Reply::NotFound, what, hashes.at),
            }
            continue;
        };
        if is_elsewhere(image, symbol, name) {
            continue;
        }
        let hash = hashes.of_name(name);
        let is_found = hashes.lets_through(hash)
            && hashes
                .candidates(hash, table.symbols.len(), &mut steps)
                .any(|found| found == number);
        // Tables that define nothing count undefined symbols too, and lead to none.
        let is_defined = !symbol.is_undefined(image.endian);
        let (why, reply) = match refused(image, symbol, name) {
            Some(why) if is_found || is_defined => why,
            None if !is_found => ("is not found by its hash", Reply::NotFound),
            _ => continue,
        };
        if steps == 0 || faults.is_full() {
            return;
        }
        let shown = name.get(..MAX_SHOWN).unwrap_or(name);
        let what = format!("`{}` {why}", String::from_utf8_lossy(shown));
        match is_asked_for(image, dynamic, name, number, is_defined) {
            true if is_function(symbol, name) && !is_met(image, dynamic, number) => {
                faults.lost(reply, name, what, hashes.at);
            }
            true => faults.add(reply, what, hashes.at),
            false => {
                let what = format!("{what}; neither the loader nor TVM asks for it");
                faults.add(Reply::Unasked, what, hashes.at);
            }
        }
    }
}

/// Whether a symbol is another library's, whatever section it is said to be in: it has no
/// address here. What TVM generates is never another's.
fn is_elsewhere<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    symbol: &Elf::Sym,
    name: &[u8],
) -> bool {
    let address: u64 = symbol.st_value(image.endian).into();
    address == 0
        && symbol.st_shndx(image.endian) != elf::SHN_ABS
        && symbol.st_type() != elf::STT_TLS
        && (!concerns_tvm(name) || name.starts_with(b"TVM"))
}

/// Whether anything looks a symbol up in this library: TVM, which asks for its own names
/// and up to 0.21 for any that a compiler has not reserved, or one of its relocations.
fn is_asked_for<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    name: &[u8],
    number: usize,
    is_defined: bool,
) -> bool {
    // An undefined symbol is looked for elsewhere, by a hash that the loader works out.
    if !is_defined {
        return false;
    }
    let is_reserved = name.starts_with(b"_")
        && ![&b"tvm"[..], b"TVM", b"vmtir"]
            .iter()
            .any(|word| memchr::memmem::find(name, word).is_some());
    !is_reserved || is_met(image, dynamic, number)
}

/// Whether a relocation names a symbol.
fn is_met<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    number: usize,
) -> bool {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    !met(image, dynamic, &HashSet::from([number])).is_empty()
}

/// The first symbol of every table is empty; what begins with another is no such table.
fn first_symbol<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
    faults: &mut Faults,
) {
    let section = image.section_of_type(elf::SHT_DYNSYM);
    let by_section = section.map(|section| section.sh_addr(image.endian).into());
    let is_empty = by_section == dynamic.get(elf::DT_SYMTAB)
        || table.symbols.first().is_some_and(|symbol| {
            symbol.st_name(image.endian) == 0
                && symbol.st_value(image.endian).into() == 0
                && symbol.is_undefined(image.endian)
        });
    if !is_empty && let Some(entry) = dynamic.entry(elf::DT_SYMTAB) {
        let what = format!(
            "no table of symbols is at {:#x}, where DT_SYMTAB leads",
            entry.value
        );
        faults.add(Reply::Crash, what, entry.offset);
    }
}

/// Symbols of other libraries have a name, and are looked for everywhere.
fn wanted<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
    faults: &mut Faults,
) {
    let endian = image.endian;
    let at = dynamic
        .entry(elf::DT_SYMTAB)
        .map_or(0, |entry| entry.offset);
    let undefined = table.symbols.iter().enumerate().skip(1);
    let undefined = undefined.filter(|(_, symbol)| symbol.is_undefined(endian));
    let has_no_name = |symbol: &Elf::Sym| {
        let name = usize::try_from(symbol.st_name(endian)).unwrap_or(usize::MAX);
        match table.strings.get(name) {
            Some(first) => *first == 0 && symbol.st_bind() == elf::STB_GLOBAL,
            None => true,
        }
    };
    let nameless: Vec<usize> = undefined
        .clone()
        .filter_map(|(number, symbol)| has_no_name(symbol).then_some(number))
        .collect();
    if let Some((first, more)) = nameless.split_first() {
        let what = match more.len() {
            0 => format!("symbol {first} has no name, or outside the table"),
            more => format!("symbol {first} and {more} more have their names outside the table"),
        };
        faults.add(Reply::Crash, what, at);
    }
    // GNU's hash table leads to no such symbol, the other to all.
    let is_met = !dynamic.has(elf::DT_GNU_HASH);
    for (number, symbol) in undefined {
        let value: u64 = symbol.st_value(endian).into();
        if is_met && value != 0 && !faults.is_full() {
            let what = format!("symbol {number} is of another library and has an address here");
            faults.add(Reply::Crash, what, at);
        }
        if symbol.st_visibility() != elf::STV_DEFAULT
            && !nameless.contains(&number)
            && !faults.is_full()
        {
            let what = format!("symbol {number} is of another library and hidden");
            faults.add(Reply::Crash, what, at);
        }
    }
}

/// Why a symbol of the hash table is not taken, or leads nowhere, and what comes of it.
fn refused<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    symbol: &Elf::Sym,
    name: &[u8],
) -> Option<(&'static str, Reply)> {
    let is_global = matches!(
        symbol.st_bind(),
        elf::STB_GLOBAL | elf::STB_WEAK | elf::STB_GNU_UNIQUE
    );
    let is_of_kind = matches!(
        symbol.st_type(),
        elf::STT_NOTYPE
            | elf::STT_OBJECT
            | elf::STT_FUNC
            | elf::STT_COMMON
            | elf::STT_TLS
            | elf::STT_GNU_IFUNC
    );
    let value: u64 = symbol.st_value(image.endian).into();
    let is_data = is_data(name);
    // TVM asks for the address of data, and a resolver is run for it.
    let is_function = match symbol.st_type() {
        elf::STT_FUNC => !is_data,
        kind => kind == elf::STT_GNU_IFUNC,
    };
    // Numbers and offsets are no addresses.
    let is_address =
        symbol.st_shndx(image.endian) != elf::SHN_ABS && symbol.st_type() != elf::STT_TLS;
    if image.is_undefined(symbol) {
        Some(("is in the hash table and not defined", Reply::NotFound))
    } else if !is_global {
        Some(("is in the hash table and not global", Reply::NotFound))
    } else if !is_of_kind {
        let why = "is of a kind that the loader passes over";
        Some((why, Reply::NotFound))
    } else if matches!(symbol.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL) {
        Some(("is in the hash table and hidden", Reply::NotFound))
    } else if symbol.st_type() == elf::STT_TLS && !has_thread_local(image) {
        let why = "is thread-local, and the library has no such memory";
        Some((why, Reply::Crash))
    } else if symbol.st_type() == elf::STT_GNU_IFUNC && concerns_tvm(name) {
        let why = "is chosen by a function, which TVM compiles none of";
        Some((why, Reply::Crash))
    } else if is_address && !is_mapped(image, value) {
        Some(("is outside the library by its own address", Reply::NotFound))
    } else if is_address && is_function && !image.memory.may(elf::PF_X, value) {
        let why = "is a function by its own words, and no code";
        Some((why, Reply::Crash))
    } else if !is_address && is_data {
        let why = "is a number or thread-local, and TVM reads the memory at its address";
        Some((why, Reply::Crash))
    } else {
        None
    }
}

fn has_thread_local<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>) -> bool {
    let mut headers = image.segments.iter();
    headers.any(|header| header.p_type(image.endian) == elf::PT_TLS)
}

/// Whether an address is in the library, whose last page is mapped as a whole.
fn is_mapped<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>, value: u64) -> bool {
    let addresses = &image.memory.addresses;
    let last = pages(*addresses.end());
    (*addresses.start()..=last).contains(&value)
}

/// Whether a symbol is one of many that a program may ask for. What is no function is a slot
/// or the model itself.
fn is_function<S: Sym<Endian = Endianness>>(symbol: &S, name: &[u8]) -> bool {
    symbol.st_type() == elf::STT_FUNC || (name.starts_with(b"__tvm_ffi_") && !is_data(name))
}

/// Whether TVM looks a symbol up for data: a model's modules, or its context.
fn is_data(name: &[u8]) -> bool {
    let name = std::str::from_utf8(name).unwrap_or_default();
    is_blob_symbol(name) || is_context_symbol(name)
}

/// The table that the loader uses.
fn hashes<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
    dynamic: &Dynamic,
    symbols: usize,
    faults: &mut Faults,
) -> Option<Hashes<'data>> {
    let mut tags = [elf::DT_GNU_HASH, elf::DT_HASH].into_iter();
    let Some(address) = tags.find_map(|tag| dynamic.get(tag)) else {
        let what = String::from("the library has no hash table: none of its symbols is found");
        faults.add(Reply::NotFound, what, 0);
        return None;
    };
    let (at, _) = image.memory.at(address)?;
    let found = match dynamic.has(elf::DT_GNU_HASH) {
        true => Hashes::gnu(image, dynamic),
        false => Hashes::sysv(image, dynamic),
    };
    if found.is_none() {
        let what = String::from("the hash table of symbols is larger than its segment");
        faults.add(Reply::Crash, what, at);
    }
    if found.as_ref().is_some_and(|found| found.leads_out(symbols)) {
        let what = String::from("the hash table of symbols leads behind its end");
        faults.add(Reply::Crash, what, at);
    }
    let words = found.as_ref().and_then(Hashes::filter);
    if let Some(words) = words.filter(|words| !words.is_power_of_two()) {
        let what =
            format!("the filter of the hash table has {words} words, which is not a power of two");
        faults.add(Reply::Assertion, what, at);
        return None;
    }
    found
}
