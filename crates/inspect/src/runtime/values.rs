//! Kinds of values that facts of a runtime have and artifacts do not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::module::SymbolGeneration;

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

/// Accepted argument counts by builtin.
pub type Arities = BTreeMap<String, BTreeSet<u64>>;

/// What a builtin takes as one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterKind {
    /// An integer.
    Int,
    /// A float or an integer.
    Float,
    /// A shape.
    Shape,
    /// A string.
    String,
    /// A string, or nothing.
    OptionalString,
    /// A data type, or its name.
    Dtype,
    /// A tuple.
    Array,
    /// A tensor.
    Tensor,
    /// An object of another class.
    Object,
    /// Whatever it is.
    Any,
}

/// What each argument of a builtin must be, by builtin.
pub type ParameterKinds = BTreeMap<String, Vec<ParameterKind>>;

/// How `vm.builtin.check_tensor_info` is told that a type is not known. Each
/// generation refuses the other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownDtype {
    /// As the data type `void`.
    Void,
    /// As null.
    Null,
}

/// How host functions are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallingConvention {
    /// `TVMFuncCall` and its arrays of values and type codes.
    PackedC,
    /// `TVMFFIFunctionCall` and its arrays of `TVMFFIAny`.
    Ffi,
}

/// What argument 15 of the KV-cache constructor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConstructorStyle {
    /// A kernel.
    Function,
    /// A tuple of an attention tag and kernels.
    Tuple,
}

/// A blob symbol that a runtime looks for, spelled as the symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct BlobSymbol(pub SymbolGeneration);

impl TryFrom<String> for BlobSymbol {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        SymbolGeneration::of_blob(&name)
            .map(Self)
            .ok_or_else(|| format!("`{name}` is not a blob symbol"))
    }
}

impl From<BlobSymbol> for &'static str {
    fn from(symbol: BlobSymbol) -> Self {
        symbol.0.blob_symbol().unwrap_or_default()
    }
}
