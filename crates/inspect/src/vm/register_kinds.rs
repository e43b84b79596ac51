//! What a register holds, where one function shows it for certain: a parameter that is
//! checked before anything else is done, or the result of the only call that writes it.
//! A register that nothing has been written to yet holds nothing.
//!
//! What comes through branches, callers and callees is [`super::dataflow`]'s.

use std::collections::{BTreeSet, HashMap};

use super::argument_kind::{self, ArgumentKind, kind};
use super::held::{Dims, Held};
use super::instruction::{Argument, Arguments, Instruction, Register};
use super::{ConstantValue, DataType, Executable, Function, FunctionKind};

/// Copies and items of tuples that are looked through.
const DEPTH: usize = 16;

type Quick<V> = HashMap<i64, V, foldhash::fast::RandomState>;

/// The registers of one function.
pub struct Registers<'a> {
    executable: &'a Executable,
    parameters: i64,
    /// The calls that write a register.
    written: Quick<Writes<'a>>,
    /// What is checked of parameters before the first branch: after each check, all that is
    /// known then.
    checked: Quick<Vec<(u64, Held<'a>)>>,
    /// Whether it has code of its own that never jumps back: what is not written before
    /// a place was not written when it is reached.
    is_forward: bool,
    /// Where the first branch is.
    straight_until: u64,
}

/// The calls that write a register.
#[derive(Clone, Copy)]
struct Writes<'a> {
    first: Written<'a>,
    /// Where the value is let go: compilers write nothing to its register then.
    killed: Option<u64>,
    /// Whether others write it too.
    has_more: bool,
}

#[derive(Clone, Copy)]
struct Written<'a> {
    at: u64,
    callee: &'a str,
    args: Arguments<'a>,
}

impl<'a> Registers<'a> {
    /// Reads the function of that table index. Functions of the library with a builtin's
    /// name are `own`, by table index: what they do is not known.
    pub fn of(executable: &'a Executable, function: usize, own: &BTreeSet<i64>) -> Self {
        let function = executable.functions.get(function);
        let range = function.map_or(0..0, |function| function.instructions.clone());
        let mut registers = Self {
            executable,
            parameters: function.map_or(0, |function| function.num_args),
            written: Quick::default(),
            checked: Quick::default(),
            is_forward: function.is_some_and(|function| function.kind == FunctionKind::Vm),
            straight_until: range.end,
        };
        for (at, instruction) in executable.instructions(range) {
            match instruction {
                Instruction::Call {
                    dst,
                    function,
                    args,
                } => {
                    let callee = Some(function).filter(|function| !own.contains(function));
                    registers.call(at, dst, callee, args);
                }
                Instruction::Goto { offset }
                | Instruction::If {
                    false_offset: offset,
                    ..
                } => {
                    registers.is_forward &= offset > 0;
                    registers.straight_until = registers.straight_until.min(at);
                }
                Instruction::Ret { .. } => {
                    registers.straight_until = registers.straight_until.min(at);
                }
            }
        }
        registers
    }

    fn call(&mut self, at: u64, dst: Register, callee: Option<i64>, args: Arguments<'a>) {
        let callee = callee.and_then(|callee| builtin(self.executable, callee));
        let callee = callee.unwrap_or_default();
        if at <= self.straight_until {
            self.check(at, callee, args);
        }
        let Register::Number(number) = dst else {
            return;
        };
        let is_kill = callee == "null_value";
        let first = Written { at, callee, args };
        let writes = self.written.entry(number);
        writes
            .and_modify(|writes| match writes.killed {
                None if is_kill => writes.killed = Some(at),
                _ => writes.has_more |= !is_kill,
            })
            .or_insert(Writes {
                first,
                killed: None,
                has_more: false,
            });
    }

    /// Takes in what a check says of its first argument.
    fn check(&mut self, at: u64, callee: &str, args: Arguments<'a>) {
        let Some(Argument::Register(register)) = args.get(0) else {
            return;
        };
        let found = match callee {
            "check_tensor_info" => Held {
                dtype: self.dtype(args.get(2)),
                rank: rank(args),
                ..Held::of(ArgumentKind::Tensor)
            },
            "check_shape_info" => Held {
                rank: rank(args),
                ..Held::of(ArgumentKind::Shape)
            },
            "check_tuple_info" => Held {
                items: immediate(args.get(1)),
                ..Held::of(ArgumentKind::Array)
            },
            "match_shape" => Held {
                dims: Dims::matched(args),
                ..Held::default()
            },
            _ => return,
        };
        let checks = self.checked.entry(register).or_default();
        let mut known = checks
            .last()
            .map_or_else(Held::default, |(_, known)| *known);
        known.add(found);
        checks.push((at, known));
    }

