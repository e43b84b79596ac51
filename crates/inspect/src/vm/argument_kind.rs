//! What an argument is that stands in the code itself: an immediate, a constant, a
//! function, nothing. What registers hold is followed in [`super::dataflow`].

use super::instruction::Argument;
use super::{ConstantValue, DataType, Executable};

/// The kind of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArgumentKind {
    /// An integer.
    Int,
    /// A float.
    Float,
    /// A string.
    String,
    /// A shape.
    Shape,
    /// A data type.
    Dtype,
    /// The data type that means "not known".
    Void,
    /// A data type that no tensor of the runtime can have: it fills no whole bytes.
    NoBytes,
    /// A tensor.
    Tensor,
    /// A tensor as host code passes it on: a pointer, no object.
    RawTensor,
    /// A string as host code passes it: a pointer to its bytes.
    RawString,
    /// Nothing.
    Null,
    /// A function.
    Function,
    /// A tuple.
    Array,
    /// The virtual machine itself, or any pointer of host code's.
    Vm,
}

impl ArgumentKind {
    /// The word of tvm-ffi's errors for what is given.
    pub fn word(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Float => "float",
            Self::String => "ffi.String",
            Self::Shape => "ffi.Shape",
            Self::Dtype | Self::NoBytes | Self::Void => "DataType",
            Self::Tensor => "ffi.Tensor",
            Self::RawTensor => "DLTensor*",
            Self::RawString => "const char*",
            Self::Null => "None",
            Self::Function => "ffi.Function",
            Self::Array => "ffi.Array",
            Self::Vm => "void*",
        }
    }
}

/// `void`, as the runtime's own constant is.
const VOID: DataType = DataType {
    code: 3,
    bits: 0,
    lanes: 0,
};

/// A constant text.
pub fn text(executable: &Executable, argument: Argument) -> Option<&str> {
    let Argument::Constant(index) = argument else {
        return None;
    };
    let index = usize::try_from(index).ok()?;
    match &executable.constants.get(index)?.value {
        ConstantValue::String(text) => Some(text),
        _ => None,
    }
}

/// The kind of an argument, where the code alone shows it.
pub fn kind(executable: &Executable, argument: Argument) -> Option<ArgumentKind> {
    let index = match argument {
        Argument::Immediate(_) => return Some(ArgumentKind::Int),
        Argument::Void => return Some(ArgumentKind::Null),
        Argument::Function(_) => return Some(ArgumentKind::Function),
        Argument::Vm => return Some(ArgumentKind::Vm),
        Argument::Register(_) => return None,
        Argument::Constant(index) => usize::try_from(index).ok()?,
    };
    Some(match executable.constants.get(index)?.value {
        ConstantValue::Int(_) => ArgumentKind::Int,
        ConstantValue::Float(_) => ArgumentKind::Float,
        ConstantValue::String(_) => ArgumentKind::String,
        ConstantValue::Shape(_) => ArgumentKind::Shape,
        ConstantValue::Dtype(VOID) => ArgumentKind::Void,
        ConstantValue::Dtype(dtype) if !can_be_allocated(dtype) => ArgumentKind::NoBytes,
        ConstantValue::Dtype(_) => ArgumentKind::Dtype,
        ConstantValue::Tensor { .. } => ArgumentKind::Tensor,
    })
}

/// What every release's allocator demands (`VerifyDataType`): whole bytes, a power of
/// two of them, or the one bit of a boolean.
fn can_be_allocated(dtype: DataType) -> bool {
    let is_bit = dtype.code == 1 && dtype.bits == 1;
    is_bit || (dtype.bits.is_multiple_of(8) && dtype.bits.is_power_of_two())
}
