//! Which constants, functions, immediates and shapes reach an argument of a
//! call: registers are followed back through the builtins that only move or
//! bundle values.
//!
//! Branches are joined, never guessed: where several values may arrive, all
//! are given. What a search cannot decide is [`Value::Unknown`]. The work is
//! bounded by [`MAX_DATAFLOW_STEPS`], whatever the file.

use std::cell::Cell;

use serde::Serialize;

use super::Executable;
use super::calls::all_calls;
use super::flow_graph::Graph;
use super::instruction::{Argument, Arguments, Instruction, Register};
use super::value::{Unknown, Value};
use crate::limits::{MAX_DATAFLOW_DEPTH, MAX_DATAFLOW_STEPS};

/// A call of a named function, with what reaches its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallSite {
    /// Function the call stands in, by table index.
    pub function: usize,
    /// Instruction, counted over the whole executable.
    pub instruction: u64,
    /// Arguments in order.
    pub args: Vec<Value>,
}

/// The calls of functions named `callee`, with what reaches their arguments.
pub fn calls(executable: &Executable, callee: &str) -> Vec<CallSite> {
    let mut found: Vec<CallSite> = Vec::new();
    let mut flow: Option<Flow<'_>> = None;
    for call in all_calls(executable) {
        if name_of(executable, call.callee) != Some(callee) {
            continue;
        }
        let here = match flow.take() {
            Some(flow) if flow.function == call.function => flow,
            other => {
                let left = other.map_or(MAX_DATAFLOW_STEPS, |flow| flow.budget.get());
                Flow::with_budget(executable, call.function, left)
            }
        };
        found.push(CallSite {
            function: call.function,
            instruction: call.instruction,
            args: call
                .args
                .iter()
                .map(|argument| here.argument(call.instruction, argument))
                .collect(),
        });
        flow = Some(here);
    }
    found
}

fn name_of(executable: &Executable, function: i64) -> Option<&str> {
    let function = executable.functions.get(usize::try_from(function).ok()?)?;
    Some(&function.name)
}

/// Answers for one function of an executable.
#[derive(Debug)]
pub struct Flow<'a> {
    executable: &'a Executable,
    function: usize,
    graph: Graph,
    budget: Cell<usize>,
}

impl<'a> Flow<'a> {
    /// Prepares the function of that table index.
    pub fn new(executable: &'a Executable, function: usize) -> Self {
        Self::with_budget(executable, function, MAX_DATAFLOW_STEPS)
    }

    fn with_budget(executable: &'a Executable, function: usize, budget: usize) -> Self {
        Self {
            executable,
            function,
            graph: Graph::new(executable, function),
            budget: Cell::new(budget),
        }
    }

    /// What an argument of instruction `at` holds.
    pub fn argument(&self, at: u64, argument: Argument) -> Value {
        self.resolve(at, argument, &mut Vec::new())
    }

    /// What a register holds just before instruction `at`.
    pub fn register(&self, at: u64, register: Register) -> Value {
        let argument = match register {
            Register::Number(number) => Argument::Register(number),
            Register::Void => Argument::Void,
            Register::Vm => Argument::Vm,
        };
        self.argument(at, argument)
    }

    /// `path` holds the definitions being followed: one met twice is a cycle.
    fn resolve(&self, at: u64, argument: Argument, path: &mut Vec<u64>) -> Value {
        let Some(left) = self.budget.get().checked_sub(1) else {
            return Value::Unknown(Unknown::Limit);
        };
        self.budget.set(left);
        match argument {
            Argument::Immediate(value) => Value::Immediate(value),
            Argument::Constant(index) => {
                self.index(index, self.executable.constants.len(), Value::Constant)
            }
            Argument::Function(index) => {
                self.index(index, self.executable.functions.len(), Value::Function)
            }
            Argument::Void => Value::Void,
            Argument::Vm => Value::Vm,
            Argument::Register(register) => self.resolve_register(at, register, path),
        }
    }

