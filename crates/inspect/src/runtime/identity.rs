//! Whether a runtime is the very file of a release: by a hash of its code, against
//! the table of `data/known_runtimes.toml` that `cargo xtask release known` writes
//! from the wheels.
//!
//! The hash tells builds apart, and is as fast as memory. It is no seal: who would forge
//! a runtime can leave its code as it is and change its data.

use std::sync::LazyLock;

use serde::Deserialize;
use twox_hash::XxHash3_128;

use super::strings;
use crate::container::Parsed;

const TABLE: &str = include_str!(concat!(env!("OUT_DIR"), "/known_runtimes.json"));

#[derive(Default, Deserialize)]
struct Table {
    file: Vec<Known>,
}

/// A VM runtime of a wheel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// `tvm-0.27`.
    release: String,
    /// For people.
    #[allow(dead_code)]
    platform: String,
    /// Bytes of code.
    size: u64,
    /// XXH3 of the code, 128 bits.
    code: String,
}

static KNOWN: LazyLock<Table> = LazyLock::new(|| serde_json::from_str(TABLE).unwrap_or_default());

/// Bytes of code in a binary.
pub fn code_size(parsed: &Parsed<'_>) -> u64 {
    let code = strings::code(parsed);
    let sizes = code.iter().map(|piece| piece.data.len() as u64);
    sizes.fold(0, u64::saturating_add)
}

/// XXH3 of the code of a binary, 128 bits.
pub fn code_hash(parsed: &Parsed<'_>) -> String {
    let mut hash = XxHash3_128::new();
    for piece in strings::code(parsed) {
        hash.write(piece.data);
    }
    format!("{:032x}", hash.finish_128())
}

/// The release whose runtime this is. Code is hashed only where it is as long as
/// that of a known one.
pub(super) fn of(parsed: &Parsed<'_>) -> Option<&'static str> {
    let size = code_size(parsed);
    let mut known = KNOWN
        .file
        .iter()
        .filter(|known| known.size == size)
        .peekable();
    known.peek()?;
    let code = code_hash(parsed);
    let found = known.find(|known| known.code == code)?;
    Some(&found.release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_parses_and_names_releases_of_the_other_one() {
        let table: Table = serde_json::from_str(TABLE).expect("the table parses");
        assert_eq!(table.file.len(), KNOWN.file.len());
        for known in &table.file {
            let release = super::super::release::by_name(&known.release);
            assert!(release.is_some(), "{}", known.release);
            assert_eq!(known.code.len(), 32, "{}", known.release);
        }
    }
}
