//! The code section: instruction offsets, instruction words, and the check
//! that both fit together and fit the function table.
//!
//! TVM reads neither before it runs them; a corrupt file crashes it there.

use super::instruction::BadInstruction;
use super::{Function, FunctionKind, Instruction, Sections};
use crate::error::DecodeError;

/// Bytes of a `vec`'s count, before its words.
const COUNT: u64 = 8;

/// Every instruction decodes and ends where the next begins; every function's
/// instructions exist, and no two functions share one.
pub(super) fn check(
    functions: &[Function],
    offsets: &[i64],
    code: &[i64],
    sections: &Sections,
) -> Result<(), DecodeError> {
    let mut expected = 0_usize;
    for (index, offset) in offsets.iter().enumerate() {
        if usize::try_from(*offset) != Ok(expected) {
            return Err(DecodeError::new(
                word_at(sections.instruction_offsets.start, index),
                format!("instruction {index} at word {expected}"),
                format!("word {offset}"),
            ));
        }
        let words = code.get(expected..).unwrap_or_default();
        let length = checked_length(words).map_err(|found| {
            DecodeError::new(
                word_at(sections.code.start, expected),
                format!("a call, ret, goto or if (instruction {index})"),
                found,
            )
        })?;
        expected = expected.saturating_add(length);
    }
    if expected != code.len() {
        return Err(DecodeError::new(
            word_at(sections.code.start, expected),
            format!("the end of the code after {} instructions", offsets.len()),
            format!("{} more words", code.len().saturating_sub(expected)),
        ));
    }
    check_functions(functions, offsets.len() as u64, sections)
}

/// Length of the instruction that `words` begin with, if all of it has a meaning.
fn checked_length(words: &[i64]) -> Result<usize, BadInstruction> {
    let (instruction, length) = Instruction::decode(words)?;
    if let Instruction::Call { args, .. } = instruction
        && let Some(word) = args.unknown()
    {
        return Err(BadInstruction::ArgumentKind(word));
    }
    Ok(length)
}

fn word_at(section: u64, word: usize) -> u64 {
    (word as u64)
        .saturating_mul(8)
        .saturating_add(section)
        .saturating_add(COUNT)
}

fn check_functions(
    functions: &[Function],
    available: u64,
    sections: &Sections,
) -> Result<(), DecodeError> {
    let mut claimed = 0_u64;
    for function in functions {
        let range = &function.instructions;
        if range.end > available {
            return Err(DecodeError::new(
                sections.functions.start,
                format!("at most {available} instructions"),
                format!("function {:?} with {range:?}", function.name),
            ));
        }
        if function.kind == FunctionKind::Vm {
            claimed = claimed.saturating_add(range.end.saturating_sub(range.start));
        }
    }
    if claimed > available {
        return Err(DecodeError::new(
            sections.functions.start,
            format!("functions with {available} instructions in all"),
            format!("{claimed}, so some overlap"),
        ));
    }
    Ok(())
}
