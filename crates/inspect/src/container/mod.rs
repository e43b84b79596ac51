//! Containers: one file per format, each turning bytes into the same [`Binary`].
//!
//! What is kept is small and owned, so that the memory map can be dropped:
//! symbols that concern TVM, and the data regions that may hold a blob stay
//! borrowed in [`Parsed`].

pub mod ar;
mod archive;
mod binary;
mod coff;
mod contents;
mod elf;
mod exported;
mod faults;
mod frozen;
mod identify;
mod in_process;
mod linkage;
mod linker_script;
mod lookup;
mod macho;
mod misplaced;
mod names;
mod parsed;
mod pe;
pub mod places;
pub mod pyinstaller;
mod regions;
mod sealed;
mod segment;
mod sparse;
mod spoken;
mod symbols;
mod system_exports;
mod system_symbols;
pub mod tar;
mod tar_field;
mod vm_executable;
pub(crate) mod wasm;
pub(crate) mod wasm_code;
mod wasm_names;
#[cfg(test)]
mod wasm_tests;
mod wasm_valid;
pub(crate) mod zip;

pub use archive::{Body, InZip, Member, Visit};
pub use binary::{
    Architecture, Binary, BinaryKind, CLibrary, Damage, DamageKind, DefinedSymbol, ForeignSymbol,
    Format, Needed, Packing, Platform, Reply, Signature, UndefinedSymbol, VersionNeed,
};
pub use contents::Contents;
pub(crate) use exported::Exported;
pub use identify::{FileType, identify, parse};
pub use in_process::{InProcess, Refused};
pub use linkage::{Callee, Linkage};
pub(crate) use lookup::{asked_of_others, exported, is_forwarder, is_without_versions, machines};
pub use lookup::{defined_versions, defines, each_export, linkage, referred};
pub use macho::CodeDirectory;
pub(crate) use macho::{archives as fat_archives, broken_signature};
pub use names::{BLOB_SYMBOLS, CONTEXT_SYMBOLS, concerns_tvm, undefined_concerns_tvm};
pub(crate) use names::{
    SLOT, is_blob_symbol, is_context_symbol, is_of_registry, mentions_tvm_namespace,
};
pub use parsed::{FileRange, Parsed, Region};
pub use sealed::Sealed;
pub use segment::Segment;
pub(crate) use system_exports::is_unlisted;
pub(crate) use system_symbols::{first_gcc, is_defined_by, is_known_whole};
pub use wasm_names::{WasmExport, WasmImport, WasmKind};
