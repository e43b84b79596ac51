//! The head of an executable: magic and version string.

use super::Magic;
use crate::bytes::Reader;
use crate::error::DecodeError;

const MAGIC_V1: u64 = 0xD225_DE2F_4214_151D;
const MAGIC_V2: u64 = 0xD225_DE2F_4214_151E;

impl Magic {
    /// The eight bytes as they stand in the file.
    pub fn bytes(self) -> [u8; 8] {
        match self {
            Self::V1 => MAGIC_V1.to_le_bytes(),
            Self::V2 => MAGIC_V2.to_le_bytes(),
        }
    }

    /// The generation whose magic `bytes` begin with.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        [Self::V1, Self::V2]
            .into_iter()
            .find(|magic| bytes.starts_with(&magic.bytes()))
    }
}

/// Reads magic and version. The version is kept, not checked: it is `0.14` in
/// every release and tells nothing.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(Magic, String), DecodeError> {
    let start = reader.clone();
    let magic = match reader.u64("the magic of a VM executable")? {
        MAGIC_V1 => Magic::V1,
        MAGIC_V2 => Magic::V2,
        other => {
            return Err(start.error(
                format!("a VM executable's magic, {MAGIC_V1:#x} or {MAGIC_V2:#x}"),
                format!("{other:#x}"),
            ));
        }
    };
    let version = reader.string("the version string")?;
    Ok((magic, version.to_owned()))
}
