//! Registers that are read where nothing was written to them, on every way or on one of
//! several, and loops. No compiler writes either: a value is made before it is used, and
//! code only jumps ahead.

use std::collections::BTreeMap;

use super::instruction::{Argument, Instruction, Register};
use super::{Executable, Function};

/// The first of a function: the instruction, what it does, and whether it fails for certain.
pub(super) fn first(executable: &Executable, function: &Function) -> Option<(u64, String, bool)> {
    let registers = usize::try_from(function.registers).unwrap_or(0);
    let mut now = Some(Written::at_entry(function, registers)?);
    // What is written on the ways that jump to an instruction.
    let mut ahead: BTreeMap<u64, Written> = BTreeMap::new();
    for (at, instruction) in executable.instructions(function.instructions.clone()) {
        if let Some(before) = ahead.remove(&at) {
            now = Some(before.and(now));
        }
        // Nothing leads here.
        let Some(written) = &mut now else { continue };
        if let Some(register) = read(instruction).find(|register| !written.has(*register)) {
            let what = format!("reads register {register}, which nothing was written to before");
            return Some((at, what, matches!(instruction, Instruction::If { .. })));
        }
        let jump = match instruction {
            Instruction::Call { dst, .. } => {
                written.add(dst);
                continue;
            }
            Instruction::Ret { .. } => None,
            Instruction::Goto { offset } => Some(offset),
            Instruction::If { false_offset, .. } => Some(false_offset),
        };
        let stays = matches!(instruction, Instruction::If { .. });
        let written = if stays { now.clone() } else { now.take() };
        if let Some((offset, written)) = jump.zip(written) {
            if offset <= 0 {
                let what = format!("jumps back by {}", offset.unsigned_abs());
                return Some((at, what, false));
            }
            let target = at.saturating_add_signed(offset);
            let before = ahead.remove(&target);
            ahead.insert(target, written.and(before));
        }
    }
    None
}

fn read<'a>(instruction: Instruction<'a>) -> impl Iterator<Item = i64> + 'a {
    let (args, one) = match instruction {
        Instruction::Call { args, .. } => (Some(args), None),
        Instruction::Ret { result } => (None, Some(result)),
        Instruction::If { condition, .. } => (None, Some(condition)),
        Instruction::Goto { .. } => (None, None),
    };
    let args = args.into_iter().flat_map(|args| args.iter());
    let args = args.filter_map(|argument| match argument {
        Argument::Register(register) => Some(register),
        _ => None,
    });
    args.chain(one.and_then(|register| match register {
        Register::Number(register) => Some(register),
        Register::Void | Register::Vm => None,
    }))
}

/// The registers that something was written to, as bits.
#[derive(Clone)]
struct Written(Vec<u64>);

impl Written {
    /// `None` where the function has more registers than are followed.
    fn at_entry(function: &Function, registers: usize) -> Option<Self> {
        const MOST: usize = 1 << 20;
        let words = registers.checked_add(63)? / 64;
        let mut written = Self(vec![0; (registers <= MOST).then_some(words)?]);
        for parameter in 0..function.num_args.min(function.registers).max(0) {
            written.add(Register::Number(parameter));
        }
        Some(written)
    }

    fn add(&mut self, register: Register) {
        if let Register::Number(number) = register
            && let Some((word, bit)) = place(number)
            && let Some(word) = self.0.get_mut(word)
        {
            *word |= bit;
        }
    }

    /// One that does not exist is another damage.
    fn has(&self, register: i64) -> bool {
        let found = place(register).and_then(|(word, bit)| Some(self.0.get(word)? & bit != 0));
        found.unwrap_or(true)
    }

    /// What is written on both ways.
    fn and(mut self, other: Option<Self>) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.into_iter().flat_map(|it| it.0)) {
            *word &= other;
        }
        self
    }
}

fn place(register: i64) -> Option<(usize, u64)> {
    let number = usize::try_from(register).ok()?;
    Some((number / 64, 1 << (number % 64)))
}
