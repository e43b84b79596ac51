//! Whether an engine compiles a WebAssembly module: types, every section and every
//! function body, as the specification's validation asks for.

use wasmparser::{Validator, WasmFeatures};

use super::{Damage, DamageKind};

/// The first thing that no engine accepts. Everything that any engine offers is allowed.
pub(super) fn invalid(data: &[u8]) -> Option<Damage> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let error = validator.validate_all(data).err()?;
    Some(Damage {
        kind: DamageKind::Invalid,
        what: error.message().to_owned(),
        offset: error.offset(),
        lost: Vec::new(),
    })
}
