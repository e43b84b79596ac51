//! The corpus, and small changes to its files that make the cases it lacks.
#![allow(dead_code, reason = "each test binary uses its share")]

use std::ops::Range;
use std::path::{Path, PathBuf};

use artcheck_inspect::container;
use artcheck_inspect::module::{ModelLibrary, locate};
use artcheck_inspect::runtime::{RuntimeProfile, release};
use artcheck_inspect::vm::Executable;
use artcheck_patch::inplace::{EditPlan, recheck};

/// A file of the corpus.
pub fn artifact(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus/artifacts")
        .join(name)
}

/// Its bytes.
#[track_caller]
pub fn bytes(name: &str) -> Vec<u8> {
    let path = artifact(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A release of the built-in table.
#[track_caller]
pub fn release(name: &str) -> RuntimeProfile {
    release::by_name(name)
        .unwrap_or_else(|| panic!("{name} is in the release table"))
        .clone()
}

/// The releases that compiled the corpus, by the table, oldest first.
pub fn releases() -> Vec<&'static str> {
    let names = release::releases().iter().map(|known| known.name.as_str());
    let names: Vec<&str> = names.filter(|name| artifact(name).is_dir()).collect();
    assert!(names.len() > 2, "{names:?}");
    names
}

/// Every file of the corpus with a KV cache whose tag is `tirx`.
pub fn tagged() -> Vec<String> {
    let mut found = Vec::new();
    for release in releases() {
        for entry in std::fs::read_dir(artifact(release)).expect("the corpus") {
            let name = entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name");
            let binary = [".so", ".dylib"]
                .iter()
                .any(|suffix| name.ends_with(suffix));
            if binary && (name.starts_with("dense") || name.starts_with("hybrid")) {
                found.push(format!("{release}/{name}"));
            }
        }
    }
    found.sort();
    assert!(found.len() >= 15, "{found:?}");
    found
}

/// Carries a plan out in memory; the second reader and the way back agree.
#[track_caller]
pub fn carried_out(old: &[u8], plan: &EditPlan) -> Vec<u8> {
    let new = plan.apply_to(old).expect("the plan fits its file");
    recheck::check(old, &new, plan).expect("the second reader agrees");
    assert_eq!(plan.undo_from(&new).as_deref(), Some(old));
    new
}

/// The first model library of a file.
#[track_caller]
pub fn library(bytes: &[u8]) -> ModelLibrary {
    let parsed = container::parse(bytes).expect("a binary");
    parsed
        .iter()
        .flat_map(locate::find)
        .next()
        .expect("a model library")
}

/// Its executable, and where that begins in the file.
#[track_caller]
pub fn executable(bytes: &[u8]) -> (Executable, usize) {
    let library = library(bytes);
    let blob = library.blob.expect("a blob");
    let (module, executable) = blob.executables().next().expect("an executable");
    let at = library.file_offset + blob.modules[module].payload_offset;
    (executable.clone(), at as usize)
}

/// The file as a compiler would have written it: the ELF symbols of the blob
/// count exactly the blob, so that nothing is known to be unused behind it.
pub fn as_compiled(bytes: &[u8]) -> Vec<u8> {
    use object::read::elf::{ElfFile64, Sym};
    use object::{LittleEndian as LE, Object, ObjectSymbol, ObjectSymbolTable};
    let blob = library(bytes).blob.expect("a blob");
    let file = ElfFile64::<LE>::parse(bytes).expect("an ELF file");
    let mut out = bytes.to_vec();
    let tables = [file.dynamic_symbol_table(), file.symbol_table()];
    for symbol in tables.iter().flatten().flat_map(|table| table.symbols()) {
        if symbol
            .name()
            .is_ok_and(|name| name.ends_with("library_bin"))
        {
            let raw = symbol.elf_symbol();
            let at = (std::ptr::from_ref(raw).addr() - bytes.as_ptr().addr()) + 16;
            assert_eq!(&out[at..at + 8], &raw.st_size(LE).to_le_bytes());
            out[at..at + 8].copy_from_slice(&blob.length.to_le_bytes());
        }
    }
    assert_ne!(out, bytes, "a symbol of the blob");
    out
}

/// Replaces every occurrence, byte for byte.
pub fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = bytes.to_vec();
    let found: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, at)| *at == from)
        .map(|(at, _)| at)
        .collect();
    assert!(!found.is_empty());
    for at in found {
        out[at..at + to.len()].copy_from_slice(to);
    }
    out
}

/// Overwrites one place.
pub fn with(bytes: &[u8], at: Range<usize>, new: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[at].copy_from_slice(new);
    out
}

/// A universal file; `wide` with a table of 64-bit offsets.
pub fn universal(slices: &[&[u8]], wide: bool) -> Vec<u8> {
    const ALIGN: usize = 0x4000;
    let mut out = vec![0xca, 0xfe, 0xba, if wide { 0xbf } else { 0xbe }];
    out.extend((slices.len() as u32).to_be_bytes());
    let mut at = ALIGN;
    for (number, slice) in slices.iter().enumerate() {
        for word in [0x0100_000c, number as u32] {
            out.extend(word.to_be_bytes());
        }
        for value in [at, slice.len()] {
            match wide {
                true => out.extend((value as u64).to_be_bytes()),
                false => out.extend((value as u32).to_be_bytes()),
            }
        }
        out.extend(14_u32.to_be_bytes());
        if wide {
            out.extend([0; 4]);
        }
        at = (at + slice.len()).next_multiple_of(ALIGN);
    }
    for slice in slices {
        out.resize(out.len().next_multiple_of(ALIGN), 0);
        out.extend_from_slice(slice);
    }
    out
}
