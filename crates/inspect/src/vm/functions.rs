//! The function table and the memory scopes that follow it in V2.

use std::ops::Range;

use super::{Function, FunctionKind, MemoryScope};
use crate::bytes::Reader;
use crate::error::DecodeError;

/// Kind, empty name, four numbers, no parameter names.
const SMALLEST_ENTRY: usize = 4 + 8 + 4 * 8 + 8;
/// Index and empty scope.
const SMALLEST_SCOPE: usize = 8 + 8;

pub(super) fn read_table(reader: &mut Reader<'_>) -> Result<Vec<Function>, DecodeError> {
    let count = reader.items(SMALLEST_ENTRY, "the number of functions")?;
    (0..count).map(|_| read_entry(reader)).collect()
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Function, DecodeError> {
    let start = reader.clone();
    let kind = match reader.i32("a function kind")? {
        0 => FunctionKind::Packed,
        1 => FunctionKind::Vm,
        2 => FunctionKind::VmTir,
        other => return Err(start.error("a function kind, 0, 1 or 2", other)),
    };
    let name = reader.string("a function name")?.to_owned();
    let instructions = read_range(reader, kind)?;
    let num_args = reader.i64("a parameter count")?;
    let registers = reader.i64("a register count")?;
    let count = reader.items(8, "the number of parameter names")?;
    let parameters = (0..count)
        .map(|_| reader.string("a parameter name").map(str::to_owned))
        .collect::<Result<_, _>>()?;
    Ok(Function {
        kind,
        name,
        instructions,
        num_args,
        registers,
        parameters,
    })
}

/// The VM asks for the instructions of its own functions alone.
fn read_range(reader: &mut Reader<'_>, kind: FunctionKind) -> Result<Range<u64>, DecodeError> {
    let start = reader.clone();
    let first = reader.i64("a first instruction number")?;
    let end = reader.i64("an end instruction number")?;
    if kind != FunctionKind::Vm {
        return Ok(0..0);
    }
    match (u64::try_from(first), u64::try_from(end)) {
        (Ok(first), Ok(end)) if first <= end => Ok(first..end),
        _ => Err(start.error(
            "instruction numbers in ascending order",
            format!("{first}..{end}"),
        )),
    }
}

pub(super) fn read_scopes(reader: &mut Reader<'_>) -> Result<Vec<MemoryScope>, DecodeError> {
    let count = reader.items(SMALLEST_SCOPE, "the number of memory scopes")?;
    (0..count)
        .map(|_| {
            let constant = reader.i64("a memory scope's constant index")?;
            let scope = reader.string("a memory scope")?.to_owned();
            Ok(MemoryScope { constant, scope })
        })
        .collect()
}
