//! ELF symbol tables: which table to read, how long it is, what is kept.

use std::collections::HashSet;

use object::Endianness;
use object::elf;
use object::pod;
use object::read::elf::{FileHeader, SectionHeader, Sym};

use super::dynamic::Dynamic;
use super::error::{bad, within};
use super::hash::Hashes;
use super::image::Image;
use super::table::Table;
use crate::container::names::{
    concerns_tvm, is_blob_symbol, is_context_symbol, is_llvm, opens, undefined_concerns_tvm,
};
use crate::container::regions::RegionIndex;
use crate::container::symbols::Names;
use crate::container::{DefinedSymbol, ForeignSymbol, Region, UndefinedSymbol};
use crate::error::DecodeError;

/// What is kept of the symbols.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) defined: Vec<DefinedSymbol>,
    pub(super) undefined: Vec<UndefinedSymbol>,
    /// Their numbers in the table.
    pub(super) undefined_at: Vec<u32>,
    pub(super) foreign: Vec<ForeignSymbol>,
    pub(super) opens: bool,
    /// A strong global of LLVM.
    pub(super) visible_llvm: Option<String>,
}

/// How a symbol's value leads to a region.
pub(super) enum Placement<'a> {
    /// Linked file: the value is an address.
    Address(RegionIndex),
    /// Object: the value is an offset in the section; section to region.
    Section(&'a [Option<usize>]),
}

/// The dynamic symbol table, found as the loader finds it. Its length is
/// written nowhere: the section header says it, else a hash table, else the
/// string table that follows it.
pub(super) fn dynamic_table<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
    dynamic: &Dynamic,
) -> Result<Option<Table<'data, Elf>>, DecodeError> {
    let Some(address) = dynamic.get(elf::DT_SYMTAB) else {
        return Ok(None);
    };
    let Some((at, rest)) = image.memory.at(address) else {
        return Err(DecodeError::new(
            0,
            "a dynamic symbol table inside a segment",
            format!("DT_SYMTAB {address:#x}"),
        ));
    };
    let entry = size_of::<Elf::Sym>();
    let room = rest.len().checked_div(entry).unwrap_or(0);
    let count = dynamic_count(image, dynamic, address, entry)
        .unwrap_or(0)
        .min(room);
    let (symbols, _) = pod::slice_from_bytes::<Elf::Sym>(rest, count)
        .map_err(|()| DecodeError::new(at, "a dynamic symbol table", "bytes that do not fit"))?;
    let (strings_at, strings) = dynamic.strings(image);
    Ok(Some(Table {
        symbols,
        strings,
        strings_at,
    }))
}

fn dynamic_count<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    address: u64,
    entry: usize,
) -> Option<usize> {
    let endian = image.endian;
    let by_section = image
        .section_of_type(elf::SHT_DYNSYM)
        .filter(|section| section.sh_addr(endian).into() == address)
        .and_then(|section| usize::try_from(section.sh_size(endian).into()).ok())
        .and_then(|size| size.checked_div(entry));
    by_section
        .or_else(|| Hashes::sysv(image, dynamic)?.count())
        .or_else(|| Hashes::gnu(image, dynamic)?.count())
        .or_else(|| {
            let gap = dynamic.get(elf::DT_STRTAB)?.checked_sub(address)?;
            usize::try_from(gap).ok()?.checked_div(entry)
        })
}

/// The full symbol table (`.symtab`), where the file still has one. No loader reads that of
/// a linked file: one that cannot be read is none.
pub(super) fn full_table<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
) -> Result<Option<Table<'data, Elf>>, DecodeError> {
    match section_table(image) {
        Err(_) if image.header.e_type(image.endian) != elf::ET_REL => Ok(None),
        table => table,
    }
}

fn section_table<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
) -> Result<Option<Table<'data, Elf>>, DecodeError> {
    let endian = image.endian;
    let Some(section) = image.section_of_type(elf::SHT_SYMTAB) else {
        return Ok(None);
    };
    let at = section.sh_offset(endian).into();
    within(
        image.data,
        at,
        section.sh_size(endian).into(),
        "an ELF symbol table",
    )?;
    let symbols = section
        .data_as_array(endian, image.data)
        .map_err(|error| bad(at, "an ELF symbol table", error))?;
    let strings = image
        .sections
        .section(section.link(endian))
        .map_err(|error| bad(at, "the symbol table's string section", error))?;
    let strings_at = strings.sh_offset(endian).into();
    let strings = strings
        .data(endian, image.data)
        .map_err(|error| bad(strings_at, "an ELF string table", error))?;
    Ok(Some(Table {
        symbols,
        strings,
        strings_at,
    }))
}

