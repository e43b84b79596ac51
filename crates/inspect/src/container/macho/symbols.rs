//! Mach-O symbols: the undefined range of the symbol table, and of what is
//! defined only what concerns TVM.
//!
//! A compiler library has fifty thousand external definitions. Where there are
//! many, names of interest are looked up in the export trie instead.

use object::Endianness;
use object::macho;
use object::read::macho::{MachHeader, Nlist};

use super::image::{Image, bytes_at};
use super::trie::{Export, Trie};
use crate::container::names::{
    concerns_tvm, is_blob_symbol, is_context_symbol, opens, undefined_concerns_tvm,
};
use crate::container::regions::RegionIndex;
use crate::container::symbols::Names;
use crate::container::{DefinedSymbol, ForeignSymbol, UndefinedSymbol, system_symbols};
use crate::error::DecodeError;

/// External definitions up to this number are read one by one.
const MANY_DEFINITIONS: usize = 8192;

/// Beginnings of the names that [`concerns_tvm`] keeps in a library that is
/// not a system library, with Mach-O's underscore.
const PREFIXES: [&[u8]; 3] = [b"_TVM", b"___TVM", b"___tvm"];

/// What is kept of the symbols.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) defined: Vec<DefinedSymbol>,
    pub(super) undefined: Vec<UndefinedSymbol>,
    pub(super) foreign: Vec<ForeignSymbol>,
    pub(super) opens: bool,
}

/// The symbol table, split as `LC_DYSYMTAB` says.
pub(super) struct Table<'data, Mach: MachHeader> {
    pub(super) all: &'data [Mach::Nlist],
    external: &'data [Mach::Nlist],
    undefined: &'data [Mach::Nlist],
    pub(super) strings: &'data [u8],
    strings_at: u64,
}

/// The symbol table of an image; `None` where it was stripped.
pub(super) fn table<'data, Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'data, Mach>,
) -> Result<Option<Table<'data, Mach>>, DecodeError> {
    let endian = image.endian;
    let Some(command) = image.symbols else {
        return Ok(None);
    };
    let at = u64::from(command.symoff.get(endian));
    let all = command
        .symbols::<Mach, _>(endian, image.data)
        .map_err(|error| super::image::bad(at, "a Mach-O symbol table", error))?
        .symbols();
    let strings_at = u64::from(command.stroff.get(endian));
    let size = u64::from(command.strsize.get(endian));
    let strings = bytes_at(image.data, strings_at, size).ok_or_else(|| {
        DecodeError::new(
            strings_at,
            format!("a Mach-O string table of {size} bytes"),
            "the end of the image: truncated",
        )
    })?;
    let part = |first: u32, count: u32| -> &'data [Mach::Nlist] {
        usize::try_from(first)
            .ok()
            .zip(usize::try_from(count).ok())
            .and_then(|(first, count)| all.get(first..first.checked_add(count)?))
            .unwrap_or(all)
    };
    let (external, undefined) = match image.ranges {
        Some(ranges) => (
            part(ranges.iextdefsym.get(endian), ranges.nextdefsym.get(endian)),
            part(ranges.iundefsym.get(endian), ranges.nundefsym.get(endian)),
        ),
        None => (all, all),
    };
    Ok(Some(Table {
        all,
        external,
        undefined,
        strings,
        strings_at,
    }))
}

/// Keeps the symbols that concern TVM; in a part of a model library, all
/// external functions and the local handle caches too.
pub(super) fn keep<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    object: bool,
) -> Result<Kept, DecodeError> {
    let Some(table) = table(image)? else {
        return Ok(Kept::default());
    };
    let mut names = Names::new(table.strings, table.strings_at, image.data.len());
    let mut kept = Kept::default();
    keep_undefined(image, &table, &mut names, &mut kept)?;
    match image.exports {
        Some(trie) if table.external.len() > MANY_DEFINITIONS => {
            kept.defined = keep_exports(image, trie, &mut names)?;
        }
        _ => {
            keep_defined(image, table.external, Kind::OfTvm, &mut names, &mut kept)?;
        }
    }
    let of_model_library = kept
        .defined
        .iter()
        .any(|symbol| is_blob_symbol(&symbol.name) || is_context_symbol(&symbol.name))
        || (object && !(kept.defined.is_empty() && kept.undefined.is_empty()));
    if of_model_library {
        keep_defined(image, table.all, Kind::Others, &mut names, &mut kept)?;
    }
    Ok(kept)
}

fn keep_undefined<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    table: &Table<'_, Mach>,
    names: &mut Names<'_>,
    kept: &mut Kept,
) -> Result<(), DecodeError> {
    for symbol in table.undefined {
        if !symbol.is_undefined() {
            continue;
        }
        let Some(name) = names.get(symbol.n_strx(image.endian).into())? else {
            continue;
        };
        let name = plain(name);
        kept.opens |= opens(name);
        let description = symbol.n_desc(image.endian);
        // What is not defined here and is said to be of this file: zig's linker means any.
        let any = [macho::DYNAMIC_LOOKUP_ORDINAL, macho::SELF_LIBRARY_ORDINAL];
        let is_flat = any.contains(&symbol.library_ordinal(image.endian));
        if is_flat && !description.contains(macho::N_WEAK_REF) && is_foreign(name) {
            kept.foreign.push(ForeignSymbol {
                name: names.keep(name)?,
                lazy: false,
                users: Vec::new(),
                idle: false,
            });
        }
        if undefined_concerns_tvm(name) {
            // Ordinals count from one; the highest three mean no library.
            let library = usize::from(symbol.library_ordinal(image.endian).0)
                .checked_sub(1)
                .and_then(|index| image.needed.get(index));
            kept.undefined.push(UndefinedSymbol {
                weak: description.contains(macho::N_WEAK_REF),
                // Copied per symbol, so it counts like their names.
                library: match library {
                    Some(needed) => Some(names.keep(needed.name.as_bytes())?),
                    None => None,
                },
                ..UndefinedSymbol::new(names.keep(name)?)
            });
        }
    }
    Ok(())
}

