//! The code section: instruction offsets, instruction words, and the check
//! that both fit together and fit the function table.
//!
//! TVM reads neither before it runs them; a corrupt file crashes it there.

use super::instruction::BadInstruction;
use super::{Function, FunctionKind, Instruction, Sections};
use crate::error::DecodeError;

/// Bytes of a `vec`'s count, before its words.
const COUNT: u64 = 8;

/// Every instruction decodes and begins behind the one before; every function's
/// instructions exist, and no two functions share one.
///
/// TVM finds instructions by their offsets alone, so words between two of them
/// are never read: a call shortened in place leaves some. Nor does it mind a call whose
/// arguments reach into the next instruction ([`super::stray`] does).
pub(super) fn check(
    functions: &[Function],
    offsets: &[i64],
    code: &[i64],
    sections: &Sections,
) -> Result<(), DecodeError> {
    let mut expected = 0_u64;
    for (index, offset) in offsets.iter().enumerate() {
        let start = u64::try_from(*offset)
            .ok()
            .filter(|start| *start >= expected && (index > 0 || *start == 0))
            .ok_or_else(|| {
                DecodeError::new(
                    word_at(sections.instruction_offsets.start, index as u64),
                    format!("instruction {index} at word {expected} or after"),
                    format!("word {offset}"),
                )
            })?;
        // On a machine of 32 bits too: what is beyond its memory is beyond the code.
        let words = usize::try_from(start)
            .ok()
            .and_then(|start| code.get(start..));
        let words = words.unwrap_or_default();
        checked(words).map_err(|found| {
            DecodeError::new(
                word_at(sections.code.start, start),
                format!("a call, ret, goto or if (instruction {index})"),
                found,
            )
        })?;
        expected = start.saturating_add(1);
    }
    if offsets.is_empty() && !code.is_empty() {
        return Err(DecodeError::new(
            word_at(sections.code.start, 0),
            "no code without instructions",
            format!("{} words", code.len()),
        ));
    }
    check_functions(functions, offsets.len() as u64, sections)
}

/// Whether all of the instruction that `words` begin with has a meaning.
fn checked(words: &[i64]) -> Result<(), BadInstruction> {
    let (instruction, _) = Instruction::decode(words)?;
    if let Instruction::Call { args, .. } = instruction
        && let Some(word) = args.unknown()
    {
        return Err(BadInstruction::ArgumentKind(word));
    }
    Ok(())
}

fn word_at(section: u64, word: u64) -> u64 {
    word.saturating_mul(8)
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
