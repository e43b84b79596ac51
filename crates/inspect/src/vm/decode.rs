//! Bytes to [`Executable`]: the sections in order, the constant table by trial.

use std::ops::Range;

use super::{ConstantTable, Executable, Sections, code, constants, functions, header};
use crate::bytes::Reader;
use crate::error::DecodeError;

/// Newest first: where two fit they agree on every value.
const TABLES: [ConstantTable; 3] = [
    ConstantTable::Ffi22,
    ConstantTable::Ffi21,
    ConstantTable::Classic,
];

impl Executable {
    /// Decodes an executable that fills `bytes` to the last one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read(Reader::new(bytes))
    }

    /// The same of all that is before a cursor.
    pub(crate) fn read(reader: Reader<'_>) -> Result<Self, DecodeError> {
        decode(reader)
    }
}

fn decode(mut reader: Reader<'_>) -> Result<Executable, DecodeError> {
    let (magic, version) = header::read(&mut reader)?;
    let header = 0..reader.position() as u64;
    let function_table = functions::read_table(&mut reader)?;
    let functions = header.end..reader.position() as u64;
    let memory_scopes = match magic {
        super::Magic::V1 => Vec::new(),
        super::Magic::V2 => functions::read_scopes(&mut reader)?,
    };
    let memory_scopes_range = functions.end..reader.position() as u64;

    let mut furthest: Option<DecodeError> = None;
    for table in TABLES {
        let attempt = Layout::find(&reader, table).and_then(|layout| {
            let sections = Sections {
                header: header.clone(),
                functions: functions.clone(),
                memory_scopes: memory_scopes_range.clone(),
                constants: layout.constants.clone(),
                instruction_offsets: layout.offsets.clone(),
                code: layout.code.clone(),
            };
            let mut at = reader.clone();
            let pool = constants::read(&mut at, table)?;
            let offsets: Vec<i64> = words(&mut at)?;
            let words: Vec<i64> = words(&mut at)?;
            code::check(&function_table, &offsets, &words, &sections)?;
            Ok((layout.table, pool, offsets, words, sections))
        });
        match attempt {
            Ok((constant_table, constants, instruction_offsets, code, sections)) => {
                return Ok(Executable {
                    magic,
                    version,
                    functions: function_table,
                    memory_scopes,
                    constants,
                    constant_table,
                    instruction_offsets,
                    code,
                    sections,
                });
            }
            // The table that got furthest is most likely the file's own.
            Err(error) => {
                furthest = Some(match furthest {
                    Some(best) => best.or(error),
                    None => error,
                });
            }
        }
    }
    Err(furthest.unwrap_or_else(|| reader.error("a constant pool", "none")))
}

fn words(reader: &mut Reader<'_>) -> Result<Vec<i64>, DecodeError> {
    const WHAT: &str = "a list of code words";
    let count = reader.count(8, WHAT)?;
    reader.words(count, WHAT)
}

/// Where the last three sections lie under one constant table.
struct Layout {
    table: ConstantTable,
    constants: Range<u64>,
    offsets: Range<u64>,
    code: Range<u64>,
}

impl Layout {
    fn find(from: &Reader<'_>, table: ConstantTable) -> Result<Self, DecodeError> {
        let mut reader = from.clone();
        let start = reader.position() as u64;
        let (count, telling) = constants::skim(&mut reader, table)?;
        let constants = start..reader.position() as u64;
        constants::pass_words(&mut reader, "the instruction offsets")?;
        let offsets = constants.end..reader.position() as u64;
        constants::pass_words(&mut reader, "the instruction words")?;
        let code = offsets.end..reader.position() as u64;
        if !reader.is_at_end() {
            return Err(reader.error(
                "the end of the executable",
                format!("{} more bytes", reader.remaining()),
            ));
        }
        let table = match table {
            _ if count == 0 => ConstantTable::Any,
            ConstantTable::Ffi22 if !telling => ConstantTable::AnyFfi,
            other => other,
        };
        Ok(Self {
            table,
            constants,
            offsets,
            code,
        })
    }
}
