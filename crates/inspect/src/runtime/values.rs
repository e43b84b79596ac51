//! Kinds of values that facts of a runtime have and artifacts do not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::module::SymbolGeneration;
use crate::vm::DataType;
use crate::vm::argument_kind::ArgumentKind;
use crate::words::spell;

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
pub type Arities = BTreeMap<String, Counts>;

/// The argument counts that a builtin accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Counts {
    /// These.
    Exactly(BTreeSet<u64>),
    /// So many and more.
    Least(Least),
}

/// A count and every larger one, written `3..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Least(pub u64);

impl TryFrom<String> for Least {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let count = text.strip_suffix("..").and_then(|count| count.parse().ok());
        count
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a count such as `3..`"))
    }
}

impl From<Least> for String {
    fn from(least: Least) -> Self {
        format!("{}..", least.0)
    }
}

impl Counts {
    /// Only this one.
    pub(crate) fn only(count: u64) -> Self {
        Self::Exactly(BTreeSet::from([count]))
    }

    /// Whether a call with so many arguments is accepted.
    pub fn contains(&self, count: u64) -> bool {
        match self {
            Self::Exactly(counts) => counts.contains(&count),
            Self::Least(Least(least)) => count >= *least,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(counts) => f.write_str(&any_of(counts)),
            Self::Least(Least(least)) => write!(f, "{least} or more"),
        }
    }
}

/// `5 or 6`.
pub fn any_of<T: Serialize>(values: &BTreeSet<T>) -> String {
    values.iter().map(spell).collect::<Vec<_>>().join(" or ")
}

/// What a function takes as one argument, in the words of its registered signature:
/// `int`, `ffi.Shape`, `Optional<str>`, `relax.vm.KVState`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameter(pub String);

/// Stands between the type of a tensor and the data types of it that are taken.
const OF: &str = " of ";

impl Parameter {
    /// Stands behind the parameters of a function without a registered signature: it
    /// converts what it reads itself, and may be given more.
    pub(crate) const MORE: &str = "...";

    /// Whether an argument is taken, as the conversions of tvm-ffi have it. What is not
    /// certain counts as taken.
    pub(crate) fn takes(&self, argument: ArgumentKind) -> bool {
        takes(self.word(), argument)
    }

    /// Its type, without the data types of a tensor that are all it takes.
    pub(crate) fn word(&self) -> &str {
        self.0.split_once(OF).map_or(&self.0, |(word, _)| word)
    }

    /// The data types that are all it takes, where a tensor is of none of them.
    pub(crate) fn refuses(&self, given: DataType) -> Option<String> {
        let (_, dtypes) = self.0.split_once(OF)?;
        let given = given.to_string();
        let is_taken = dtypes.split(' ').any(|dtype| dtype == given);
        (!is_taken).then(|| dtypes.replace(' ', ", "))
    }
}

fn takes(word: &str, argument: ArgumentKind) -> bool {
    use ArgumentKind as A;
    let inner = |name: &str| word.strip_prefix(name)?.strip_suffix('>');
    if let Some(inner) = inner("Optional<") {
        return argument == A::Null || takes(inner, argument);
    }
    if matches!(word, "Any" | "AnyView" | Parameter::MORE) {
        return true;
    }
    let is_object = word == "ffi.Object";
    match argument {
        A::Int => matches!(word, "int" | "bool" | "float"),
        A::Float => word == "float",
        // A data type may be named.
        A::String => is_object || matches!(word, "str" | "std::string" | "DataType"),
        A::RawString => matches!(word, "str" | "std::string" | "DataType"),
        A::RawTensor => word == "DLTensor*",
        A::Shape => is_object || word == "ffi.Shape",
        A::Dtype | A::NoBytes | A::Void => word == "DataType",
        A::Tensor => is_object || matches!(word, "ffi.Tensor" | "DLTensor*"),
        A::Function => is_object || word == "ffi.Function",
        // A tuple of numbers is taken for a shape; what its items are is not looked at.
        A::Array => {
            is_object
                || matches!(word, "ffi.Array" | "ffi.Shape")
                || inner("Array<").or(inner("List<")).is_some()
        }
        A::Vm => word == "void*",
        // A null of these classes dies later, where it is used.
        A::Null => {
            let nullable = [
                "ffi.Tensor",
                "ffi.Function",
                "relax.vm.AttentionKVCacheLegacy",
                "void*",
            ];
            is_object || nullable.contains(&word)
        }
    }
}

/// What each argument of a function must be, by its name.
pub type ParameterKinds = BTreeMap<String, Vec<Parameter>>;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_taken_as_tvm_ffi_converts_them() {
        use ArgumentKind as A;
        for (word, taken, refused) in [
            ("int", vec![A::Int], vec![A::Float, A::Null, A::Tensor]),
            ("float", vec![A::Int, A::Float], vec![A::String, A::Null]),
            (
                "str",
                vec![A::String, A::RawString],
                vec![A::Tensor, A::Null],
            ),
            (
                "DataType",
                vec![A::Dtype, A::String],
                vec![A::Int, A::Shape],
            ),
            (
                "ffi.Shape",
                vec![A::Shape, A::Array],
                vec![A::Tensor, A::Null],
            ),
            (
                "ffi.Tensor",
                vec![A::Tensor, A::Null],
                vec![A::RawTensor, A::Shape],
            ),
            (
                "DLTensor*",
                vec![A::Tensor, A::RawTensor],
                vec![A::Null, A::Int],
            ),
            ("Array<Any>", vec![A::Array], vec![A::Shape, A::Null]),
            (
                "relax.vm.KVState",
                vec![],
                vec![A::Tensor, A::Array, A::Null],
            ),
            ("Optional<str>", vec![A::Null, A::String], vec![A::Int]),
            (
                "DLTensor* of int8 int32",
                vec![A::Tensor, A::RawTensor],
                vec![A::Int],
            ),
            ("Any", vec![A::Null, A::Tensor, A::Int], vec![]),
        ] {
            let parameter = Parameter(word.to_owned());
            assert!(taken.iter().all(|kind| parameter.takes(*kind)), "{word}");
            assert!(!refused.iter().any(|kind| parameter.takes(*kind)), "{word}");
        }
    }

    #[test]
    fn counts_may_have_only_a_least() {
        let counts: Counts = serde_json::from_str("\"3..\"").expect("a form of a count");
        assert!(!counts.contains(2) && counts.contains(3) && counts.contains(70));
        assert_eq!(counts.to_string(), "3 or more");
        assert!(serde_json::from_str::<Counts>("\"3\"").is_err());
    }
}
