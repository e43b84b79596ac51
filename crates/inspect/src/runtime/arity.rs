//! Argument counts and forms that a runtime's own check texts name (docs/formats.md#other-facts-of-a-runtime).
//!
//! Compilers keep the condition of a failed check as text:
//! `args.size() == 28 || args.size() == 29`. Only the two KV-cache
//! constructors take that many arguments, so their counts can be read; typed
//! builtins leave no such text.

use std::collections::{BTreeMap, BTreeSet};

use super::strings::{self, Piece};
use super::{Arities, Confidence, Counts, Fact, UnknownDtype};
use crate::vm::kv_cache::{CREATE, CREATE_REDUCED};

/// The least count of the reduced constructor, and of the full one: 17 to 24
/// and 25 to 30 in every release.
const LEAST_REDUCED: u64 = 17;
const LEAST_FULL: u64 = 25;

/// Accepted counts of the constructors.
pub fn constructors(texts: &[Piece<'_>]) -> Fact<Arities> {
    let mut counts: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for chain in strings::alternations(texts, "args.size()") {
        let name = match chain.first() {
            Some(least) if *least >= LEAST_FULL => CREATE,
            Some(least) if *least >= LEAST_REDUCED => CREATE_REDUCED,
            _ => continue,
        };
        counts.entry(name.to_owned()).or_default().extend(chain);
    }
    if counts.is_empty() {
        return Fact::default();
    }
    let counts = counts.into_iter();
    let counts: Arities = counts
        .map(|(name, counts)| (name, Counts::Exactly(counts)))
        .collect();
    Fact::known(counts, Confidence::Binary).with_note("text of the constructor's argument check")
}

/// Accepted lengths of the cache config.
pub fn cache_config(texts: &[Piece<'_>]) -> Fact<BTreeSet<u64>> {
    let lengths: BTreeSet<u64> = strings::alternations(texts, "cache_config.size()")
        .into_iter()
        .flatten()
        .collect();
    if lengths.is_empty() {
        return Fact::default();
    }
    Fact::known(lengths, Confidence::Binary).with_note("text of the check on cache_config.size()")
}

/// How the check of a tensor is told that its type is not known: its text compares
/// a type, or the value of one that may be missing.
pub(crate) fn unknown_dtype(texts: &[Piece<'_>]) -> Fact<UnknownDtype> {
    let forms = [
        ("(DataType(ptr->dtype) == dtype", UnknownDtype::Void),
        ("(ptr->dtype == dtype.value()", UnknownDtype::Null),
    ];
    let mut found = forms
        .into_iter()
        .filter(|(text, _)| strings::contains(texts, text));
    match (found.next(), found.next()) {
        (Some((_, form)), None) => Fact::known(form, Confidence::Binary)
            .with_note("text of the check on a tensor's data type"),
        _ => Fact::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_two_generations() {
        let piece = |data: &'static [u8]| Piece { data, address: 0 };
        let old = piece(
            b"(args.size() == 25 || args.size() == 26 || args.size() == 27\0args.size() == 19 || args.size() == 20 || args.size() == 21\0args.size() == 3\0cache_config.size() == 5",
        );
        let counts = constructors(&[old]).value.expect("both constructors");
        assert_eq!(
            counts.get(CREATE),
            Some(&Counts::Exactly([25, 26, 27].into()))
        );
        assert_eq!(
            counts.get(CREATE_REDUCED),
            Some(&Counts::Exactly([19, 20, 21].into()))
        );
        assert_eq!(cache_config(&[old]).value, Some(BTreeSet::from([5])));
        let new = piece(b"cache_config.size() == 5 || cache_config.size() == 6");
        assert_eq!(cache_config(&[new]).value, Some(BTreeSet::from([5, 6])));
        assert_eq!(constructors(&[new]).value, None);
        let check = piece(b"Check failed: (ptr->dtype == dtype.value()\0");
        assert_eq!(unknown_dtype(&[check]).value, Some(UnknownDtype::Null));
        assert_eq!(unknown_dtype(&[new]).value, None);
    }
}
