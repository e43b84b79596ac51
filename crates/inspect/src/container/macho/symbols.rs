//! Mach-O symbols: the undefined range of the symbol table, and of what is
//! defined only what concerns TVM. Exports are the export trie's, where there is one.

use object::Endianness;
use object::macho;
use object::read::macho::{MachHeader, Nlist};

use super::exports::{self, Exports};
use super::image::{Image, bytes_at};
use crate::container::names::{
    concerns_tvm, is_blob_symbol, is_context_symbol, opens, undefined_concerns_tvm,
};
use crate::container::symbols::Names;
use crate::container::{
    BinaryKind, Damage, DefinedSymbol, ForeignSymbol, UndefinedSymbol, system_symbols,
};
use crate::error::DecodeError;

/// What is kept of the symbols.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) defined: Vec<DefinedSymbol>,
    pub(super) undefined: Vec<UndefinedSymbol>,
    pub(super) foreign: Vec<ForeignSymbol>,
    pub(super) opens: bool,
    pub(super) damage: Vec<Damage>,
}

/// The symbol table, split as `LC_DYSYMTAB` says.
pub(super) struct Table<'data, Mach: MachHeader> {
    pub(super) all: &'data [Mach::Nlist],
    pub(super) external: &'data [Mach::Nlist],
    undefined: &'data [Mach::Nlist],
    pub(super) strings: &'data [u8],
    strings_at: u64,
}

impl<'data, Mach: MachHeader<Endian = Endianness>> Table<'data, Mach> {
    pub(super) fn names(&self, image: &Image<'data, Mach>) -> Names<'data> {
        Names::new(self.strings, self.strings_at, image.data.len())
    }
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
    kind: BinaryKind,
) -> Result<Kept, DecodeError> {
    let Some(table) = table(image)? else {
        return Ok(Kept::default());
    };
    let mut names = table.names(image);
    let mut kept = Kept::default();
    keep_undefined(image, &table, &mut names, &mut kept)?;
    let mut exports = image.trie().map(|trie| Exports::new(image, trie));
    let mut keep = |kind, kept: &mut Kept| {
        let symbols = match kind {
            Kind::OfTvm => table.external,
            Kind::Others => table.all,
        };
        if let Some(exports) = &mut exports {
            exports.keep(kind, &mut names, kept)?;
            if exports.is_large() {
                return Ok(());
            }
            exports.compare(kind, &table, &mut names, kept)?;
        }
        keep_defined(image, symbols, kind, &mut names, kept)
    };
    keep(Kind::OfTvm, &mut kept)?;
    let of_model_library = kept
        .defined
        .iter()
        .any(|symbol| is_blob_symbol(&symbol.name) || is_context_symbol(&symbol.name))
        || (kind == BinaryKind::Object && !(kept.defined.is_empty() && kept.undefined.is_empty()));
    if of_model_library {
        keep(Kind::Others, &mut kept)?;
    }
    kept.damage = match exports {
        _ if kind != BinaryKind::SharedLibrary => Vec::new(),
        Some(exports) => exports.damage(),
        None => exports::empty(image, &kept.defined),
    };
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
pub(super) enum Kind {
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
    let has_trie = image.trie().is_some();
    for symbol in symbols {
        if !symbol.is_definition() || (has_trie && is_exported(symbol)) {
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
            exported: is_exported(symbol),
            ..DefinedSymbol::new(names.keep(name)?, address, region.zip(offset))
        });
    }
    Ok(())
}

/// Whether a symbol is defined for other images.
pub(super) fn is_exported<Symbol: Nlist>(symbol: &Symbol) -> bool {
    let kind = symbol.n_type();
    symbol.is_definition() && kind.is_ext() && !kind.is_pext()
}

fn region_of<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    symbol: &Mach::Nlist,
) -> Option<usize> {
    let section = usize::from(symbol.n_sect()).checked_sub(1)?;
    image.by_section.get(section).copied().flatten()
}

pub(super) fn in_code<Mach: MachHeader<Endian = Endianness>>(
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
