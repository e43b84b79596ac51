//! Whether an engine compiles a WebAssembly module: types, every section and every
//! function body, as the specification's validation asks for; and whether it has room for
//! the data that the module starts with.

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

/// The first data that ends past so many bytes of memory, of pairs of where it ends and
/// where it is in the file.
pub(super) fn past(memory: u64, mut ends: impl Iterator<Item = (u64, u64)>) -> Option<Damage> {
    let (end, offset) = ends.find(|(end, _)| *end > memory)?;
    Some(Damage {
        kind: DamageKind::PastMemory,
        what: format!(
            "the module starts with {memory:#x} bytes of memory and has data for addresses up to {end:#x}"
        ),
        offset,
        lost: Vec::new(),
    })
}
