//! Instructions of the VM, decoded one at a time from the words of
//! [`Executable::code`] (docs/formats.md#instructions).

use std::ops::Range;

use super::Executable;

const CALL: i64 = 1;
const RET: i64 = 2;
const GOTO: i64 = 3;
const IF: i64 = 4;
/// Words of a call before its arguments.
const CALL_HEAD: usize = 4;

/// The register number that means "nothing".
pub const VOID_REGISTER: i64 = 1 << 54;
/// The register number that means "the VM itself".
pub const VM_REGISTER: i64 = VOID_REGISTER + 1;

/// A register as the result or operand of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Register {
    /// A register of the function's frame.
    Number(i64),
    /// No register: the result is dropped.
    Void,
    /// The VM itself.
    Vm,
}

impl Register {
    /// The register a word names.
    #[inline]
    pub(crate) fn from_word(word: i64) -> Self {
        match word {
            VOID_REGISTER => Self::Void,
            VM_REGISTER => Self::Vm,
            number => Self::Number(number),
        }
    }
}

/// An argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Argument {
    /// Value of a register.
    Register(i64),
    /// An integer.
    Immediate(i64),
    /// A constant, by pool index.
    Constant(i64),
    /// A function, by table index.
    Function(i64),
    /// Nothing.
    Void,
    /// The VM itself.
    Vm,
}

impl From<Register> for Argument {
    fn from(register: Register) -> Self {
        match register {
            Register::Number(number) => Self::Register(number),
            Register::Void => Self::Void,
            Register::Vm => Self::Vm,
        }
    }
}

impl Argument {
    /// The argument a word stands for. `None` for a kind no release knows.
    #[inline]
    pub(crate) fn from_word(word: i64) -> Option<Self> {
        let (kind, value) = Self::parts(word);
        Some(match kind {
            0 => match Register::from_word(value) {
                Register::Void => Self::Void,
                Register::Vm => Self::Vm,
                Register::Number(number) => Self::Register(number),
            },
            1 => Self::Immediate(value),
            2 => Self::Constant(value),
            3 => Self::Function(value),
            _ => return None,
        })
    }

    /// Kind in the top byte, signed value in the other seven.
    #[inline]
    pub(super) fn parts(word: i64) -> (u8, i64) {
        let [.., kind] = word.to_le_bytes();
        (kind, word.wrapping_shl(8).wrapping_shr(8))
    }
}

/// The arguments of a call, decoded as they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments<'a> {
    words: &'a [i64],
}

impl<'a> Arguments<'a> {
    /// How many.
    pub fn len(self) -> usize {
        self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.words.is_empty()
    }

    /// Argument number `index`.
    pub fn get(self, index: usize) -> Option<Argument> {
        self.words
            .get(index)
            .and_then(|word| Argument::from_word(*word))
    }

    /// The first word whose kind no release knows. A decoded executable has none.
    pub fn unknown(self) -> Option<i64> {
        self.words
            .iter()
            .copied()
            .find(|word| Argument::from_word(*word).is_none())
    }

    /// The words themselves.
    #[inline]
    pub(super) fn words(self) -> &'a [i64] {
        self.words
    }

    /// All in order; a word of [`unknown`](Self::unknown) kind counts as void.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Argument> + 'a {
        self.words
            .iter()
            .map(|word| Argument::from_word(*word).unwrap_or(Argument::Void))
    }
}

/// The half of an opcode's word that TVM reads: its `Opcode` is an `int`.
#[inline]
fn low(word: i64) -> i64 {
    let [first, second, third, fourth, ..] = word.to_le_bytes();
    i64::from(i32::from_le_bytes([first, second, third, fourth]))
}

/// Why words are no instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadInstruction {
    /// An opcode no release has.
    #[error("opcode {0}")]
    Opcode(i64),
    /// A call whose argument count is negative or reaches beyond the code.
    #[error("a call with {0} arguments")]
    ArgumentCount(i64),
    /// An argument of a kind no release has.
    #[error("an argument of unknown kind, {0:#x}")]
    ArgumentKind(i64),
    /// The code ends inside the instruction.
    #[error("the end of the code")]
    Cut,
}

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction<'a> {
    /// Call of a function of the table.
    Call {
        /// Where the result goes.
        dst: Register,
        /// Function table index.
        function: i64,
        /// Arguments.
        args: Arguments<'a>,
    },
    /// Return of a register.
    Ret {
        /// The result.
        result: Register,
    },
    /// Jump, relative, in instructions.
    Goto {
        /// Distance from this instruction.
        offset: i64,
    },
    /// Jump if the condition is false, relative, in instructions.
    If {
        /// Condition.
        condition: Register,
        /// Distance from this instruction when false.
        false_offset: i64,
    },
}

