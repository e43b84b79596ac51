//! A run of bytes that changes.

use std::fmt::Write as _;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Bytes that a receipt keeps of what replaced others.
const LONGEST_KEPT: usize = 4096;

/// A run of bytes that change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Where the run begins in the file as it is now.
    pub offset: u64,
    /// The bytes there now.
    #[serde(with = "hex")]
    pub old: Vec<u8>,
    /// The bytes that replace them. Not always as many: what one edit removes,
    /// another adds, and only a compressed archive changes its size.
    #[serde(with = "hex")]
    pub new: Vec<u8>,
    /// How many replace them, where a receipt leaves the bytes to the file itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
    /// What the bytes are.
    pub why: String,
}

impl Edit {
    /// Other bytes at an offset. Left out are those that both begin with, and
    /// those that both end with where nothing moves.
    pub(crate) fn new(offset: usize, old: &[u8], new: &[u8], why: impl Into<String>) -> Self {
        let skipped = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let mut old = old.get(skipped..).unwrap_or_default();
        let mut new = new.get(skipped..).unwrap_or_default();
        while let (Some((a, shorter_old)), Some((b, shorter_new))) =
            (old.split_last(), new.split_last())
            && old.len() == new.len()
            && a == b
        {
            (old, new) = (shorter_old, shorter_new);
        }
        Self {
            offset: offset.saturating_add(skipped) as u64,
            old: old.to_vec(),
            new: new.to_vec(),
            left_out: None,
            why: why.into(),
        }
    }

    /// The edit as a receipt keeps it: what replaced a long run is in the file, whose hash
    /// the receipt has.
    pub(crate) fn kept(self) -> Self {
        if self.new.len() <= LONGEST_KEPT {
            return self;
        }
        Self {
            left_out: Some(self.new.len() as u64),
            new: Vec::new(),
            ..self
        }
    }

    /// The bytes that replaced the old ones, which begin at `offset` of the result.
    pub(super) fn new_in<'a>(&'a self, result: &'a [u8], offset: u64) -> Option<&'a [u8]> {
        let Some(length) = self.left_out else {
            return Some(&self.new);
        };
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        result.get(start..end)
    }

    /// From the first to the last byte that differs in a range of two images,
    /// which begin at `base` in the file; `None` where all are equal.
    pub(crate) fn within(
        old: &[u8],
        new: &[u8],
        range: Range<usize>,
        base: usize,
        why: &str,
    ) -> Option<Self> {
        let offset = base.saturating_add(range.start);
        let edit = Self::new(offset, old.get(range.clone())?, new.get(range)?, why);
        (!edit.new.is_empty()).then_some(edit)
    }
}

/// The bytes with every edit made (offset, old, new), if the old ones are there.
pub(super) fn replace<'a>(
    from: &[u8],
    edits: impl Iterator<Item = (u64, &'a [u8], &'a [u8])>,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(from.len());
    let mut at = 0_usize;
    for (offset, old, new) in edits {
        let offset = usize::try_from(offset).ok()?;
        out.extend_from_slice(from.get(at..offset)?);
        let end = offset.checked_add(old.len())?;
        if from.get(offset..end)? != old {
            return None;
        }
        out.extend_from_slice(new);
        at = end;
    }
    out.extend_from_slice(from.get(at..)?);
    Some(out)
}

/// Up to six bytes in hex, and how many more.
pub(super) fn short(bytes: &[u8]) -> String {
    const SHOWN: usize = 6;
    let mut text = hex::encode(bytes.get(..SHOWN).unwrap_or(bytes));
    if let Some(more) = bytes.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = write!(text, "..+{more}");
    }
    if text.is_empty() {
        text.push('-');
    }
    text
}
