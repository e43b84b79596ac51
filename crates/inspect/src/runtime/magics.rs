//! VM headers a runtime reads, and its constant table, from the texts of its
//! checks (docs/formats.md#other-facts-of-a-runtime).

use std::collections::BTreeSet;

use super::strings::{self, Piece};
use super::{Confidence, Fact};
use crate::vm::{ConstantTable, Magic};

/// Magics that the header check names. A check that names one not known here
/// reads more than can be said.
pub fn accepted(texts: &[Piece<'_>]) -> Fact<BTreeSet<Magic>> {
    const CHECK: &str = "header == kTVMVMBytecodeMagic";
    let named = strings::behind(texts, CHECK, |byte| {
        byte.is_ascii_alphanumeric() || byte == b'_'
    });
    if named.is_empty() {
        return Fact::default();
    }
    let magics: Option<BTreeSet<Magic>> = named
        .iter()
        .map(|suffix| match *suffix {
            "" => Some(Magic::V1),
            "V2" => Some(Magic::V2),
            _ => None,
        })
        .collect();
    let checks: Vec<String> = named
        .iter()
        .map(|suffix| format!("`{CHECK}{suffix}`"))
        .collect();
    let note = format!("check text {}", checks.join(" and "));
    match magics {
        Some(magics) => Fact::known(magics, Confidence::Binary).with_note(note),
        None => Fact::default().with_note(format!("{note}: not a magic known here")),
    }
}

/// The version string that the header check demands.
pub fn version(texts: &[Piece<'_>]) -> Fact<String> {
    const CHECK: &str = "version == \"";
    let is_version = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    let named = strings::behind(texts, CHECK, is_version);
    match named.iter().collect::<Vec<_>>().as_slice() {
        [version] if !version.is_empty() => Fact::known((**version).to_owned(), Confidence::Binary)
            .with_note(format!("check text `{CHECK}{version}\"`")),
        _ => Fact::default(),
    }
}

/// The constant table, where the text of its error gives it away. `Tensor`
/// came with the last renumbering; `NDArray` fits two tables.
pub fn constant_table(texts: &[Piece<'_>]) -> Fact<ConstantTable> {
    let text = "Constant pool can only contain Tensor and DLDataType";
    if strings::contains(texts, text) {
        return Fact::known(ConstantTable::Ffi22, Confidence::Binary)
            .with_note(format!("text `{text}`"));
    }
    Fact::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(data: &'static [u8]) -> [Piece<'static>; 1] {
        [Piece { data, address: 0 }]
    }

    #[test]
    fn every_magic_of_the_check_counts() {
        let old = piece(b"Check failed: (header == kTVMVMBytecodeMagic\0) is false");
        assert_eq!(accepted(&old).value, Some(BTreeSet::from([Magic::V1])));
        let both = piece(
            b"((header == kTVMVMBytecodeMagic) || (header == kTVMVMBytecodeMagicV2)\0) is false",
        );
        assert_eq!(
            accepted(&both).value,
            Some(BTreeSet::from([Magic::V1, Magic::V2]))
        );
        let newer = accepted(&piece(b"(header == kTVMVMBytecodeMagicV3\0)"));
        assert_eq!(newer.value, None);
        assert!(newer.note.is_some_and(|note| note.contains("MagicV3")));
        assert_eq!(accepted(&piece(b"header")), Fact::default());
    }

    #[test]
    fn the_version_is_the_one_in_the_check() {
        let of = |data| version(&piece(data)).value;
        assert_eq!(
            of(b"Check failed: (version == \"0.13.dev0\"\0)"),
            Some("0.13.dev0".to_owned())
        );
        assert_eq!(of(b"(version == \"0.14\"\0version == \"0.15\""), None);
        assert_eq!(of(b"0.14\0version == \"\""), None);
    }
}
