//! What a register holds, where one function shows it for certain: a parameter that is
//! checked before anything else is done, or the result of the only call that writes it.
//!
//! What comes through branches, callers and callees is [`super::dataflow`]'s.

use std::collections::HashMap;

use super::argument_kind::{ArgumentKind, kind};
use super::instruction::{Argument, Arguments, Instruction, Register};
use super::{ConstantValue, Executable, FunctionKind};

/// Copies and items of tuples that are looked through.
const DEPTH: usize = 16;

/// What is known of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Its kind.
    pub kind: Option<ArgumentKind>,
    /// How many items a tuple has.
    pub items: Option<u64>,
    /// How many elements a tensor has, or the tensor that a shape describes.
    pub elements: Option<u64>,
    /// Bytes of an element of a tensor, where it has whole ones.
    pub element: Option<u64>,
}

type Quick<V> = HashMap<i64, V, foldhash::fast::RandomState>;

/// The registers of one function.
pub struct Registers<'a> {
    executable: &'a Executable,
    parameters: i64,
    /// The call that writes a register; `None` where several do.
    written: Quick<Option<Written<'a>>>,
    /// What is checked of parameters before the first branch, and from where on.
    checked: Quick<(u64, Held)>,
}

#[derive(Clone, Copy)]
struct Written<'a> {
    callee: &'a str,
    args: Arguments<'a>,
}

impl<'a> Registers<'a> {
    /// Reads the function of that table index.
    pub fn of(executable: &'a Executable, function: usize) -> Self {
        let function = executable.functions.get(function);
        let mut registers = Self {
            executable,
            parameters: function.map_or(0, |function| function.num_args),
            written: Quick::default(),
            checked: Quick::default(),
        };
        let range = function.map_or(0..0, |function| function.instructions.clone());
        let mut is_straight = true;
        for (at, instruction) in executable.instructions(range) {
            let Instruction::Call {
                dst,
                function,
                args,
            } = instruction
            else {
                is_straight = false;
                continue;
            };
            let callee = builtin(executable, function).unwrap_or_default();
            if is_straight {
                registers.check(at, callee, args);
            }
            if let Register::Number(number) = dst {
                let written = registers.written.entry(number);
                written
                    .and_modify(|several| *several = None)
                    .or_insert(Some(Written { callee, args }));
            }
        }
        registers
    }

    /// Takes in what a check says of its first argument.
    fn check(&mut self, at: u64, callee: &str, args: Arguments<'_>) {
        let Some(Argument::Register(register)) = args.get(0) else {
            return;
        };
        let found = match callee {
            "check_tensor_info" => Held {
                element: self.element(args.get(2)),
                ..held(ArgumentKind::Tensor)
            },
            "check_shape_info" => held(ArgumentKind::Shape),
            "check_tuple_info" => Held {
                items: immediate(args.get(1)),
                ..held(ArgumentKind::Array)
            },
            "match_shape" => Held {
                elements: matched(args),
                ..Held::default()
            },
            _ => return,
        };
        let (since, known) = self.checked.entry(register).or_default();
        *since = at;
        known.kind = known.kind.or(found.kind);
        known.items = known.items.or(found.items);
        known.elements = known.elements.or(found.elements);
        known.element = known.element.or(found.element);
    }

    /// What an argument of instruction `at` holds.
    pub fn held(&self, at: u64, argument: Argument) -> Held {
        self.resolve(at, argument, DEPTH)
    }

    fn resolve(&self, at: u64, argument: Argument, depth: usize) -> Held {
        let Argument::Register(register) = argument else {
            return Held {
                kind: kind(self.executable, argument),
                elements: self.constant_elements(argument),
                ..Held::default()
            };
        };
        match self.written.get(&register) {
            None if register < self.parameters => match self.checked.get(&register) {
                Some((since, held)) if *since < at => *held,
                _ => Held::default(),
            },
            Some(Some(written)) if register >= self.parameters => depth
                .checked_sub(1)
                .map_or_else(Held::default, |depth| self.result(at, *written, depth)),
            _ => Held::default(),
        }
    }

