//! Code that names what is not there: functions, constants, registers, instructions, values.
//! No compiler writes it. The loader takes it, and the VM then reads beyond its tables.

use super::instruction::{Argument, Instruction, Register};
use super::{Executable, Function, FunctionKind, unwritten};

/// The first place where code names what is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Function it stands in, by table index.
    pub function: usize,
    /// Instruction, counted over the whole executable.
    pub instruction: u64,
    /// What it names, and what there is.
    pub what: String,
    /// Whether no run gets past it: else what is beyond a table decides.
    pub is_fatal: bool,
}

/// Registers from here on are none: what is put into one is lost.
const NO_REGISTER: i64 = 1 << 54;

/// What is named and is not there, and whether no run gets past it.
type Named = (String, bool);

/// Looks through all VM functions: the first that no run gets past, else the first.
pub fn first(executable: &Executable) -> Option<Stray> {
    let mut strays = all(executable);
    let first = strays.next()?;
    match first.is_fatal {
        true => Some(first),
        false => Some(strays.find(|stray| stray.is_fatal).unwrap_or(first)),
    }
}

fn all(executable: &Executable) -> impl Iterator<Item = Stray> {
    let functions = executable.functions.iter().enumerate();
    let of_bytecode = functions.filter(|(_, function)| function.kind == FunctionKind::Vm);
    of_bytecode.flat_map(move |(index, function)| {
        let stray = move |(instruction, (what, is_fatal)): (u64, Named)| Stray {
            function: index,
            instruction,
            what,
            is_fatal,
        };
        let range = function.instructions.clone();
        let beginning = range.start;
        let instructions = executable.instructions(range);
        let of_instructions = instructions.filter_map(move |(number, instruction)| {
            Some((number, named(executable, function, number, instruction)?))
        });
        let of_head = parameters(function).map(|what| (beginning, (what, true)));
        let unwritten = unwritten::first(executable, function);
        let unwritten = unwritten.map(|(number, what, is_fatal)| (number, (what, is_fatal)));
        let all = of_head.into_iter().chain(of_instructions).chain(unwritten);
        all.chain(end(executable, function)).map(stray)
    })
}

/// Whether a function takes another number of arguments than it has names for. Programs
/// that are put together by hand have no names.
fn parameters(function: &Function) -> Option<String> {
    let (takes, names) = (function.num_args, function.parameters.len());
    let fits = names == 0 || usize::try_from(takes) == Ok(names);
    (!fits).then(|| {
        format!(
            "gives `{}` {takes} parameters, and {names} names for them",
            function.name
        )
    })
}

/// The last instruction of a function that goes on behind it. Without branches every run
/// comes there; what is done then is known where no instructions of others follow.
fn end(executable: &Executable, function: &Function) -> Option<(u64, Named)> {
    let range = function.instructions.clone();
    let last = range
        .end
        .checked_sub(1)
        .filter(|last| range.contains(last))?;
    let (number, instruction) = executable.instructions(last..range.end).next()?;
    if matches!(
        instruction,
        Instruction::Ret { .. } | Instruction::Goto { .. }
    ) {
        return None;
    }
    let is_call = |(_, it): (u64, Instruction<'_>)| matches!(it, Instruction::Call { .. });
    let is_straight = executable.instructions(range.clone()).all(is_call);
    let is_end = executable.instruction(range.end).is_none();
    let what = format!("of `{}` ends without a return", function.name);
    Some((number, (what, is_straight && is_end)))
}

fn named(
    executable: &Executable,
    function: &Function,
    number: u64,
    instruction: Instruction<'_>,
) -> Option<Named> {
    let jump = |distance: i64| {
        let target = number.checked_add_signed(distance);
        let range = &function.instructions;
        let is_inside = target.is_some_and(|target| range.contains(&target));
        (!is_inside).then(|| {
            let what = format!(
                "jumps by {distance} from instruction {number}, and its function has those from {} to before {}",
                range.start, range.end
            );
            (what, true)
        })
    };
    match instruction {
        Instruction::Call {
            dst,
            function: callee,
            args,
        } => {
            let argument = |argument: Argument| match argument {
                // What is behind the constants may be nothing, and taken for nothing.
                Argument::Constant(index) => {
                    let what = outside("constant", index, executable.constants.len())?;
                    Some((what, false))
                }
                Argument::Function(index) => {
                    let what = outside("function", index, executable.functions.len())?;
                    Some((what, true))
                }
                Argument::Register(index) => register(function, Register::Number(index)),
                Argument::Void | Argument::Vm | Argument::Immediate(_) => None,
            };
            let callee = outside("function", callee, executable.functions.len());
            let reach = || {
                let overlaps = executable.overlaps(number);
                overlaps.then(|| {
                    (
                        String::from("of a call reaches into the instruction behind it"),
                        false,
                    )
                })
            };
            let result = || match dst {
                Register::Number(index) if index >= NO_REGISTER => Some((
                    format!("puts a result into register {index}, which is none"),
                    false,
                )),
                dst => register(function, dst),
            };
            callee
                .map(|what| (what, true))
                .or_else(|| {
                    args.iter()
                        .filter_map(argument)
                        .find(|(_, is_fatal)| *is_fatal)
                })
                .or_else(result)
                .or_else(|| args.iter().find_map(argument))
                .or_else(reach)
        }
        Instruction::Ret {
            result: Register::Void | Register::Vm,
        } => Some((String::from("returns no register of its function"), false)),
        Instruction::Ret { result } => register(function, result),
        Instruction::Goto { offset } => jump(offset),
        Instruction::If {
            condition,
            false_offset,
        } => register(function, condition).or_else(|| jump(false_offset)),
    }
}

fn register(function: &Function, register: Register) -> Option<Named> {
    let count = usize::try_from(function.registers).unwrap_or(0);
    match register {
        Register::Number(index) => Some((outside("register", index, count)?, true)),
        Register::Void | Register::Vm => None,
    }
}

fn outside(what: &str, index: i64, count: usize) -> Option<String> {
    let is_inside = usize::try_from(index).is_ok_and(|index| index < count);
    (!is_inside).then(|| format!("names {what} {index}, and there are {count}"))
}
