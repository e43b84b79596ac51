//! Whether an engine compiles a WebAssembly module: types, every section and every
//! function body, as the specification's validation asks for.

use wasmparser::{
    BinaryReaderError, FuncValidatorAllocations, Parser, ValidPayload, Validator, WasmFeatures,
};

use super::wasm_quick::{Module, Room};
use super::{Damage, DamageKind};

/// The first thing that no engine accepts. Everything that any engine offers is allowed.
pub(super) fn invalid(data: &[u8]) -> Option<Damage> {
    let error = validate(data).err()?;
    Some(Damage {
        kind: DamageKind::Invalid,
        what: error.message().to_owned(),
        offset: error.offset(),
    })
}

/// Sections first, then bodies: the few of which a quick look does not tell in full.
fn validate(data: &[u8]) -> Result<(), BinaryReaderError> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut parser = Parser::new(0);
    parser.set_features(WasmFeatures::all());
    let mut functions = Vec::new();
    for payload in parser.parse_all(data) {
        if let ValidPayload::Func(function, body) = validator.payload(&payload?)? {
            functions.push((function, body));
        }
    }
    let Some((first, _)) = functions.first() else {
        return Ok(());
    };
    let module = Module::of(&first.resources);
    let (mut room, mut full) = (Room::default(), FuncValidatorAllocations::default());
    for (function, body) in functions {
        if !module.is_valid(function.ty, &body, &mut room) {
            let mut validator = function.into_validator(full);
            validator.validate(&body)?;
            full = validator.into_allocations();
        }
    }
    Ok(())
}
