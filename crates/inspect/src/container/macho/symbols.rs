//! Mach-O symbols: the undefined range of the symbol table, and of what is
//! defined only what concerns TVM. Exports are the export trie's, where there is one.

use object::Endianness;
use object::macho;
use object::read::macho::{MachHeader, Nlist};

use super::exports::{self, Exports};
use super::image::Image;
use super::table::{Kept, Kind, Table, in_code, is_exported, plain, region_of, table};
use crate::container::names::{
    concerns_tvm, is_blob_symbol, is_context_symbol, opens, undefined_concerns_tvm,
};
use crate::container::symbols::Names;
use crate::container::{BinaryKind, DefinedSymbol, ForeignSymbol, UndefinedSymbol, system_symbols};
use crate::error::DecodeError;

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