/// Keeps the symbols that concern TVM; in a part of a model library, all
/// global functions too. Those that are `copied` from a library are asked of it.
pub(super) fn keep<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    table: &Table<'_, Elf>,
    placement: &Placement<'_>,
    copied: &HashSet<u32>,
) -> Result<Kept, DecodeError> {
    let mut names = Names::new(table.strings, table.strings_at, image.data.len());
    let mut kept = Kept::default();
    for (number, symbol) in (0u32..).zip(table.symbols) {
        let offset = symbol.st_name(image.endian).into();
        let is_copied = copied.contains(&number);
        let undefined = is_copied || symbol.is_undefined(image.endian);
        let start = names.start(offset);
        let llvm = !undefined
            && kept.visible_llvm.is_none()
            && symbol.st_bind() == elf::STB_GLOBAL
            && is_llvm(start);
        if !undefined && !llvm && !names.may_concern_tvm(start) {
            continue;
        }
        let Some(name) = names.get(offset)? else {
            continue;
        };
        // `dlsym` finds a symbol that has an address and no section, as it is asked for what
        // TVM generates. The library's own calls pass it over and go to another library's.
        let is_generated = concerns_tvm(name) && !name.starts_with(b"TVM");
        if undefined && (is_copied || image.is_undefined(symbol) || !is_generated) {
            kept.opens |= opens(name);
            if undefined_concerns_tvm(name) {
                kept.undefined.push(UndefinedSymbol {
                    weak: symbol.is_weak(),
                    ..UndefinedSymbol::new(names.keep(name)?)
                });
                kept.undefined_at.push(number);
            }
        } else if concerns_tvm(name) {
            let name = names.keep(name)?;
            kept.defined.push(define(image, symbol, name, placement));
        } else if llvm {
            kept.visible_llvm = Some(names.keep(name)?);
        }
    }
    let object = matches!(placement, Placement::Section(_));
    let of_model_library = kept
        .defined
        .iter()
        .any(|symbol| is_blob_symbol(&symbol.name) || is_context_symbol(&symbol.name))
        || (object && !(kept.defined.is_empty() && kept.undefined.is_empty()));
    if of_model_library {
        keep_functions(image, table, placement, &mut names, &mut kept)?;
    }
    Ok(kept)
}

fn keep_functions<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    table: &Table<'_, Elf>,
    placement: &Placement<'_>,
    names: &mut Names<'_>,
    kept: &mut Kept,
) -> Result<(), DecodeError> {
    for symbol in table.symbols {
        let function = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC);
        if !function || symbol.is_local() || symbol.is_undefined(image.endian) {
            continue;
        }
        if let Some(name) = names.get(symbol.st_name(image.endian).into())?
            && !concerns_tvm(name)
        {
            let name = names.keep(name)?;
            kept.defined.push(define(image, symbol, name, placement));
        }
    }
    Ok(())
}

/// Keeps the local handle caches and initialisers that only `.symtab` names.
pub(super) fn keep_locals<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    table: &Table<'_, Elf>,
    placement: &Placement<'_>,
    kept: &mut Kept,
) -> Result<(), DecodeError> {
    let mut names = Names::new(table.strings, table.strings_at, image.data.len());
    for symbol in table.symbols {
        if !symbol.is_local() || symbol.is_undefined(image.endian) {
            continue;
        }
        let offset = symbol.st_name(image.endian).into();
        if names.may_concern_tvm(names.start(offset))
            && let Some(name) = names.get(offset)?
            && concerns_tvm(name)
        {
            let name = names.keep(name)?;
            kept.defined.push(define(image, symbol, name, placement));
        }
    }
    Ok(())
}

fn define<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    symbol: &Elf::Sym,
    name: String,
    placement: &Placement<'_>,
) -> DefinedSymbol {
    let value: u64 = symbol.st_value(image.endian).into();
    let place = match placement {
        Placement::Address(index) => index.find(value),
        Placement::Section(regions) => symbol
            .st_shndx(image.endian)
            .index()
            .and_then(|section| regions.get(usize::from(section)).copied().flatten())
            .map(|region| (region, value)),
    };
    let hidden = matches!(symbol.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL);
    DefinedSymbol {
        size: Some(symbol.st_size(image.endian).into()),
        weak: symbol.is_weak(),
        exported: !symbol.is_local() && !hidden,
        ..DefinedSymbol::new(name, value, place)
    }
}

/// Calls `visit` with every symbol defined for others, until it returns `false`.
pub(super) fn each_export<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    table: &Table<'_, Elf>,
    visit: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), DecodeError> {
    let mut names = Names::new(table.strings, table.strings_at, image.data.len());
    for symbol in table.symbols {
        if image.is_undefined(symbol) || symbol.is_local() {
            continue;
        }
        if let Some(name) = names.get(symbol.st_name(image.endian).into())?
            && !name.is_empty()
            && !visit(name)
        {
            break;
        }
    }
    Ok(())
}

/// The regions that symbols of a linked file point into.
pub(super) fn by_address(regions: &[Region<'_>]) -> Placement<'static> {
    Placement::Address(RegionIndex::new(regions))
}
