//! What was read of host code: VM functions that are compiled to it, and the calls by name
//! of all its functions.

use serde::Serialize;

use crate::vm::argument_kind::ArgumentKind;
use crate::vm::{DataType, Executable};

/// A call of a function that host code looks up by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostCall {
    /// The name.
    pub callee: String,
    /// The kernel that makes it, where a tensor of it has memory that the kernel was given.
    pub kernel: Option<String>,
    /// Its arguments, as far as the code shows them.
    pub arguments: Vec<HostArgument>,
}

/// An argument of such a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostArgument {
    /// What it is.
    pub kind: Option<ArgumentKind>,
    /// Its value, of an integer.
    pub number: Option<i64>,
    /// The data type of a tensor that the kernel made itself.
    pub dtype: Option<DataType>,
    /// Whether the memory of that tensor is a parameter of the code that makes the call.
    pub is_given: bool,
}

/// An executable with the bodies that were read from host code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovered {
    /// Index of its module in the blob.
    pub module: usize,
    /// The executable with the bodies; functions that only host code names are behind
    /// those of its table.
    #[serde(skip)]
    pub executable: Executable,
    /// Functions whose code could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// Whether one of those may create a KV cache: the name of the builtin is in the file.
    #[serde(skip)]
    pub(crate) may_create_cache: bool,
}

/// A compiled function that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Its name.
    pub name: String,
    /// Where reading ended, and why.
    pub why: String,
}
