//! The calls of an executable as they stand in the code; nothing is followed.

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
pub fn all_calls(executable: &Executable) -> impl Iterator<Item = RawCall<'_>> {
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
