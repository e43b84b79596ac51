//! VM header generations a runtime reads, and its constant table, from the
//! texts of its checks (docs/formats.md#other-facts-of-a-runtime).

use std::collections::BTreeSet;

use super::strings::{self, Piece};
use super::{Confidence, Fact};

/// Magics that the header check names.
pub fn accepted(texts: &[Piece<'_>]) -> Fact<BTreeSet<String>> {
    let both = "header == kTVMVMBytecodeMagicV2";
    if strings::contains(texts, both) {
        return Fact::known(
            BTreeSet::from(["V1".to_owned(), "V2".to_owned()]),
            Confidence::Binary,
        )
        .with_note(format!("check text `{both}`"));
    }
    let first = "header == kTVMVMBytecodeMagic";
    if strings::contains(texts, first) {
        return Fact::known(BTreeSet::from(["V1".to_owned()]), Confidence::Binary)
            .with_note(format!("check text `{first}` without V2"));
    }
    Fact::default()
}

/// The constant table, where the text of its error gives it away. `Tensor`
/// came with the last renumbering; `NDArray` fits two tables.
pub fn constant_table(texts: &[Piece<'_>]) -> Fact<String> {
    let text = "Constant pool can only contain Tensor and DLDataType";
    if strings::contains(texts, text) {
        return Fact::known("ffi22".to_owned(), Confidence::Binary)
            .with_note(format!("text `{text}`"));
    }
    Fact::default()
}
