//! What is known of a value that reaches an argument.

use serde::Serialize;

use super::Executable;

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
    pub(crate) fn is_cut(&self) -> bool {
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

/// What reaches an argument, read as a `T`. Whoever asks has to say what it does
/// where that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Reach<T> {
    /// One of these, by the way the code took; at least one.
    Known {
        /// Each once.
        values: Vec<T>,
    },
    /// Something that is not known may reach it, and these may too.
    Unknown {
        /// What may reach it besides.
        values: Vec<T>,
        /// Where the value comes from that could not be followed.
        why: String,
    },
}

impl<T> Reach<T> {
    /// Reads each value that may arrive; `read` gives the reason where it cannot.
    pub(super) fn of(
        reaching: Option<&Value>,
        mut read: impl FnMut(&Value) -> Result<T, String>,
    ) -> Self {
        let Some(reaching) = reaching else {
            return Self::Unknown {
                values: Vec::new(),
                why: String::from("the call has no such argument"),
            };
        };
        let mut values = Vec::new();
        let mut unknown = None;
        for value in reaching.alternatives() {
            match read(value) {
                Ok(value) => values.push(value),
                Err(why) => unknown = unknown.or(Some(why)),
            }
        }
        match unknown {
            Some(why) => Self::Unknown { values, why },
            None => Self::Known { values },
        }
    }

    /// What may reach the argument, as far as it is known, and why not all is.
    pub fn parts(&self) -> (&[T], Option<&str>) {
        match self {
            Self::Known { values } => (values, None),
            Self::Unknown { values, why } => (values, Some(why)),
        }
    }
}

/// Where a value comes from that the program does not show, in words.
pub(super) fn origin(executable: &Executable, value: &Value) -> String {
    match value {
        Value::Parameter(number) => {
            format!("parameter {number} of the function, which the application gives")
        }
        Value::Call {
            callee,
            instruction,
        } => {
            let callee = usize::try_from(*callee).ok();
            let callee = callee.and_then(|index| executable.functions.get(index));
            let name = callee.map_or("a function", |function| &function.name);
            format!("the result of `{name}`, instruction {instruction}")
        }
        Value::HeapSlot(_) => String::from("a number that is computed"),
        Value::Unknown(Unknown::Undefined) => String::from("a register that nothing is written to"),
        Value::Unknown(Unknown::Cycle) => String::from("a value that depends on itself"),
        Value::Unknown(Unknown::Malformed) => String::from("an argument of an unknown form"),
        Value::Unknown(Unknown::Limit) => String::from("more steps away than are followed"),
        _ => String::from("a value of another kind"),
    }
}
