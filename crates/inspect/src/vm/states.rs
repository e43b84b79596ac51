//! The states that a program keeps between its calls: which functions make one, and which
//! parameters take one. Only what calls of the runtime's builtins say; a parameter that is
//! given to none of them may be anything.

use std::collections::{BTreeMap, BTreeSet};

use super::calls::all_calls;
use super::dataflow::{Flow, name_of};
use super::instruction::{Argument, Instruction, Register};
use super::kv_cache::{CREATE, CREATE_REDUCED};
use super::value::Value;
use super::{Executable, Function};

/// How often parameters are followed into the functions that are called.
const DEPTH: usize = 8;

/// What kind of state it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateKind {
    /// A paged cache of keys and values.
    Cache,
    /// A recurrent state.
    Recurrent,
}

/// Who makes and who takes states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct States {
    /// Functions whose result is a new state, by table index.
    pub makers: BTreeMap<usize, StateKind>,
    /// Parameters that are states, by function and position.
    pub takers: BTreeMap<(usize, usize), StateKind>,
}

/// Reads them off a program.
pub fn states(executable: &Executable) -> States {
    let mut takers = BTreeMap::new();
    for _ in 0..DEPTH {
        let before = takers.len();
        for (index, function) in executable.functions.iter().enumerate() {
            follow(executable, index, function, &mut takers);
        }
        if takers.len() == before {
            break;
        }
    }
    States {
        makers: makers(executable),
        takers,
    }
}

fn makers(executable: &Executable) -> BTreeMap<usize, StateKind> {
    let kind = |name: &str| match name {
        CREATE | CREATE_REDUCED => Some(StateKind::Cache),
        "vm.builtin.rnn_state_create" => Some(StateKind::Recurrent),
        _ => None,
    };
    let mut makers = BTreeMap::new();
    for call in all_calls(executable) {
        let Some(kind) = name_of(executable, call.callee).and_then(kind) else {
            continue;
        };
        let function = executable.functions.get(call.function);
        let range = function.map(|function| function.instructions.clone());
        let flow = Flow::new(executable, call.function);
        let is_returned = |at: u64, result: Register| {
            let value = flow.register(at, result);
            let mut values = value.alternatives().iter();
            values.any(|value| {
                matches!(value, Value::Call { instruction, .. } if *instruction == call.instruction)
            })
        };
        let mut code = executable.instructions(range.unwrap_or(0..0));
        if code.any(|(at, instruction)| {
            matches!(instruction, Instruction::Ret { result } if is_returned(at, result))
        }) {
            makers.insert(call.function, kind);
        }
    }
    makers
}

/// Notes which parameters of a function its calls take as states.
fn follow(
    executable: &Executable,
    index: usize,
    function: &Function,
    takers: &mut BTreeMap<(usize, usize), StateKind>,
) {
    let parameters = function.num_args.max(0);
    // Registers that hold something else by now.
    let mut written = BTreeSet::new();
    for (_, instruction) in executable.instructions(function.instructions.clone()) {
        let Instruction::Call {
            dst,
            function: callee,
            args,
        } = instruction
        else {
            continue;
        };
        let parameter = |position: usize| match args.get(position) {
            Some(Argument::Register(register))
                if register < parameters && !written.contains(&register) =>
            {
                usize::try_from(register).ok()
            }
            _ => None,
        };
        let taken = usize::try_from(callee).ok().map(|callee| {
            let name = executable.functions.get(callee).map(|it| it.name.as_str());
            let by_name = name.and_then(of_builtin).map(|kind| (0, kind));
            let by_callee = takers.range((callee, 0)..=(callee, usize::MAX));
            let by_callee = by_callee.map(|((_, position), kind)| (*position, *kind));
            by_name.into_iter().chain(by_callee).collect::<Vec<_>>()
        });
        for (position, kind) in taken.unwrap_or_default() {
            if let Some(parameter) = parameter(position) {
                takers.insert((index, parameter), kind);
            }
        }
        if let Register::Number(register) = dst {
            written.insert(register);
        }
    }
}

/// The kind of state that a builtin takes first.
fn of_builtin(name: &str) -> Option<StateKind> {
    let name = name.strip_prefix("vm.builtin.")?;
    if name.starts_with("attention_kv_cache_") && !name.contains("merge_attn_output") {
        return Some(StateKind::Cache);
    }
    match name {
        "rnn_state_get" | "rnn_state_set" => Some(StateKind::Recurrent),
        _ => None,
    }
}
