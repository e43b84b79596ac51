//! What is known of a value that reaches an argument.

use serde::Serialize;

/// What is known of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "of")]
pub enum Value {
    /// An integer written in the code.
    Immediate(i64),
    /// A constant, by pool index.
    Constant(usize),
    /// A function, by table index.
    Function(usize),
    /// A shape built by `vm.builtin.make_shape`.
    Shape {
        /// Instruction that builds it.
        instruction: u64,
        /// Element count as the call states it.
        declared: Option<i64>,
        /// Elements as far as the call has arguments for them.
        items: Vec<Value>,
    },
    /// A tuple built by `vm.builtin.make_tuple`.
    Tuple {
        /// Instruction that builds it.
        instruction: u64,
        /// Fields.
        items: Vec<Value>,
    },
    /// A number kept in the function's shape heap.
    HeapSlot(i64),
    /// A parameter of the function.
    Parameter(u64),
    /// The result of any other call.
    Call {
        /// Function table index.
        callee: i64,
        /// Instruction that calls.
        instruction: u64,
    },
    /// The null value.
    Null,
    /// No value.
    Void,
    /// The VM itself.
    Vm,
    /// One of several, by the way the code took; sorted.
    OneOf(Vec<Value>),
    /// Not decidable here.
    Unknown(Unknown),
}

/// Why a value is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// The register is read before anything is written to it.
    Undefined,
    /// The value depends on itself, through a loop.
    Cycle,
    /// The index does not exist, or a builtin has arguments of another form.
    Malformed,
    /// The bound on work or nesting was reached.
    Limit,
}

impl Value {
    /// The values it may be: the alternatives of a join, or itself.
    pub fn alternatives(&self) -> &[Self] {
        match self {
            Self::OneOf(values) => values,
            other => std::slice::from_ref(other),
        }
    }

    /// Whether the bound on work or nesting was reached on the way to it.
    pub fn is_cut(&self) -> bool {
        self.alternatives().contains(&Self::Unknown(Unknown::Limit))
    }

    pub(super) fn join(values: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Vec::new();
        for value in values {
            match value {
                Self::OneOf(values) => all.extend(values),
                other => all.push(other),
            }
        }
        all.sort_unstable();
        all.dedup();
        match (all.pop(), all.is_empty()) {
            (None, _) => Self::Unknown(Unknown::Undefined),
            (Some(only), true) => only,
            (Some(last), false) => {
                all.push(last);
                Self::OneOf(all)
            }
        }
    }
}