    fn index(&self, index: i64, count: usize, wrap: fn(usize) -> Value) -> Value {
        usize::try_from(index)
            .ok()
            .filter(|index| *index < count)
            .map_or(Value::Unknown(Unknown::Malformed), wrap)
    }

    fn resolve_register(&self, at: u64, register: i64, path: &mut Vec<u64>) -> Value {
        let reaching = self.graph.reaching(register, at, &self.budget);
        let mut values = Vec::new();
        if reaching.entry {
            values.push(self.at_entry(register));
        }
        if reaching.cut {
            values.push(Value::Unknown(Unknown::Limit));
        }
        for definition in reaching.definitions {
            values.push(self.defined_by(definition, path));
        }
        Value::join(values)
    }

    fn at_entry(&self, register: i64) -> Value {
        let parameters = self
            .executable
            .functions
            .get(self.function)
            .map_or(0, |function| function.num_args);
        match u64::try_from(register) {
            Ok(number) if register < parameters => Value::Parameter(number),
            _ => Value::Unknown(Unknown::Undefined),
        }
    }

    fn defined_by(&self, definition: u64, path: &mut Vec<u64>) -> Value {
        if path.contains(&definition) {
            return Value::Unknown(Unknown::Cycle);
        }
        if path.len() >= MAX_DATAFLOW_DEPTH {
            return Value::Unknown(Unknown::Limit);
        }
        let Some(Instruction::Call { function, args, .. }) =
            self.executable.instruction(definition)
        else {
            return Value::Unknown(Unknown::Malformed);
        };
        path.push(definition);
        let value = self.result_of(definition, function, args, path);
        path.pop();
        value
    }

    /// What a call gives; builtins that move values are looked through.
    fn result_of(&self, at: u64, callee: i64, args: Arguments<'_>, path: &mut Vec<u64>) -> Value {
        let opaque = Value::Call {
            callee,
            instruction: at,
        };
        let name = name_of(self.executable, callee).unwrap_or_default();
        match name.strip_prefix("vm.builtin.") {
            Some("copy") => match args.get(0) {
                Some(argument) => self.resolve(at, argument, path),
                None => Value::Unknown(Unknown::Malformed),
            },
            Some("make_tuple") => Value::Tuple {
                instruction: at,
                items: args
                    .iter()
                    .map(|argument| self.resolve(at, argument, path))
                    .collect(),
            },
            Some("tuple_getitem") => self.field(at, args, path).unwrap_or(opaque),
            Some("make_shape") => self.shape(at, args, path),
            Some("make_prim_value") => match (args.get(1), args.get(2)) {
                (Some(code), Some(value)) => self.shape_item(at, code, value, path),
                _ => Value::Unknown(Unknown::Malformed),
            },
            Some("null_value") => Value::Null,
            _ => opaque,
        }
    }

    /// A field of a tuple built in this function.
    fn field(&self, at: u64, args: Arguments<'_>, path: &mut Vec<u64>) -> Option<Value> {
        let Some(Argument::Immediate(index)) = args.get(1) else {
            return None;
        };
        let index = usize::try_from(index).ok()?;
        let tuple = self.resolve(at, args.get(0)?, path);
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
    fn shape(&self, at: u64, args: Arguments<'_>, path: &mut Vec<u64>) -> Value {
        let declared = match args.get(1) {
            Some(Argument::Immediate(count)) => Some(count),
            _ => None,
        };
        let pairs = args.len().saturating_sub(2) / 2;
        let items = (0..pairs)
            .map(|pair| {
                let code = pair.saturating_mul(2).saturating_add(2);
                match (args.get(code), args.get(code.saturating_add(1))) {
                    (Some(code), Some(value)) => self.shape_item(at, code, value, path),
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
    fn shape_item(&self, at: u64, code: Argument, value: Argument, path: &mut Vec<u64>) -> Value {
        match (code, value) {
            (Argument::Immediate(0), value) => self.resolve(at, value, path),
            (Argument::Immediate(1), Argument::Immediate(slot)) => Value::HeapSlot(slot),
            _ => Value::Unknown(Unknown::Malformed),
        }
    }
}
