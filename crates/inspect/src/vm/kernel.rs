//! What a kernel of a library takes, as the words of its own checks have it.

use std::collections::BTreeMap;

/// The parameters of kernels, by name.
pub type Kernels = BTreeMap<String, Vec<KernelParameter>>;

/// A parameter of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelParameter {
    /// A tensor.
    Tensor {
        /// Its dimensions; `None` for those that are not numbers.
        dims: Vec<Option<i64>>,
        /// Its data type, as TVM prints it.
        dtype: String,
        /// Whether it must begin where its storage does.
        at_start: bool,
    },
    /// A number of this type.
    Number(String),
    /// Something else.
    Other,
}