    /// What a builtin gives.
    fn result(&self, at: u64, written: Written<'_>, depth: usize) -> Held {
        let args = written.args;
        let of_argument = |position| {
            let argument = args.get(position);
            argument.map_or_else(Held::default, |argument| self.resolve(at, argument, depth))
        };
        match written.callee {
            "copy" => of_argument(0),
            "make_tuple" => Held {
                items: u64::try_from(args.len()).ok(),
                ..held(ArgumentKind::Array)
            },
            "alloc_tensor" => Held {
                elements: of_argument(2).elements,
                element: self.element(args.get(3)),
                ..held(ArgumentKind::Tensor)
            },
            "reshape" => Held {
                elements: of_argument(1).elements,
                element: of_argument(0).element,
                ..held(ArgumentKind::Tensor)
            },
            "make_shape" | "shape_of" | "tensor_to_shape" => held(ArgumentKind::Shape),
            "shape_to_tensor" => held(ArgumentKind::Tensor),
            "tuple_getitem" => self.item(at, args, depth).unwrap_or_default(),
            _ => Held::default(),
        }
    }

    /// An item of a tuple that is made in the function.
    fn item(&self, at: u64, args: Arguments<'_>, depth: usize) -> Option<Held> {
        let (Argument::Register(tuple), Argument::Immediate(index)) = (args.get(0)?, args.get(1)?)
        else {
            return None;
        };
        let made = self.written.get(&tuple).copied().flatten();
        let made = made.filter(|_| tuple >= self.parameters)?;
        let index = usize::try_from(index).ok()?;
        let item = made
            .args
            .get(index)
            .filter(|_| made.callee == "make_tuple")?;
        Some(self.resolve(at, item, depth))
    }

    /// Bytes of an element of a constant data type.
    fn element(&self, argument: Option<Argument>) -> Option<u64> {
        let Argument::Constant(index) = argument? else {
            return None;
        };
        let index = usize::try_from(index).ok()?;
        let ConstantValue::Dtype(dtype) = &self.executable.constants.get(index)?.value else {
            return None;
        };
        let bits = u64::from(dtype.bits).checked_mul(u64::from(dtype.lanes))?;
        (bits > 0 && bits.is_multiple_of(8)).then_some(bits / 8)
    }

    /// The elements of a constant shape or tensor.
    fn constant_elements(&self, argument: Argument) -> Option<u64> {
        let Argument::Constant(index) = argument else {
            return None;
        };
        let index = usize::try_from(index).ok()?;
        match &self.executable.constants.get(index)?.value {
            ConstantValue::Shape(sizes) | ConstantValue::Tensor { shape: sizes, .. } => {
                product(sizes.iter().copied())
            }
            _ => None,
        }
    }
}

fn held(kind: ArgumentKind) -> Held {
    Held {
        kind: Some(kind),
        ..Held::default()
    }
}

/// The name of a builtin of the VM, without its beginning.
fn builtin(executable: &Executable, function: i64) -> Option<&str> {
    let function = executable.functions.get(usize::try_from(function).ok()?)?;
    let name = function.name.strip_prefix("vm.builtin.")?;
    (function.kind == FunctionKind::Packed).then_some(name)
}

fn immediate(argument: Option<Argument>) -> Option<u64> {
    match argument {
        Some(Argument::Immediate(number)) => u64::try_from(number).ok(),
        _ => None,
    }
}

/// `match_shape(tensor, heap, ndim, code, value, code, value, ...)`: the elements, where
/// every code is 0, "equal to this number".
fn matched(args: Arguments<'_>) -> Option<u64> {
    let dimensions = usize::try_from(immediate(args.get(2))?).ok()?;
    if dimensions > args.len() {
        return None;
    }
    let sizes: Option<Vec<i64>> = (0..dimensions)
        .map(|dimension| {
            let code = dimension.checked_mul(2)?.checked_add(3)?;
            match (args.get(code)?, args.get(code.checked_add(1)?)?) {
                (Argument::Immediate(0), Argument::Immediate(size)) => Some(size),
                _ => None,
            }
        })
        .collect();
    product(sizes?.into_iter())
}

fn product(sizes: impl Iterator<Item = i64>) -> Option<u64> {
    let mut sizes = sizes.map(|size| u64::try_from(size).ok());
    sizes.try_fold(1u64, |product, size| product.checked_mul(size?))
}