/// Whether a name is neither TVM's nor one of the system's C names, nor one that compilers
/// use on their own. The list of C names is glibc's: macOS has nearly all of them.
fn is_foreign(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else {
        return false;
    };
    let is_compilers =
        text.starts_with("__") || text.starts_with("memset_pattern") || text == "dyld_stub_binder";
    !(is_compilers || undefined_concerns_tvm(name) || system_symbols::defines(text))
}

/// Which definitions are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Those that concern TVM.
    OfTvm,
    /// Functions that do not, and the local handle caches that do.
    Others,
}

fn keep_defined<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    symbols: &[Mach::Nlist],
    kind: Kind,
    names: &mut Names<'_>,
    kept: &mut Kept,
) -> Result<(), DecodeError> {
    for symbol in symbols {
        if !symbol.is_definition() {
            continue;
        }
        let offset = symbol.n_strx(image.endian).into();
        let start = plain(names.start(offset));
        if kind == Kind::OfTvm && !names.may_concern_tvm(start) {
            continue;
        }
        let Some(name) = names.get(offset)? else {
            continue;
        };
        let name = plain(name);
        let wanted = match kind {
            Kind::Others if symbol.n_type().is_ext() => {
                !concerns_tvm(name) && in_code(image, symbol)
            }
            _ => concerns_tvm(name),
        };
        if !wanted {
            continue;
        }
        let address: u64 = symbol.n_value(image.endian).into();
        let region = region_of(image, symbol);
        let offset = region
            .and_then(|region| image.regions.get(region))
            .and_then(|region| address.checked_sub(region.address));
        kept.defined.push(DefinedSymbol {
            weak: symbol.n_desc(image.endian).contains(macho::N_WEAK_DEF),
            exported: symbol.n_type().is_ext() && !symbol.n_type().is_pext(),
            ..DefinedSymbol::new(names.keep(name)?, address, region.zip(offset))
        });
    }
    Ok(())
}

fn keep_exports<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    trie: Trie<'_>,
    names: &mut Names<'_>,
) -> Result<Vec<DefinedSymbol>, DecodeError> {
    let index = RegionIndex::new(&image.regions);
    let mut kept = Vec::new();
    let mut failed = None;
    for prefix in PREFIXES {
        trie.each(prefix, &mut |name, export: Export| {
            match names.keep(plain(name)) {
                Ok(name) => {
                    let address = image.text_address.saturating_add(export.offset);
                    kept.push(DefinedSymbol {
                        weak: export.weak,
                        ..DefinedSymbol::new(name, address, index.find(address))
                    });
                }
                Err(error) => failed = Some(error),
            }
            failed.is_none()
        })?;
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(kept),
    }
}

/// Calls `visit` with every external definition until it returns `false`.
pub(super) fn each_export<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    visit: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), DecodeError> {
    if let Some(trie) = image.exports {
        return trie.each(b"", &mut |name, _| visit(plain(name)));
    }
    let Some(table) = table(image)? else {
        return Ok(());
    };
    // What an object keeps from other libraries is there for the static linker.
    let is_object = image.header.filetype(image.endian) == object::macho::MH_OBJECT;
    let mut names = Names::new(table.strings, table.strings_at, image.data.len());
    for symbol in table.external {
        let kind = symbol.n_type();
        if symbol.is_definition()
            && kind.is_ext()
            && (is_object || !kind.is_pext())
            && let Some(name) = names.get(symbol.n_strx(image.endian).into())?
            && !visit(plain(name))
        {
            break;
        }
    }
    Ok(())
}

/// Which of `wanted` the image exports.
pub(super) fn defines<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    wanted: &[&str],
) -> Result<Vec<bool>, DecodeError> {
    if let Some(trie) = image.exports {
        return wanted
            .iter()
            .map(|name| Ok(trie.find(format!("_{name}").as_bytes())?.is_some()))
            .collect();
    }
    let mut found = vec![false; wanted.len()];
    each_export(image, &mut |symbol| {
        for (found, name) in found.iter_mut().zip(wanted) {
            *found |= name.as_bytes() == symbol;
        }
        true
    })?;
    Ok(found)
}

fn region_of<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    symbol: &Mach::Nlist,
) -> Option<usize> {
    let section = usize::from(symbol.n_sect()).checked_sub(1)?;
    image.by_section.get(section).copied().flatten()
}

fn in_code<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    symbol: &Mach::Nlist,
) -> bool {
    region_of(image, symbol)
        .and_then(|region| image.regions.get(region))
        .is_some_and(|region| region.executable)
}

/// The name as a C programmer would write it.
pub(super) fn plain(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"_").unwrap_or(name)
}
