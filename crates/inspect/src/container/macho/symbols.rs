//! Mach-O symbols: what dyld looks for, and of what is defined only what concerns TVM. Both
//! come from dyld's own tables where a file has them: the fixups and the export trie.

use std::collections::HashSet;

use object::Endianness;
use object::macho;
use object::read::macho::{MachHeader, Nlist};

use super::commands;
use super::exports::{self, Exports};
use super::fixups::{self, Fixups, Wanted};
use super::image::Image;
use super::table::{Kept, Kind, Table, in_code, is_exported, plain, region_of, table};
use crate::container::names::{
    concerns_tvm, is_blob_symbol, is_context_symbol, opens, undefined_concerns_tvm,
};
use crate::container::symbols::Names;
use crate::container::{BinaryKind, DefinedSymbol, ForeignSymbol, UndefinedSymbol, system_exports};
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
    let mut fixups = fixups::read(image);
    keep_undefined(image, &table, fixups.as_mut(), &mut names, &mut kept)?;
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
    if kind != BinaryKind::Object {
        let mut faults = fixups.map(|fixups| fixups.faults).unwrap_or_default();
        commands::check(image, &mut faults);
        kept.damage.extend(faults.found);
    }
    Ok(kept)
}

/// Keeps the names that dyld looks for: what the symbol table calls undefined and no fixup
/// asks for is not among them.
fn keep_undefined<'data, Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'data, Mach>,
    table: &Table<'data, Mach>,
    fixups: Option<&mut Fixups<'data>>,
    names: &mut Names<'data>,
    kept: &mut Kept,
) -> Result<(), DecodeError> {
    let mut listed = HashSet::new();
    for symbol in table.undefined.iter().filter(|one| one.is_undefined()) {
        let Some(name) = names.get(symbol.n_strx(image.endian).into())? else {
            continue;
        };
        listed.insert(name);
        let of_table = Wanted::of(
            symbol.library_ordinal(image.endian),
            symbol.n_desc(image.endian),
        );
        let wanted = match fixups.as_deref() {
            Some(fixups) => fixups.wanted.get(name).map(|found| found.or(of_table)),
            None => Some(of_table),
        };
        if let Some(wanted) = wanted {
            keep_wanted(image, name, wanted, names, kept)?;
        }
    }
    let Some(fixups) = fixups else { return Ok(()) };
    // What is defined here may be searched elsewhere first.
    let mut others = fixups.wanted.clone();
    let trie = image.trie();
    let is_exported = |name: &[u8]| trie.is_some_and(|trie| matches!(trie.find(name), Ok(Some(_))));
    others.retain(|name, _| !listed.contains(name) && !is_exported(name));
    if others.is_empty() {
        return Ok(());
    }
    for symbol in table.all {
        if symbol.is_definition()
            && let Some(name) = names.get(symbol.n_strx(image.endian).into())?
        {
            others.remove(name);
        }
    }
    for (name, wanted) in others {
        keep_wanted(image, name, wanted, names, kept)?;
        // A rule asks who has TVM's; a definition that was this library's own, none does.
        let is_judged = undefined_concerns_tvm(plain(name)) && !wanted.is_of_any_definition();
        let is_known = wanted.weak || is_judged;
        if !(listed.is_empty() || is_known || is_of_system(plain(name))) {
            fixups.is_not_listed(name, image.base);
        }
    }
    Ok(())
}

fn keep_wanted<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    name: &[u8],
    wanted: Wanted,
    names: &mut Names<'_>,
    kept: &mut Kept,
) -> Result<(), DecodeError> {
    let name = plain(name);
    kept.opens |= opens(name);
    let library = wanted.library();
    let library = library.and_then(|index| image.needed.get(index));
    let is_asked = match library {
        Some(needed) => std::str::from_utf8(name)
            .is_ok_and(|name| system_exports::is_unlisted(&needed.name, name)),
        None => wanted.is_anywhere() && is_foreign(name),
    };
    // A library's name is copied per symbol, so it counts like theirs.
    let mut keep = |name: &[u8]| names.keep(name);
    if is_asked && !wanted.weak {
        kept.foreign.push(ForeignSymbol {
            version: None,
            library: library.map(|one| keep(one.name.as_bytes())).transpose()?,
            name: keep(name)?,
            lazy: false,
            users: Vec::new(),
            idle: false,
        });
    }
    if undefined_concerns_tvm(name) {
        kept.undefined.push(UndefinedSymbol {
            weak: wanted.weak,
            library: library.map(|one| keep(one.name.as_bytes())).transpose()?,
            ..UndefinedSymbol::new(keep(name)?)
        });
    }
    Ok(())
}

/// Whether a name is neither TVM's nor the system's.
pub(super) fn is_foreign(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok() && !(undefined_concerns_tvm(name) || is_of_system(name))
}

fn is_of_system(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(system_exports::macos_defines)
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
