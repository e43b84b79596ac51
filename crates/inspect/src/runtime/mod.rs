//! What a runtime accepts and offers: a [`RuntimeProfile`], read from real
//! libraries or taken from the built-in release table. Every field remembers
//! where it came from.

mod arity;
pub mod binary;
mod code_refs_aarch64;
mod code_refs_x86_64;
pub mod distribution;
mod ffi_version;
mod functions;
pub mod grouping;
mod infer;
pub mod libraries;
pub mod load_set;
mod loaders;
mod magics;
pub mod member;
mod pairing;
pub mod release;
mod saved;
mod slots;
pub(crate) mod strings;
mod table;
mod tags;
mod wide;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use crate::parts::{PartKind, classify};

/// How far a fact can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The runtime was run and asked.
    Probe,
    /// Read from the real library: literal and the expected code references.
    Binary,
    /// Read from the real library: literal only.
    BinaryLiteral,
    /// From the built-in release table.
    Release,
}

/// A value, or nothing where it cannot be told, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact<T> {
    /// The value; `None` means "cannot tell", never "no".
    pub value: Option<T>,
    /// Where it came from.
    pub source: Option<Confidence>,
    /// How it was found, one line (literal address, reference count, export).
    pub note: Option<String>,
}

impl<T> Default for Fact<T> {
    fn default() -> Self {
        Self {
            value: None,
            source: None,
            note: None,
        }
    }
}

impl<T> Fact<T> {
    /// A known value.
    pub fn known(value: T, source: Confidence) -> Self {
        Self {
            value: Some(value),
            source: Some(source),
            note: None,
        }
    }

    /// The same with a line that says how it was found.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// The five sites at which `attn_backend.cc` compares the attention tag
/// (docs/formats.md#attention-tags).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TagSite {
    /// Constructor arguments 16, 18, 22.
    PagedPrefill,
    /// Argument 15.
    RaggedPrefill,
    /// Arguments 17, 19.
    PagedDecode,
    /// Argument 20.
    PagedTreeMask,
    /// Argument 21.
    RaggedTreeMask,
}

/// What one site accepts: tag to allowed tuple lengths.
pub type SiteTags = BTreeMap<String, BTreeSet<u64>>;

/// What a runtime accepts and offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeProfile {
    /// Name shown to people: `tvm-0.26`, or the path that was read.
    pub name: String,
    /// Files the profile was read from; empty for a release.
    pub parts: Vec<String>,
    /// Release this matches, where known (`0.26`).
    pub release: Option<String>,
    /// Operating system of the parts (`linux`, `macos`, `windows`), where known.
    pub os: Option<String>,
    /// Architecture of the parts, spelled as [`crate::container::Architecture`] serialises.
    pub architecture: Option<String>,
    /// Date of the tag or commit (`2026-08-05`), for releases and snapshots.
    #[serde(default)]
    pub date: Option<String>,
    /// What sets a release or snapshot apart, or how a release was recognised.
    #[serde(default)]
    pub note: Option<String>,
    /// Registered global functions (packed functions, loaders, builtins),
    /// those of every optional part included.
    pub functions: Fact<BTreeSet<String>>,
    /// Name spaces in which `functions` is complete: a name that begins with
    /// one of them and is not listed is missing, any other cannot be told.
    /// An empty string covers all names.
    #[serde(default)]
    pub function_namespaces: BTreeSet<String>,
    /// Functions and loaders (`loader:<kind>`) that only come with an extra
    /// part: name to part (a library name, or the file that was read).
    #[serde(default)]
    pub provided_by: BTreeMap<String, String>,
    /// Tags accepted per site.
    pub attention_tags: Fact<BTreeMap<TagSite, SiteTags>>,
    /// Context slots filled.
    pub context_slots: Fact<BTreeSet<String>>,
    /// Module kinds with a loader.
    pub module_loaders: Fact<BTreeSet<String>>,
    /// Blob symbol names looked for.
    pub blob_symbols: Fact<BTreeSet<String>>,
    /// Blob layouts read (`count-first`, `tree-first`).
    pub blob_layouts: Fact<BTreeSet<String>>,
    /// VM magics read (`V1`, `V2`).
    pub vm_magics: Fact<BTreeSet<String>>,
    /// Version string demanded of an executable.
    pub vm_version: Fact<String>,
    /// Constant table read (`classic`, `ffi21`, `ffi22`).
    pub constant_table: Fact<String>,
    /// Accepted argument counts per builtin; absent builtins are not checked.
    pub builtin_arity: Fact<BTreeMap<String, BTreeSet<u64>>>,
    /// Meaning of the KV-cache constructor's argument 15: `tuple` (0.20+) or `function`.
    pub constructor_style: Fact<String>,
    /// Accepted lengths of the cache config shape.
    pub cache_config_lengths: Fact<BTreeSet<u64>>,
    /// Whether metal/vulkan payloads are read in the order `before24` or `since24`.
    pub payload_order: Fact<String>,
    /// Whether FunctionInfo is read `plain` or with `extra-tags`.
    pub function_info: Fact<String>,
    /// Exported C symbols (`TVM*`).
    pub c_symbols: Fact<BTreeSet<String>>,
    /// Calling convention of host functions: `packed-c` (up to 0.20) or `ffi` (0.21+).
    pub calling_convention: Fact<String>,
    /// tvm-ffi version, as `TVMFFIGetVersion` or metadata says it.
    pub ffi_version: Fact<String>,
}

impl RuntimeProfile {
    /// Whether a global function is offered; `None` when the profile cannot tell.
    pub fn offers_function(&self, name: &str) -> Option<bool> {
        let functions = self.functions.value.as_ref()?;
        if functions.contains(name) {
            return Some(true);
        }
        self.function_namespaces
            .iter()
            .any(|space| name.starts_with(space.as_str()))
            .then_some(false)
    }
}
