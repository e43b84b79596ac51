//! Bodies of VM functions that were read from elsewhere than the bytecode, put into an
//! executable as instructions, so that what reads instructions reads them too.

use super::instruction::{Argument, VM_REGISTER, VOID_REGISTER};
use super::{Constant, ConstantValue, Executable, Function, FunctionKind};

/// Words of opcodes.
const CALL: i64 = 1;
const RET: i64 = 2;
const GOTO: i64 = 3;
const IF: i64 = 4;

/// One step of a body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A call of a function of the table.
    Call {
        /// Register of the result, if it is kept.
        dst: Option<i64>,
        /// By index.
        function: usize,
        /// In order.
        args: Vec<Argument>,
    },
    /// On to the next step, or to this one.
    Branch(usize),
    /// To this step.
    Goto(usize),
    /// The end, with this register.
    Ret(i64),
}

/// The steps of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Body {
    /// By table index.
    pub(crate) function: usize,
    /// In order.
    pub(crate) steps: Vec<Step>,
}

/// A function of the host that no table entry names.
pub(crate) fn host_function(name: &str) -> Function {
    Function {
        kind: FunctionKind::Packed,
        name: name.to_owned(),
        instructions: 0..0,
        num_args: -2,
        registers: 0,
        parameters: Vec::new(),
    }
}

/// A function of the host part that is called without its name.
pub(crate) fn nameless() -> Function {
    Function {
        kind: FunctionKind::Vm,
        ..host_function("a function of the host part")
    }
}

impl Executable {
    /// This executable with the functions and constants in `more` behind its own, and with
    /// these bodies.
    pub(crate) fn with_bodies(
        &self,
        more: (Vec<Function>, Vec<ConstantValue>),
        bodies: &[Body],
    ) -> Self {
        let mut made = self.clone();
        let (functions, constants) = more;
        made.functions.extend(functions);
        let constants = constants.into_iter();
        made.constants
            .extend(constants.map(|value| Constant { value, range: 0..0 }));
        for body in bodies {
            let first = made.instruction_offsets.len() as u64;
            for (at, step) in body.steps.iter().enumerate() {
                let start = i64::try_from(made.code.len()).unwrap_or(i64::MAX);
                made.instruction_offsets.push(start);
                made.code.extend(words(at, step));
            }
            let behind = made.instruction_offsets.len() as u64;
            if let Some(function) = made.functions.get_mut(body.function) {
                function.instructions = first..behind;
            }
        }
        made
    }
}

fn words(at: usize, step: &Step) -> Vec<i64> {
    let distance = |to: usize| signed(to).saturating_sub(signed(at));
    match step {
        Step::Call {
            dst,
            function,
            args,
        } => {
            let dst = dst.unwrap_or(VOID_REGISTER);
            let mut words = vec![CALL, dst, signed(*function), signed(args.len())];
            words.extend(args.iter().map(word));
            words
        }
        // What the condition is does not matter to who follows values.
        Step::Branch(to) => vec![IF, 0, distance(*to)],
        Step::Goto(to) => vec![GOTO, distance(*to)],
        Step::Ret(register) => vec![RET, *register],
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn word(argument: &Argument) -> i64 {
    let (kind, value) = match *argument {
        Argument::Register(register) => (0, register),
        Argument::Void => (0, VOID_REGISTER),
        Argument::Vm => (0, VM_REGISTER),
        Argument::Immediate(number) => (1, number),
        Argument::Constant(index) => (2, index),
        Argument::Function(index) => (3, index),
    };
    (kind << 56) | (value & 0x00ff_ffff_ffff_ffff)
}

/// The instructions of a body read as steps again must be the steps: what the two sides
/// of this file agree on.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::{Instruction, Register};

    #[test]
    fn words_are_the_steps() {
        let args = vec![
            Argument::Register(3),
            Argument::Immediate(-2),
            Argument::Constant(7),
            Argument::Function(1),
            Argument::Void,
            Argument::Vm,
        ];
        let step = Step::Call {
            dst: Some(4),
            function: 9,
            args: args.clone(),
        };
        let words = words(5, &step);
        let Ok((
            Instruction::Call {
                dst,
                function,
                args: read,
            },
            _,
        )) = Instruction::decode(&words)
        else {
            panic!("no call");
        };
        assert_eq!(dst, Register::Number(4));
        assert_eq!(function, 9);
        assert_eq!(read.iter().collect::<Vec<_>>(), args);
    }
}
