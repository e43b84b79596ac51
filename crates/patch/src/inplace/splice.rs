//! Replacing, removing and inserting bytes of a blob, with every length field
//! that counts them.

use std::ops::Range;

use artcheck_inspect::module::{Blob, BlobLayout, Payload};

use super::PlanError;

/// Some bytes of a blob replaced by others, not always as many.
#[derive(Debug, Clone)]
pub(super) struct Splice {
    /// The bytes replaced.
    pub(super) at: Range<usize>,
    /// What stands there afterwards.
    pub(super) new: Vec<u8>,
    /// What the bytes are.
    pub(super) why: String,
}

impl Splice {
    pub(super) fn new(at: Range<usize>, new: impl Into<Vec<u8>>, why: impl Into<String>) -> Self {
        Self {
            at,
            new: new.into(),
            why: why.into(),
        }
    }

    /// Whether what follows moves.
    pub(super) fn moves(&self) -> bool {
        self.at.len() != self.new.len()
    }

    /// Bytes it adds; negative when it removes some.
    pub(super) fn growth(&self) -> i64 {
        (self.new.len() as i64).saturating_sub(self.at.len() as i64)
    }
}

/// How many bytes all of them add.
pub(super) fn growth(splices: &[Splice]) -> i64 {
    splices.iter().map(Splice::growth).sum()
}

/// The bytes with every splice made. They are ordered and apart.
pub(super) fn apply(bytes: &[u8], splices: &[Splice]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for splice in splices {
        out.extend_from_slice(bytes.get(at..splice.at.start).unwrap_or_default());
        out.extend_from_slice(&splice.new);
        at = splice.at.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}

/// Adds what the lengths in front of payloads, and of the blob, become; sorts.
pub(super) fn with_lengths(
    blob: &Blob,
    bytes: &[u8],
    mut splices: Vec<Splice>,
) -> Result<Vec<Splice>, PlanError> {
    let mut lengths = Vec::new();
    for module in &blob.modules {
        let counted = match blob.layout {
            BlobLayout::TreeFirst => module.kind != "_lib",
            // Device payloads carry no length in this layout.
            BlobLayout::CountFirst => matches!(module.payload, Payload::VmExecutable(_)),
            BlobLayout::Bare => false,
        };
        let start = index(module.payload_offset);
        let end = start.saturating_add(index(module.payload_length));
        let inside = |splice: &&Splice| splice.at.start >= start && splice.at.end <= end;
        let growth: i64 = splices.iter().filter(inside).map(Splice::growth).sum();
        if counted && growth != 0 {
            let field = start.saturating_sub(8)..start;
            lengths.push(length_field(
                bytes,
                field,
                growth,
                &format!("length of the {} payload", module.kind),
            ));
        }
    }
    let whole = growth(&splices);
    if whole != 0 {
        lengths.push(length_field(bytes, 0..8, whole, "length of the blob"));
    }
    splices.extend(lengths);
    splices.retain(|splice| bytes.get(splice.at.clone()) != Some(splice.new.as_slice()));
    splices.sort_by_key(|splice| (splice.at.start, splice.at.end));
    Ok(splices)
}

fn length_field(bytes: &[u8], field: Range<usize>, growth: i64, why: &str) -> Splice {
    let mut word = [0; 8];
    if let Some(now) = bytes.get(field.clone()).filter(|now| now.len() == 8) {
        word.copy_from_slice(now);
    }
    let length = u64::from_le_bytes(word).saturating_add_signed(growth);
    Splice::new(field, length.to_le_bytes(), why)
}

/// Offsets inside decoded bytes fit, because those bytes lie in memory.
pub(super) fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_between_splices_stay() {
        let splices = [
            Splice::new(1..2, *b"BB", ""),
            Splice::new(3..5, *b"", ""),
            Splice::new(6..6, *b"!", ""),
        ];
        assert_eq!(apply(b"abcdefg", &splices), b"aBBcf!g");
        assert_eq!(growth(&splices), 0);
    }
}
