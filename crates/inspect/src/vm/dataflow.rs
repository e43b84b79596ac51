//! Which constants, functions, immediates and shapes reach an argument of a
//! call: registers are followed back through the builtins that only move or
//! bundle values ([`super::moves`]), into the VM functions that are called, and
//! from a parameter to the calls that give it.
//!
//! Branches are joined, never guessed: where several values may arrive, all
//! are given. What a search cannot decide is [`Value::Unknown`]. The work is
//! bounded by [`MAX_DATAFLOW_STEPS`], whatever the file.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use serde::Serialize;

use super::calls::{Callers, RawCall, all_calls};
use super::flow_graph::Graph;
use super::instruction::{Argument, Arguments, Instruction, Register};
use super::value::{Unknown, Value};
use super::{Executable, Function};
use crate::limits::{MAX_DATAFLOW_CALLS, MAX_DATAFLOW_DEPTH, MAX_DATAFLOW_STEPS};

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
    let flow = Flow::new(executable, 0);
    all_calls(executable)
        .filter(|call| name_of(executable, call.callee) == Some(callee))
        .map(|call| CallSite {
            function: call.function,
            instruction: call.instruction,
            args: call
                .args
                .iter()
                .map(|argument| flow.at_call(&call, argument))
                .collect(),
        })
        .collect()
}

pub(super) fn name_of(executable: &Executable, function: i64) -> Option<&str> {
    let function = executable.functions.get(usize::try_from(function).ok()?)?;
    Some(&function.name)
}

/// Answers for one function of an executable.
#[derive(Debug)]
pub struct Flow<'a> {
    pub(super) executable: &'a Executable,
    function: usize,
    graphs: RefCell<HashMap<usize, Rc<Graph>>>,
    callers: OnceCell<Callers<'a>>,
    budget: Cell<usize>,
    frames: Cell<usize>,
}

/// A function that is looked into, and the call it was entered through.
#[derive(Debug)]
pub(super) struct Frame<'f> {
    function: usize,
    /// Tells two visits of one function apart.
    id: usize,
    /// Visits that led here, this one included.
    depth: usize,
    /// The visit that led here, inwards or outwards.
    from: Option<&'f Frame<'f>>,
    /// How it was called, where it was entered from its caller.
    called: Option<Called<'f>>,
}

/// A call of a VM function: who calls, and what is handed over.
#[derive(Debug)]
struct Called<'f> {
    caller: &'f Frame<'f>,
    args: &'f [Given],
}

/// An argument handed to a function, and the call it stands in: a closure keeps
/// some from where it was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    pub(super) at: u64,
    pub(super) argument: Argument,
}

/// The definitions being followed, by visit and instruction: one met twice is a cycle.
pub(super) type Path = Vec<(usize, u64)>;

impl<'a> Flow<'a> {
    /// Prepares the function of that table index.
    pub fn new(executable: &'a Executable, function: usize) -> Self {
        Self {
            executable,
            function,
            graphs: RefCell::default(),
            callers: OnceCell::new(),
            budget: Cell::new(MAX_DATAFLOW_STEPS),
            frames: Cell::new(0),
        }
    }

    /// What an argument of instruction `at` holds.
    pub fn argument(&self, at: u64, argument: Argument) -> Value {
        self.in_function(self.function, at, argument)
    }

    fn at_call(&self, call: &RawCall<'_>, argument: Argument) -> Value {
        self.in_function(call.function, call.instruction, argument)
    }

    fn in_function(&self, function: usize, at: u64, argument: Argument) -> Value {
        let frame = Frame {
            function,
            id: self.next_id(),
            depth: 1,
            from: None,
            called: None,
        };
        self.resolve(&frame, at, argument, &mut Path::new())
    }

    /// What a register holds just before instruction `at`.
    pub fn register(&self, at: u64, register: Register) -> Value {
        self.argument(at, register.into())
    }

    fn next_id(&self) -> usize {
        self.frames.replace(self.frames.get().saturating_add(1))
    }

    fn graph(&self, function: usize) -> Rc<Graph> {
        let mut graphs = self.graphs.borrow_mut();
        let graph = graphs
            .entry(function)
            .or_insert_with(|| Rc::new(Graph::new(self.executable, function)));
        graph.clone()
    }

