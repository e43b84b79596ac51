//! The Relax VM executable inside a model library: format, disassembly,
//! statistics, dataflow (docs/formats.md#vm-executable).
//!
//! [`Executable::decode`] turns bytes into the types below; the other files
//! answer questions about them. Nothing here knows of blobs or containers.

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub mod argument_kind;
pub(crate) mod bodies;
pub mod calls;
mod code;
mod constants;
pub mod dataflow;
mod decode;
pub mod disassemble;
mod dtype;
pub mod entry;
mod flow_graph;
pub mod forms;
mod functions;
mod header;
pub mod held;
mod instruction;
pub mod kernel;
pub mod kv_cache;
pub mod misfit;
mod moves;
pub mod register_kinds;
mod short_text;
pub mod states;
pub mod stats;
pub(crate) mod stray;
mod text;
mod unwritten;
pub mod value;
pub mod ways;

pub(crate) use constants::{read_dtype, tensor_stream};
pub use instruction::{Argument, Arguments, Instruction, Register};

/// Format generation of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Magic {
    /// `0xD225DE2F4214151D`: no memory scopes; written up to 0.22.
    V1,
    /// `0xD225DE2F4214151E`: memory scopes; written from 0.23.
    V2,
}

/// Which codes the constant pool uses (docs/formats.md#constant-pool).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConstantTable {
    /// 0..5: up to 0.20.
    Classic,
    /// Shape 71, tensor 72: 0.21 and snapshots from 2025-05 to 2025-08.
    Ffi21,
    /// Shape 69, tensor 70: from 0.22.
    Ffi22,
    /// The pool has no entry that would tell 0.21 from 0.22: fits both.
    #[serde(skip_deserializing)]
    AnyFfi,
    /// The pool is empty: fits all.
    #[serde(skip_deserializing)]
    Any,
}

impl ConstantTable {
    /// Whether a runtime that reads the table `read` understands these codes.
    pub fn fits(self, read: Self) -> bool {
        match self {
            Self::Any => true,
            Self::AnyFfi => read != Self::Classic,
            exact => exact == read,
        }
    }
}

/// Kind of a function-table entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionKind {
    /// 0: external name, resolved when the VM initialises.
    Packed,
    /// 1: bytecode.
    Vm,
    /// 2: bytecode compiled to host code (`__vmtir__<name>`).
    VmTir,
}

/// A function-table entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Function {
    /// Kind.
    pub kind: FunctionKind,
    /// Unique name.
    pub name: String,
    /// Instruction numbers, half-open; empty for packed entries.
    pub instructions: Range<u64>,
    /// Number of parameters; -2 in packed entries written by the compiler.
    pub num_args: i64,
    /// Registers used.
    pub registers: i64,
    /// Parameter names.
    pub parameters: Vec<String>,
}

impl Function {
    /// Whether it has instructions: bytecode, or what was read from host code.
    pub fn has_code(&self) -> bool {
        self.kind != FunctionKind::Packed && !self.instructions.is_empty()
    }
}

/// A data type as TVM writes it: code, bits, lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DataType {
    /// 0 int, 1 uint, 2 float, 3 handle, 4 bfloat, others as in DLPack.
    pub code: u8,
    /// Bits per lane.
    pub bits: u8,
    /// Lanes.
    pub lanes: u16,
}

/// Body of a constant-pool entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "type", content = "value")]
pub enum ConstantValue {
    /// A tensor; its bytes stay in the executable at `data`.
    Tensor {
        /// Element type.
        dtype: DataType,
        /// Dimensions.
        shape: Vec<i64>,
        /// Byte range of the elements inside the executable's payload.
        #[serde(skip)]
        data: Range<u64>,
        /// Its number, where it is one integer or boolean.
        #[serde(skip)]
        number: Option<i64>,
    },
    /// A data type.
    Dtype(DataType),
    /// A shape.
    Shape(Vec<i64>),
    /// A string. Bytes that are not UTF-8 are replaced here; the exact bytes
    /// are the last ones of [`Constant::range`].
    String(String),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
}

/// A constant-pool entry with its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Constant {
    /// Decoded body.
    pub value: ConstantValue,
    /// Byte range of code and body inside the executable's payload.
    pub range: Range<u64>,
}

/// A memory scope entry (V2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryScope {
    /// Constant the scope is for.
    pub constant: i64,
    /// Scope, e.g. `global.texture`.
    pub scope: String,
}

/// Byte ranges of the sections inside the payload: what a patch needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sections {
    /// Magic and version string.
    pub header: Range<u64>,
    /// Function table with its count.
    pub functions: Range<u64>,
    /// Memory scopes with their count; empty range in V1.
    pub memory_scopes: Range<u64>,
    /// Constant pool with its count.
    pub constants: Range<u64>,
    /// `instr_offset` with its count.
    pub instruction_offsets: Range<u64>,
    /// `instr_data` with its count.
    pub code: Range<u64>,
}

/// A decoded executable. Offsets count from its first byte (the magic).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Executable {
    /// Header generation.
    pub magic: Magic,
    /// Version string; `0.14` in every release.
    pub version: String,
    /// Function table in file order.
    pub functions: Vec<Function>,
    /// Memory scopes.
    pub memory_scopes: Vec<MemoryScope>,
    /// Constant pool.
    pub constants: Vec<Constant>,
    /// Constant codes in use, found by trial parse.
    pub constant_table: ConstantTable,
    /// Word index of each instruction in `code`.
    #[serde(skip)]
    pub instruction_offsets: Vec<i64>,
    /// Instruction words.
    #[serde(skip)]
    pub code: Vec<i64>,
    /// Section byte ranges.
    pub sections: Sections,
}
