//! `const_loader`: constants bound when the library is loaded.

use crate::bytes::Reader;
use crate::error::DecodeError;
use crate::module::Payload;
use crate::vm::tensor_stream;

/// Magic, reserved word, device, rank, type, size: a tensor of rank 0.
const SMALLEST_TENSOR: usize = 8 + 8 + 8 + 4 + 4 + 8;

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Payload, DecodeError> {
    let variables = names(reader, "the constant names")?;
    let count = reader.items(SMALLEST_TENSOR, "the number of constants")?;
    for _ in 0..count {
        tensor_stream(reader)?;
    }
    let symbols = names(reader, "the symbols to initialise")?;
    let count = reader.items(8, "the number of symbols' constant lists")?;
    for _ in 0..count {
        names(reader, "a symbol's constants")?;
    }
    Ok(Payload::ConstLoader { variables, symbols })
}

/// `vec<str>`.
pub(super) fn names(
    reader: &mut Reader<'_>,
    what: &'static str,
) -> Result<Vec<String>, DecodeError> {
    let count = reader.items(8, what)?;
    (0..count)
        .map(|_| reader.string(what).map(str::to_owned))
        .collect()
}