    pub(super) fn resolve(
        &self,
        frame: &Frame<'_>,
        at: u64,
        argument: Argument,
        path: &mut Path,
    ) -> Value {
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
            Argument::Register(register) => self.resolve_register(frame, at, register, path),
        }
    }

    fn index(&self, index: i64, count: usize, wrap: fn(usize) -> Value) -> Value {
        usize::try_from(index)
            .ok()
            .filter(|index| *index < count)
            .map_or(Value::Unknown(Unknown::Malformed), wrap)
    }

    fn resolve_register(
        &self,
        frame: &Frame<'_>,
        at: u64,
        register: i64,
        path: &mut Path,
    ) -> Value {
        let graph = self.graph(frame.function);
        let reaching = graph.reaching(register, at, &self.budget);
        let mut values = Vec::new();
        if reaching.entry {
            values.push(self.at_entry(frame, register, path));
        }
        if reaching.cut {
            values.push(Value::Unknown(Unknown::Limit));
        }
        for definition in reaching.definitions {
            values.push(self.defined_by(frame, definition, path));
        }
        Value::join(values)
    }

    fn at_entry(&self, frame: &Frame<'_>, register: i64, path: &mut Path) -> Value {
        let functions = &self.executable.functions;
        let parameters = functions.get(frame.function).map_or(0, |it| it.num_args);
        let Some(number) = u64::try_from(register)
            .ok()
            .filter(|_| register < parameters)
        else {
            return Value::Unknown(Unknown::Undefined);
        };
        let position = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(called) = &frame.called {
            return match called.args.get(position) {
                Some(given) => self.resolve(called.caller, given.at, given.argument, path),
                None => Value::Unknown(Unknown::Malformed),
            };
        }
        self.given_by_callers(frame, number, position, path)
    }

    /// A parameter of the function that the question began in: what the program's own
    /// calls give. Where it has none, or the function is handed around, the value
    /// comes from outside.
    fn given_by_callers(
        &self,
        frame: &Frame<'_>,
        number: u64,
        position: usize,
        path: &mut Path,
    ) -> Value {
        let callers = self.callers.get_or_init(|| Callers::of(self.executable));
        let calls = callers.of_function(frame.function);
        let mut values = Vec::new();
        if calls.is_empty() || callers.is_handed_around(frame.function) {
            values.push(Value::Parameter(number));
        }
        for call in calls {
            let outer = self.visit(frame, call.function);
            values.push(match (outer, call.args.get(position)) {
                (Err(unknown), _) => Value::Unknown(unknown),
                (Ok(outer), Some(argument)) => {
                    self.resolve(&outer, call.instruction, argument, path)
                }
                (Ok(_), None) => Value::Unknown(Unknown::Malformed),
            });
        }
        Value::join(values)
    }

    /// Another function, looked into from `from`.
    fn visit<'f>(&self, from: &'f Frame<'f>, function: usize) -> Result<Frame<'f>, Unknown> {
        let mut before = Some(from);
        while let Some(frame) = before {
            if frame.function == function {
                return Err(Unknown::Cycle);
            }
            before = frame.from;
        }
        if from.depth >= MAX_DATAFLOW_CALLS {
            return Err(Unknown::Limit);
        }
        Ok(Frame {
            function,
            id: self.next_id(),
            depth: from.depth.saturating_add(1),
            from: Some(from),
            called: None,
        })
    }

    fn defined_by(&self, frame: &Frame<'_>, definition: u64, path: &mut Path) -> Value {
        let here = (frame.id, definition);
        if path.contains(&here) {
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
        path.push(here);
        let value = self.result_of(frame, definition, function, args, path);
        path.pop();
        value
    }

    /// What a call gives.
    fn result_of(
        &self,
        frame: &Frame<'_>,
        at: u64,
        callee: i64,
        args: Arguments<'_>,
        path: &mut Path,
    ) -> Value {
        let functions = &self.executable.functions;
        let index = usize::try_from(callee).ok();
        let function = index.and_then(|index| functions.get(index));
        match (index, function.is_some_and(Function::has_code)) {
            (Some(index), true) => {
                let args = args.iter().map(|argument| Given { at, argument });
                self.returned(frame, index, &args.collect::<Vec<_>>(), path)
            }
            _ => self.moved(frame, at, callee, args, path),
        }
    }

    /// What a VM function returns, by every way out of it.
    pub(super) fn returned(
        &self,
        caller: &Frame<'_>,
        function: usize,
        args: &[Given],
        path: &mut Path,
    ) -> Value {
        let mut frame = match self.visit(caller, function) {
            Ok(frame) => frame,
            Err(unknown) => return Value::Unknown(unknown),
        };
        frame.called = Some(Called { caller, args });
        let functions = &self.executable.functions;
        let range = functions.get(function).map(|it| it.instructions.clone());
        let code = self.executable.instructions(range.unwrap_or(0..0));
        let mut values = Vec::new();
        for (at, instruction) in code {
            if let Instruction::Ret { result } = instruction {
                values.push(self.resolve(&frame, at, result.into(), path));
            }
        }
        Value::join(values)
    }

    /// Whether an instruction belongs to the function of this visit.
    pub(super) fn sees(&self, frame: &Frame<'_>, instruction: u64) -> bool {
        let function = self.executable.functions.get(frame.function);
        function.is_some_and(|function| function.instructions.contains(&instruction))
    }
}
