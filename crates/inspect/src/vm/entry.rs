//! What the functions of a program take, as the checks at their beginning say:
//! `check_tensor_info`, `match_shape` and their like, which compilers put before
//! everything else.
//!
//! Only what these calls say. A parameter without a check may be anything.

use std::collections::HashMap;

use super::dataflow::name_of;
use super::instruction::{Argument, Arguments, Instruction, Register};
use super::{ConstantValue, DataType, Executable, Function, FunctionKind};

/// What a parameter must be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Parameter {
    /// No check says anything.
    #[default]
    Unchecked,
    /// A tensor.
    Tensor {
        /// Its type, where one is demanded.
        dtype: Option<DataType>,
        /// Its dimensions; `None` where not even their number is demanded.
        dims: Option<Vec<Dim>>,
    },
    /// A shape.
    Shape(Option<Vec<Dim>>),
    /// A number of this type.
    Number(DataType),
    /// A tuple.
    Tuple(Vec<Parameter>),
    /// A function.
    Function,
}

/// One dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dim {
    /// Whatever it is.
    #[default]
    Any,
    /// This number.
    Exactly(i64),
    /// The number of this slot of the shape heap: the same wherever it is named.
    Slot(i64),
}

/// Most fields of a tuple and dimensions that are believed.
const MOST: i64 = 4096;

/// A function of the program and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its table index.
    pub function: usize,
    /// Its name.
    pub name: &'a str,
    /// Its parameters, in order.
    pub parameters: Vec<Parameter>,
}

/// The VM functions of a program, in the order of its table.
pub fn entries(executable: &Executable) -> Vec<Entry<'_>> {
    let functions = executable.functions.iter().enumerate();
    functions
        .filter(|(_, function)| function.kind == FunctionKind::Vm)
        .map(|(index, function)| entry(executable, index, function))
        .collect()
}

/// The fields that lead to a value: parameter, field, field of the field.
type Path = Vec<usize>;

fn entry<'a>(executable: &Executable, index: usize, function: &'a Function) -> Entry<'a> {
    let count = usize::try_from(function.num_args.clamp(0, MOST)).unwrap_or(0);
    let mut reader = Reader {
        executable,
        parameters: vec![Parameter::Unchecked; count],
        paths: (0_i64..)
            .zip(0..count)
            .map(|(register, at)| (register, vec![at]))
            .collect(),
    };
    for (_, instruction) in executable.instructions(function.instructions.clone()) {
        let Instruction::Call {
            dst,
            function,
            args,
        } = instruction
        else {
            break;
        };
        let name = name_of(executable, function).unwrap_or_default();
        if reader.read(name, dst, args).is_none() {
            break;
        }
    }
    Entry {
        function: index,
        name: &function.name,
        parameters: reader.parameters,
    }
}

struct Reader<'a> {
    executable: &'a Executable,
    parameters: Vec<Parameter>,
    /// Which value a register holds.
    paths: HashMap<i64, Path>,
}

impl Reader<'_> {
    /// `None` where the checks end.
    fn read(&mut self, name: &str, dst: Register, args: Arguments<'_>) -> Option<()> {
        let at = self.path(args.get(0));
        let number = |position| match args.get(position) {
            Some(Argument::Immediate(number)) => Some(number),
            _ => None,
        };
        let parameter = match name.strip_prefix("vm.builtin.")? {
            "alloc_shape_heap" | "match_prim_value" => return Some(()),
            "check_tensor_info" => Parameter::Tensor {
                dtype: self.dtype(args.get(2)),
                dims: dims(number(1)?),
            },
            "check_shape_info" => Parameter::Shape(dims(number(1)?)),
            "check_prim_value_info" => Parameter::Number(self.dtype(args.get(1))?),
            "check_func_info" => Parameter::Function,
            "check_tuple_info" => {
                let fields = usize::try_from(number(1)?.clamp(0, MOST)).ok()?;
                Parameter::Tuple(vec![Parameter::Unchecked; fields])
            }
            "tuple_getitem" => {
                let mut path = at?;
                path.push(usize::try_from(number(1)?).ok()?);
                if let Register::Number(register) = dst {
                    self.paths.insert(register, path);
                }
                return Some(());
            }
            "match_shape" => return self.matched(&at?, args),
            _ => return None,
        };
        *self.place(&at?)? = parameter;
        Some(())
    }

    /// `match_shape(value, heap, count, code, number, code, number, ..., text)`.
    fn matched(&mut self, path: &Path, args: Arguments<'_>) -> Option<()> {
        let place = self.place(path)?;
        let (Parameter::Tensor {
            dims: Some(dims), ..
        }
        | Parameter::Shape(Some(dims))) = place
        else {
            return Some(());
        };
        for (index, dim) in dims.iter_mut().enumerate() {
            let code = index.checked_mul(2)?.checked_add(3)?;
            let (Some(Argument::Immediate(code)), Some(Argument::Immediate(number))) =
                (args.get(code), args.get(code.checked_add(1)?))
            else {
                return Some(());
            };
            *dim = match code {
                0 => Dim::Exactly(number),
                1 | 3 => Dim::Slot(number),
                _ => Dim::Any,
            };
        }
        Some(())
    }

    fn path(&self, argument: Option<Argument>) -> Option<Path> {
        match argument? {
            Argument::Register(register) => self.paths.get(&register).cloned(),
            _ => None,
        }
    }

    fn place(&mut self, path: &Path) -> Option<&mut Parameter> {
        let (first, fields) = path.split_first()?;
        let mut place = self.parameters.get_mut(*first)?;
        for field in fields {
            let Parameter::Tuple(parameters) = place else {
                return None;
            };
            place = parameters.get_mut(*field)?;
        }
        Some(place)
    }

    fn dtype(&self, argument: Option<Argument>) -> Option<DataType> {
        let Some(Argument::Constant(index)) = argument else {
            return None;
        };
        let constant = self.executable.constants.get(usize::try_from(index).ok()?);
        match constant?.value {
            ConstantValue::Dtype(dtype) if dtype.bits > 0 => Some(dtype),
            _ => None,
        }
    }
}

fn dims(count: i64) -> Option<Vec<Dim>> {
    let count = usize::try_from(count).ok()?;
    (count <= 64).then(|| vec![Dim::Any; count])
}
