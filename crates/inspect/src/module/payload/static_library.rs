//! `static_library`: an object file that was not linked.

use super::const_loader::names;
use crate::bytes::Reader;
use crate::error::DecodeError;
use crate::module::Payload;

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Payload, DecodeError> {
    let size = reader.extent("an object file")? as u64;
    let functions = names(reader, "the object's functions")?;
    Ok(Payload::StaticLibrary { functions, size })
}
