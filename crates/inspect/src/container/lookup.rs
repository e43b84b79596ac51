//! Questions about what a library defines for others, answered without
//! keeping its symbols: compilers export a hundred thousand of them.

use super::{Callee, FileType, Format, Linkage, Parsed, elf, identify, macho, pe};
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

/// Which of the C++ names in `wanted`, written `tvm::ffi::json::Stringify`,
/// the library exports with whatever parameters, in the same order.
///
/// A name also matches what is nested in it: `tvm::ffi` matches every function
/// of that namespace.
pub fn defines_qualified(bytes: &[u8], wanted: &[&str]) -> Result<Vec<bool>, DecodeError> {
    let patterns: Vec<Mangled> = wanted.iter().map(|name| Mangled::new(name)).collect();
    let mut found = vec![false; wanted.len()];
    each_export(bytes, &mut |symbol| {
        for (found, pattern) in found.iter_mut().zip(&patterns) {
            *found |= pattern.begins(symbol);
        }
        found.contains(&false)
    })?;
    Ok(found)
}

/// The symbol versions that an ELF library defines; none where it has no versions.
pub fn defined_versions(bytes: &[u8]) -> Result<Vec<String>, DecodeError> {
    match identify(bytes) {
        FileType::Elf => elf::defined_versions(bytes),
        other => Err(not_a_library(other)),
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

fn not_a_library(found: FileType) -> DecodeError {
    DecodeError::new(0, "a library with exports", found.describe())
}

/// A qualified C++ name as the two manglings begin it.
struct Mangled {
    /// `3tvm3ffi`, what follows `_ZN` and qualifiers.
    itanium: Vec<u8>,
    /// `@ffi@tvm@@`, and the last component before it.
    microsoft: Vec<u8>,
}

impl Mangled {
    fn new(qualified: &str) -> Self {
        let parts: Vec<&str> = qualified.split("::").collect();
        let itanium = parts
            .iter()
            .map(|part| format!("{}{part}", part.len()))
            .collect::<String>();
        let mut microsoft: String = parts.iter().rev().map(|part| format!("{part}@")).collect();
        microsoft.push('@');
        Self {
            itanium: itanium.into_bytes(),
            microsoft: microsoft.into_bytes(),
        }
    }

    fn begins(&self, symbol: &[u8]) -> bool {
        if let Some(rest) = symbol.strip_prefix(b"_ZN") {
            let qualified = rest;
            let end = qualified
                .iter()
                .position(|byte| !matches!(byte, b'r' | b'V' | b'K' | b'R' | b'O'))
                .unwrap_or(qualified.len());
            return qualified
                .get(end..)
                .is_some_and(|path| path.starts_with(&self.itanium));
        }
        // Innermost name first; what is nested in it stands before.
        symbol.first() == Some(&b'?')
            && memchr::memmem::find(symbol, &self.microsoft).is_some_and(|at| {
                at.checked_sub(1)
                    .and_then(|before| symbol.get(before))
                    .is_some_and(|byte| matches!(byte, b'?' | b'@' | b'0'..=b'9'))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualified_names_match_both_manglings() {
        let name = Mangled::new("tvm::ffi::json::Stringify");
        assert!(name.begins(b"_ZN3tvm3ffi4json9StringifyERKNS0_3AnyE"));
        assert!(name.begins(b"?Stringify@json@ffi@tvm@@YA?AVString@23@AEBVAny@23@@Z"));
        assert!(!name.begins(b"_ZN3tvm3ffi4json5ParseERKNS0_3AnyE"));
        assert!(!name.begins(b"?NotStringify@json@ffi@tvm@@YAXXZ"));
        assert!(Mangled::new("tvm::runtime").begins(b"_ZNK3tvm7runtime9DeviceAPI4NameEv"));
        assert!(Mangled::new("tvm::runtime").begins(b"?Get@DeviceAPI@runtime@tvm@@SAXXZ"));
    }
}
