//! Questions about what a library defines for others, answered without
//! keeping its symbols: compilers export a hundred thousand of them.

use std::collections::BTreeSet;

use super::{
    Architecture, Callee, Exported, FileType, ForeignSymbol, Format, Linkage, Parsed, elf,
    identify, macho, pe,
};
use crate::error::DecodeError;

/// Which of `wanted` (as a C programmer would write them) the library in
/// `bytes` exports, in the same order.
///
/// ELF is asked through its hash table, Mach-O through its export trie, PE
/// through its sorted name table. A fat file answers for any of its slices.
/// Archives and objects export nothing.
pub fn defines(bytes: &[u8], wanted: &[&str]) -> Result<Vec<bool>, DecodeError> {
    match identify(bytes) {
        FileType::Elf => elf::defines(bytes, wanted),
        FileType::Pe => pe::defines(bytes, wanted),
        FileType::MachO => macho::defines(bytes, wanted),
        FileType::MachOFat => {
            let mut found = vec![false; wanted.len()];
            for (_, slice) in macho::slices(bytes)? {
                for (found, here) in found.iter_mut().zip(macho::defines(slice, wanted)?) {
                    *found |= here;
                }
            }
            Ok(found)
        }
        other => Err(not_a_library(other)),
    }
}

/// What the library in `bytes` has for each of `wanted`; of a PE file `#4` is the function with
/// that number.
pub(crate) fn exported(bytes: &[u8], wanted: &[&str]) -> Result<Vec<Exported>, DecodeError> {
    if identify(bytes) == FileType::Pe {
        return pe::exported(bytes, wanted);
    }
    let told = |is_defined| match is_defined {
        true => Exported::Here,
        false => Exported::Nothing,
    };
    Ok(defines(bytes, wanted)?.into_iter().map(told).collect())
}

/// Whether a file is a DLL that hands names on to others.
pub(crate) fn is_forwarder(bytes: &[u8]) -> bool {
    identify(bytes) == FileType::Pe && pe::is_forwarder(bytes)
}

/// The symbol versions that an ELF library defines; none where it has no versions.
pub fn defined_versions(bytes: &[u8]) -> Result<Vec<String>, DecodeError> {
    match identify(bytes) {
        FileType::Elf => elf::defined_versions(bytes),
        other => Err(not_a_library(other)),
    }
}

/// Whether an ELF library says nothing of versions, not even of those that it asks for.
pub(crate) fn is_without_versions(bytes: &[u8]) -> bool {
    matches!(identify(bytes), FileType::Elf) && elf::is_without_versions(bytes) == Ok(true)
}

/// What a library asks of others, whatever it is: of the libraries that `is_meant` says, where
/// it names them with its symbols. A slice, of a fat file.
pub(crate) fn asked_of_others(
    bytes: &[u8],
    is_meant: fn(&str) -> bool,
) -> Result<Vec<ForeignSymbol>, DecodeError> {
    match identify(bytes) {
        FileType::Elf => elf::asked(bytes),
        FileType::MachO => macho::asked(bytes, is_meant),
        FileType::Pe => pe::asked(bytes, is_meant),
        other => Err(not_a_library(other)),
    }
}

/// The processors that a Mach-O or PE file is for, by its first bytes; `None` of any other.
pub(crate) fn machines(header: &[u8]) -> Option<Vec<Architecture>> {
    match header {
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..]
        | [0xfe, 0xed, 0xfa, 0xcf | 0xce, ..]
        | [0xca, 0xfe, 0xba, 0xbe | 0xbf, ..] => Some(macho::machines(header)),
        [b'M', b'Z', ..] => Some(pe::machine(header).into_iter().collect()),
        _ => None,
    }
}

/// Calls `visit` with the name of every exported symbol, in an ELF or Mach-O object
/// of every global one, until it returns `false`. The whole table is read.
pub fn each_export(bytes: &[u8], visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), DecodeError> {
    match identify(bytes) {
        FileType::Elf => elf::each_export(bytes, visit),
        FileType::Pe => pe::each_export(bytes, visit),
        FileType::MachO => macho::each_export(bytes, visit),
        FileType::MachOFat => macho::slices(bytes)?
            .into_iter()
            .try_for_each(|(_, slice)| macho::each_export(slice, visit)),
        other => Err(not_a_library(other)),
    }
}

/// How the code of an image calls by name, with the functions of whose names `wanted`
/// holds. An image that does not say has an empty one.
pub fn linkage(parsed: &Parsed<'_>, wanted: fn(&[u8]) -> bool) -> Linkage {
    let read = match parsed.binary.format {
        Format::Elf => elf::linkage(parsed.data, wanted),
        Format::MachO => macho::linkage(parsed.data, wanted),
        Format::Pe => pe::linkage(parsed.data, wanted),
        _ => None,
    };
    let mut linkage = read.unwrap_or_default();
    for symbol in &parsed.binary.defined {
        if wanted(symbol.name.as_bytes()) {
            let callee = Callee::Named(symbol.name.clone());
            linkage.named.insert(symbol.address, callee);
        }
    }
    linkage.starts.sort_unstable();
    linkage.starts.dedup();
    linkage
}

/// Which of some cells, by address, anything in the image refers to; `None` where that is
/// not read: of other formats than ELF, and of other processors.
pub fn referred(parsed: &Parsed<'_>, cells: &BTreeSet<u64>) -> Option<BTreeSet<u64>> {
    match parsed.binary.format {
        Format::Elf => elf::referred(parsed, cells),
        _ => None,
    }
}

fn not_a_library(found: FileType) -> DecodeError {
    DecodeError::new(0, "a library with exports", found.describe())
}