    /// What an argument of instruction `at` holds.
    pub fn held(&self, at: u64, argument: Argument) -> Held<'a> {
        self.resolve(at, argument, DEPTH)
    }

    fn resolve(&self, at: u64, argument: Argument, depth: usize) -> Held<'a> {
        let Argument::Register(register) = argument else {
            return Held {
                kind: kind(self.executable, argument),
                dims: self.constant_dims(argument),
                dtype: self.constant_dtype(argument),
                ..Held::default()
            };
        };
        match self.written.get(&register) {
            None if register < self.parameters => self.checked_before(at, register),
            _ if register < self.parameters => Held::default(),
            None => self.nothing(),
            Some(writes) if at <= writes.first.at && self.is_forward => self.nothing(),
            Some(writes) => match writes.killed {
                _ if writes.has_more => Held::default(),
                // Whether it is let go by then is not known: what takes such a value fails
                // without one too, so that all but the kind may be said of it.
                Some(_) if !self.is_forward => Held {
                    kind: None,
                    ..self.result_of(writes.first, depth)
                },
                Some(killed) if killed < at && at <= self.straight_until => self.nothing(),
                Some(killed) if killed < at => Held::default(),
                _ => self.result_of(writes.first, depth),
            },
        }
    }

    /// What is known of a parameter once it has been checked.
    fn checked_before(&self, at: u64, register: i64) -> Held<'a> {
        let checks = self.checked.get(&register).map_or(&[][..], Vec::as_slice);
        let before = checks.partition_point(|(check, _)| *check < at);
        let last = before.checked_sub(1).and_then(|last| checks.get(last));
        last.map_or_else(Held::default, |(_, known)| *known)
    }

    /// What a call gives, as deep as copies are looked through.
    fn result_of(&self, written: Written<'a>, depth: usize) -> Held<'a> {
        let depth = depth.checked_sub(1);
        depth.map_or_else(Held::default, |depth| self.result(written, depth))
    }

    /// What a register holds that nothing was written to.
    fn nothing(&self) -> Held<'a> {
        Held {
            kind: self.is_forward.then_some(ArgumentKind::Null),
            ..Held::default()
        }
    }

    /// What a builtin gives.
    fn result(&self, written: Written<'a>, depth: usize) -> Held<'a> {
        let args = written.args;
        let of_argument = |position| {
            let argument = args.get(position);
            argument.map_or_else(Held::default, |it| self.resolve(written.at, it, depth))
        };
        match written.callee {
            "copy" => of_argument(0),
            "make_tuple" => Held {
                items: u64::try_from(args.len()).ok(),
                ..Held::of(ArgumentKind::Array)
            },
            "alloc_shape_heap" => Held {
                items: immediate(args.get(1)),
                ..Held::default()
            },
            "alloc_storage" => Held {
                room: self.room(of_argument(1), args),
                ..Held::default()
            },
            "alloc_tensor" => Held {
                dims: of_argument(2).dims,
                dtype: self.dtype(args.get(3)),
                offset: immediate(args.get(1)),
                ..Held::of(ArgumentKind::Tensor)
            },
            "reshape" => Held {
                dims: of_argument(1).dims,
                dtype: of_argument(0).dtype,
                ..Held::of(ArgumentKind::Tensor)
            },
            "shape_of" => Held {
                dims: of_argument(0).dims,
                rank: of_argument(0).rank,
                ..Held::of(ArgumentKind::Shape)
            },
            "make_shape" | "tensor_to_shape" => Held::of(ArgumentKind::Shape),
            "shape_to_tensor" => Held::of(ArgumentKind::Tensor),
            "read_if_cond" => Held::of(ArgumentKind::Int),
            "null_value" => self.nothing(),
            "tuple_getitem" => self.item(written, depth).unwrap_or_default(),
            _ => Held::default(),
        }
    }

    /// `alloc_storage(vm, shape, device, dtype, scope)`: the bytes of a storage.
    fn room(&self, shape: Held<'_>, args: Arguments<'_>) -> Option<u64> {
        let of_one = Held {
            dtype: self.dtype(args.get(3)),
            ..Held::default()
        };
        shape.elements()?.checked_mul(of_one.element()?)
    }

    /// An item of a tuple that is made in the function.
    fn item(&self, taken: Written<'a>, depth: usize) -> Option<Held<'a>> {
        let (Argument::Register(tuple), Argument::Immediate(index)) =
            (taken.args.get(0)?, taken.args.get(1)?)
        else {
            return None;
        };
        let made = self.made(tuple, taken.at, "make_tuple")?;
        let item = made.args.get(usize::try_from(index).ok()?)?;
        Some(self.resolve(made.at, item, depth))
    }

    /// The call that made what a register holds at a place, if only one can have.
    fn made(&self, register: i64, at: u64, by: &str) -> Option<Written<'a>> {
        let writes = self.written.get(&register)?;
        let is_there = writes
            .killed
            .is_none_or(|killed| self.is_forward && at < killed);
        let is_clear = !writes.has_more && register >= self.parameters && is_there;
        (is_clear && writes.first.callee == by).then_some(writes.first)
    }

    /// The function of the program behind a closure, and how many arguments it has captured.
    pub(super) fn closure(&self, at: u64, argument: Argument) -> Option<(&'a Function, usize)> {
        let (function, captured) = match argument {
            Argument::Register(register) => {
                let made = self.made(register, at, "make_closure")?;
                (made.args.get(0)?, made.args.len().checked_sub(1)?)
            }
            other => (other, 0),
        };
        let function = self.function(function)?;
        (function.kind != FunctionKind::Packed).then_some((function, captured))
    }

    fn constant(&self, argument: Option<Argument>) -> Option<&'a ConstantValue> {
        let Argument::Constant(index) = argument? else {
            return None;
        };
        let index = usize::try_from(index).ok()?;
        Some(&self.executable.constants.get(index)?.value)
    }

    /// Whether a function that is handed over is one of the program; `None` for other values.
    pub(super) fn is_vm_function(&self, argument: Argument) -> Option<bool> {
        Some(self.function(argument)?.kind != FunctionKind::Packed)
    }

    fn function(&self, argument: Argument) -> Option<&'a Function> {
        let Argument::Function(index) = argument else {
            return None;
        };
        self.executable.functions.get(usize::try_from(index).ok()?)
    }

    /// A constant text.
    pub(super) fn text(&self, argument: Argument) -> Option<&'a str> {
        argument_kind::text(self.executable, argument)
    }

    /// A constant data type that is one of elements.
    pub(super) fn dtype(&self, argument: Option<Argument>) -> Option<DataType> {
        match self.constant(argument)? {
            ConstantValue::Dtype(dtype) => Some(*dtype).filter(|dtype| dtype.bits > 0),
            _ => None,
        }
    }

    /// The dimensions of a constant shape or tensor.
    fn constant_dims(&self, argument: Argument) -> Option<Dims<'a>> {
        match self.constant(Some(argument))? {
            ConstantValue::Shape(sizes) | ConstantValue::Tensor { shape: sizes, .. } => {
                Some(Dims::Constant(sizes))
            }
            _ => None,
        }
    }

    fn constant_dtype(&self, argument: Argument) -> Option<DataType> {
        match self.constant(Some(argument))? {
            ConstantValue::Tensor { dtype, .. } => Some(*dtype),
            _ => None,
        }
    }
}

/// The name of a builtin of the VM, without its beginning.
fn builtin(executable: &Executable, function: i64) -> Option<&str> {
    let function = executable.functions.get(usize::try_from(function).ok()?)?;
    let name = function.name.strip_prefix("vm.builtin.")?;
    (function.kind == FunctionKind::Packed).then_some(name)
}

/// The dimensions that a check demands; a negative number is any.
fn rank(args: Arguments<'_>) -> Option<i64> {
    match args.get(1) {
        Some(Argument::Immediate(rank)) => Some(rank).filter(|rank| *rank >= 0),
        _ => None,
    }
}

fn immediate(argument: Option<Argument>) -> Option<u64> {
    match argument {
        Some(Argument::Immediate(number)) => u64::try_from(number).ok(),
        _ => None,
    }
}
