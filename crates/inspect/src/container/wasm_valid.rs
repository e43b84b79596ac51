//! Whether an engine compiles a WebAssembly module: types, every section and every
//! function body, as the specification's validation asks for.

use wasmparser::{BinaryReaderError, Parser, ValidPayload, Validator, WasmFeatures};

use super::wasm_quick::{Module, Room};
use super::{Damage, DamageKind};

/// The first thing that no engine accepts. Everything that any engine offers is allowed.
pub(super) fn invalid(data: &[u8]) -> Option<Damage> {
    if is_valid(data).is_ok_and(|is_valid| is_valid) {
        return None;
    }
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let error = validator.validate_all(data).err()?;
    Some(Damage {
        kind: DamageKind::Invalid,
        what: error.message().to_owned(),
        offset: error.offset(),
    })
}

/// Whether a module is valid beyond doubt: its sections, and all bodies at a quick look.
fn is_valid(data: &[u8]) -> Result<bool, BinaryReaderError> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut parser = Parser::new(0);
    parser.set_features(WasmFeatures::all());
    let (mut module, mut room) = (None, Room::default());
    for payload in parser.parse_all(data) {
        if let ValidPayload::Func(function, body) = validator.payload(&payload?)? {
            let module = module.get_or_insert_with(|| Module::of(&function.resources));
            if !module.is_valid(function.ty, &body, &mut room) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