impl<'a> Instruction<'a> {
    /// The instruction that `words` begin with, and its length in words; what
    /// is wrong otherwise. Says nothing of the kinds of arguments.
    #[inline]
    pub fn decode(words: &'a [i64]) -> Result<(Self, usize), BadInstruction> {
        let (opcode, words) = words.split_first().ok_or(BadInstruction::Cut)?;
        let instruction = match (low(*opcode), words) {
            (CALL, &[dst, function, count, ref rest @ ..]) => {
                let args = usize::try_from(count)
                    .ok()
                    .and_then(|count| rest.get(..count))
                    .ok_or(BadInstruction::ArgumentCount(count))?;
                Self::Call {
                    dst: Register::from_word(dst),
                    function,
                    args: Arguments { words: args },
                }
            }
            (RET, &[result, ..]) => Self::Ret {
                result: Register::from_word(result),
            },
            (GOTO, &[offset, ..]) => Self::Goto { offset },
            (IF, &[condition, false_offset, ..]) => Self::If {
                condition: Register::from_word(condition),
                false_offset,
            },
            (CALL | RET | GOTO | IF, _) => return Err(BadInstruction::Cut),
            _ => return Err(BadInstruction::Opcode(*opcode)),
        };
        let length = match instruction {
            Self::Call { args, .. } => args.len().saturating_add(CALL_HEAD),
            Self::Ret { .. } | Self::Goto { .. } => 2,
            Self::If { .. } => 3,
        };
        Ok((instruction, length))
    }
}

impl Executable {
    /// Instruction number `index`, counted over the whole executable as TVM does.
    #[inline]
    pub fn instruction(&self, index: u64) -> Option<Instruction<'_>> {
        let index = usize::try_from(index).ok()?;
        let start = usize::try_from(*self.instruction_offsets.get(index)?).ok()?;
        let words = self.code.get(start..)?;
        Some(Instruction::decode(words).ok()?.0)
    }

    /// The instructions of a range with their numbers. Ends early where the
    /// executable does; after a successful decode no range does that.
    pub fn instructions(&self, range: Range<u64>) -> impl Iterator<Item = (u64, Instruction<'_>)> {
        range.map_while(|index| Some((index, self.instruction(index)?)))
    }

    /// Whether an instruction ends behind the beginning of the next.
    pub(super) fn overlaps(&self, index: u64) -> bool {
        let offset = |index: u64| {
            let offset = self.instruction_offsets.get(usize::try_from(index).ok()?)?;
            usize::try_from(*offset).ok()
        };
        let end = offset(index).and_then(|start| {
            let (_, length) = Instruction::decode(self.code.get(start..)?).ok()?;
            start.checked_add(length)
        });
        let next = offset(index.saturating_add(1));
        end.zip(next).is_some_and(|(end, next)| end > next)
    }

    /// Byte range of instruction number `index` inside the executable.
    pub fn instruction_bytes(&self, index: u64) -> Option<Range<u64>> {
        let at = usize::try_from(index).ok()?;
        let start = usize::try_from(*self.instruction_offsets.get(at)?).ok()?;
        let (_, length) = Instruction::decode(self.code.get(start..)?).ok()?;
        let byte = |word: usize| {
            let words = u64::try_from(word).ok()?.checked_mul(8)?;
            self.sections.code.start.checked_add(8)?.checked_add(words)
        };
        Some(byte(start)?..byte(start.checked_add(length)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_opcode_the_lower_half_counts() {
        let upper = 0xa5 << 32;
        let sound = Instruction::decode(&[RET, 3]);
        assert_eq!(Instruction::decode(&[RET | upper, 3]), sound);
        let wrong = [7 | upper, 3];
        let opcode = BadInstruction::Opcode(wrong[0]);
        assert_eq!(Instruction::decode(&wrong), Err(opcode));
        assert_eq!(Instruction::decode(&[GOTO]), Err(BadInstruction::Cut));
        assert_eq!(Instruction::decode(&[]), Err(BadInstruction::Cut));
    }
}
