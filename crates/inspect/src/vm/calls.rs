//! The calls of an executable as they stand in the code; nothing is followed.

use std::collections::{HashMap, HashSet};

use super::instruction::{Argument, Arguments, Instruction, Register};
use super::{Executable, FunctionKind};

/// A call as it stands in the code.
#[derive(Debug, Clone, Copy)]
pub struct RawCall<'a> {
    /// Function the call stands in, by table index.
    pub function: usize,
    /// Instruction, counted over the whole executable.
    pub instruction: u64,
    /// Callee, by table index; not necessarily an existing one.
    pub callee: i64,
    /// Where the result goes.
    pub dst: Register,
    /// Arguments.
    pub args: Arguments<'a>,
}

/// Every call of every VM function, in file order.
pub(crate) fn all_calls(executable: &Executable) -> impl Iterator<Item = RawCall<'_>> {
    let functions = executable.functions.iter().enumerate();
    functions
        .filter(|(_, function)| function.kind == FunctionKind::Vm)
        .flat_map(|(index, function)| {
            executable
                .instructions(function.instructions.clone())
                .filter_map(move |(instruction, decoded)| match decoded {
                    Instruction::Call {
                        dst,
                        function,
                        args,
                    } => Some(RawCall {
                        function: index,
                        instruction,
                        callee: function,
                        dst,
                        args,
                    }),
                    _ => None,
                })
        })
}

/// Who calls which function.
#[derive(Debug)]
pub(super) struct Callers<'a> {
    calls: HashMap<i64, Vec<RawCall<'a>>>,
    /// Functions that some call is given as an argument.
    handed: HashSet<i64>,
}

impl<'a> Callers<'a> {
    pub(super) fn of(executable: &'a Executable) -> Self {
        let mut callers = Self {
            calls: HashMap::new(),
            handed: HashSet::new(),
        };
        for call in all_calls(executable) {
            callers.calls.entry(call.callee).or_default().push(call);
            let functions = call.args.iter().filter_map(|argument| match argument {
                Argument::Function(index) => Some(index),
                _ => None,
            });
            callers.handed.extend(functions);
        }
        callers
    }

    pub(super) fn of_function(&self, function: usize) -> &[RawCall<'a>] {
        let function = i64::try_from(function).ok();
        let calls = function.and_then(|function| self.calls.get(&function));
        calls.map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_handed_around(&self, function: usize) -> bool {
        i64::try_from(function).is_ok_and(|function| self.handed.contains(&function))
    }
}

/// The places that name a constant: function, instruction, argument position.
pub fn constant_uses(executable: &Executable, constant: usize) -> Vec<(usize, u64, usize)> {
    let wanted = i64::try_from(constant).map(Argument::Constant);
    all_calls(executable)
        .flat_map(|call| {
            let uses = call.args.iter().enumerate();
            uses.filter(move |(_, argument)| Ok(*argument) == wanted)
                .map(move |(position, _)| (call.function, call.instruction, position))
        })
        .collect()
}
