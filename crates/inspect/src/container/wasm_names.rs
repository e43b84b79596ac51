//! What a WebAssembly module and its host exchange by name.

use serde::Serialize;
use wasmparser::{ExternalKind, TypeRef};

/// A wasm import, kept whole: the JavaScript glue depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WasmImport {
    /// Module, usually `env` or `wasi_snapshot_preview1`.
    pub module: String,
    /// Field name.
    pub name: String,
    /// What is wanted.
    #[serde(skip)]
    pub kind: WasmKind,
}

/// A wasm export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct WasmExport {
    /// Its name.
    pub name: String,
    /// What is given.
    #[serde(skip)]
    pub kind: WasmKind,
}

/// What is exchanged, as far as the host's words differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WasmKind {
    /// A function.
    Function,
    /// A memory.
    Memory,
    /// A table, a global or a tag.
    Other,
}

impl WasmKind {
    pub(super) fn of_import(wanted: TypeRef) -> Self {
        match wanted {
            TypeRef::Func(_) | TypeRef::FuncExact(_) => Self::Function,
            TypeRef::Memory(_) => Self::Memory,
            _ => Self::Other,
        }
    }

    pub(super) fn of_export(given: ExternalKind) -> Self {
        match given {
            ExternalKind::Func | ExternalKind::FuncExact => Self::Function,
            ExternalKind::Memory => Self::Memory,
            _ => Self::Other,
        }
    }
}
