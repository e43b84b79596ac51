//! The builtins that only move or bundle values, for [`Flow`]: copies, tuples,
//! shapes, closures. Every other call's result is that call's.

use super::Executable;
use super::dataflow::{Flow, Frame, Given, Path, name_of};
use super::instruction::{Argument, Arguments, Instruction};
use super::value::{Unknown, Value};

impl Flow<'_> {
    /// What a call of a packed function gives; builtins that move values are
    /// looked through.
    pub(super) fn moved(
        &self,
        frame: &Frame<'_>,
        at: u64,
        callee: i64,
        args: Arguments<'_>,
        path: &mut Path,
    ) -> Value {
        let opaque = Value::Call {
            callee,
            instruction: at,
        };
        let name = name_of(self.executable, callee).unwrap_or_default();
        match name.strip_prefix("vm.builtin.") {
            Some("copy") => match args.get(0) {
                Some(argument) => self.resolve(frame, at, argument, path),
                None => Value::Unknown(Unknown::Malformed),
            },
            Some("make_tuple") => Value::Tuple {
                instruction: at,
                items: args
                    .iter()
                    .map(|argument| self.resolve(frame, at, argument, path))
                    .collect(),
            },
            Some("tuple_getitem") => self.field(frame, at, args, path).unwrap_or(opaque),
            Some("make_shape") => self.shape(frame, at, args, path),
            Some("make_prim_value") => match (args.get(1), args.get(2)) {
                (Some(code), Some(value)) => self.shape_item(frame, at, code, value, path),
                _ => Value::Unknown(Unknown::Malformed),
            },
            Some("null_value") => Value::Null,
            Some("tensor_to_shape") => self.shape_again(frame, at, args, path).unwrap_or(opaque),
            Some("invoke_closure") => self.invoked(frame, at, args, path).unwrap_or(opaque),
            _ => opaque,
        }
    }

    /// A field of a tuple that the program builds.
    fn field(
        &self,
        frame: &Frame<'_>,
        at: u64,
        args: Arguments<'_>,
        path: &mut Path,
    ) -> Option<Value> {
        let Some(Argument::Immediate(index)) = args.get(1) else {
            return None;
        };
        let index = usize::try_from(index).ok()?;
        let tuple = self.resolve(frame, at, args.get(0)?, path);
        let fields: Option<Vec<Value>> = tuple
            .alternatives()
            .iter()
            .map(|alternative| match alternative {
                Value::Tuple { items, .. } => items.get(index).cloned(),
                _ => None,
            })
            .collect();
        Some(Value::join(fields?))
    }

    /// `make_shape(heap, count, code, value, code, value, ...)`.
    fn shape(&self, frame: &Frame<'_>, at: u64, args: Arguments<'_>, path: &mut Path) -> Value {
        let declared = match args.get(1) {
            Some(Argument::Immediate(count)) => Some(count),
            _ => None,
        };
        let pairs = args.len().saturating_sub(2) / 2;
        let items = (0..pairs)
            .map(|pair| {
                let code = pair.saturating_mul(2).saturating_add(2);
                match (args.get(code), args.get(code.saturating_add(1))) {
                    (Some(code), Some(value)) => self.shape_item(frame, at, code, value, path),
                    _ => Value::Unknown(Unknown::Malformed),
                }
            })
            .collect();
        Value::Shape {
            instruction: at,
            declared,
            items,
        }
    }

    /// Code 0: the value itself; code 1: a slot of the shape heap.
    fn shape_item(
        &self,
        frame: &Frame<'_>,
        at: u64,
        code: Argument,
        value: Argument,
        path: &mut Path,
    ) -> Value {
        match (code, value) {
            (Argument::Immediate(0), value) => self.resolve(frame, at, value, path),
            (Argument::Immediate(1), Argument::Immediate(slot)) => Value::HeapSlot(slot),
            _ => Value::Unknown(Unknown::Malformed),
        }
    }

    /// A shape that went through a tensor: `tensor_to_shape(shape_to_tensor(shape))`.
    fn shape_again(
        &self,
        frame: &Frame<'_>,
        at: u64,
        args: Arguments<'_>,
        path: &mut Path,
    ) -> Option<Value> {
        let Value::Call {
            callee,
            instruction,
        } = self.resolve(frame, at, args.get(0)?, path)
        else {
            return None;
        };
        let made = name_of(self.executable, callee) == Some("vm.builtin.shape_to_tensor");
        let shape = call_at(self.executable, instruction)
            .filter(|_| made)?
            .get(0)?;
        // Its own arguments are known only where this visit can see them.
        self.sees(frame, instruction)
            .then(|| self.resolve(frame, instruction, shape, path))
    }

    /// `invoke_closure(vm, closure, arguments...)`: those captured come last.
    fn invoked(
        &self,
        frame: &Frame<'_>,
        at: u64,
        args: Arguments<'_>,
        path: &mut Path,
    ) -> Option<Value> {
        let given = args.iter().skip(2);
        let mut given: Vec<Given> = given.map(|argument| Given { at, argument }).collect();
        let function = match self.resolve(frame, at, args.get(1)?, path) {
            Value::Function(function) => function,
            Value::Call {
                callee,
                instruction,
            } => {
                let makes = name_of(self.executable, callee) == Some("vm.builtin.make_closure");
                let made = call_at(self.executable, instruction)
                    .filter(|_| makes && self.sees(frame, instruction))?;
                let captured = made.iter().skip(1);
                given.extend(captured.map(|argument| Given {
                    at: instruction,
                    argument,
                }));
                match self.resolve(frame, instruction, made.get(0)?, path) {
                    Value::Function(function) => function,
                    _ => return None,
                }
            }
            _ => return None,
        };
        let callee = self.executable.functions.get(function)?;
        callee
            .has_code()
            .then(|| self.returned(frame, function, &given, path))
    }
}

fn call_at(executable: &Executable, instruction: u64) -> Option<Arguments<'_>> {
    match executable.instruction(instruction)? {
        Instruction::Call { args, .. } => Some(args),
        _ => None,
    }
}
