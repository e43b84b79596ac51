//! Code that names what is not there: functions, constants, registers, instructions.
//! No compiler writes it. The loader takes it, and the VM then reads beyond its tables.

use super::instruction::{Argument, Instruction, Register};
use super::{Executable, Function, FunctionKind};

/// The first place where code names what is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Function it stands in, by table index.
    pub function: usize,
    /// Instruction, counted over the whole executable.
    pub instruction: u64,
    /// What it names, and what there is.
    pub what: String,
}

/// Looks through all VM functions.
pub fn first(executable: &Executable) -> Option<Stray> {
    let functions = executable.functions.iter().enumerate();
    let mut of_bytecode = functions.filter(|(_, function)| function.kind == FunctionKind::Vm);
    of_bytecode.find_map(|(index, function)| {
        let range = function.instructions.clone();
        let mut instructions = executable.instructions(range);
        instructions.find_map(|(number, instruction)| {
            Some(Stray {
                function: index,
                instruction: number,
                what: named(executable, function, number, instruction)?,
            })
        })
    })
}

fn named(
    executable: &Executable,
    function: &Function,
    number: u64,
    instruction: Instruction<'_>,
) -> Option<String> {
    let jump = |distance: i64| {
        let target = number.checked_add_signed(distance);
        let range = &function.instructions;
        let is_inside = target.is_some_and(|target| range.contains(&target));
        (!is_inside).then(|| {
            format!(
                "jumps by {distance} from instruction {number}, and its function has those from {} to before {}",
                range.start, range.end
            )
        })
    };
    match instruction {
        Instruction::Call {
            dst,
            function: callee,
            args,
        } => outside("function", callee, executable.functions.len())
            .or_else(|| register(function, dst))
            .or_else(|| {
                args.iter().find_map(|argument| match argument {
                    Argument::Constant(index) => {
                        outside("constant", index, executable.constants.len())
                    }
                    Argument::Function(index) => {
                        outside("function", index, executable.functions.len())
                    }
                    Argument::Register(index) => register(function, Register::Number(index)),
                    Argument::Void | Argument::Vm | Argument::Immediate(_) => None,
                })
            }),
        Instruction::Ret { result } => register(function, result),
        Instruction::Goto { offset } => jump(offset),
        Instruction::If {
            condition,
            false_offset,
        } => register(function, condition).or_else(|| jump(false_offset)),
    }
}

fn register(function: &Function, register: Register) -> Option<String> {
    let count = usize::try_from(function.registers).unwrap_or(0);
    match register {
        Register::Number(index) => outside("register", index, count),
        Register::Void | Register::Vm => None,
    }
}

fn outside(what: &str, index: i64, count: usize) -> Option<String> {
    let is_inside = usize::try_from(index).is_ok_and(|index| index < count);
    (!is_inside).then(|| format!("names {what} {index}, and there are {count}"))
}
