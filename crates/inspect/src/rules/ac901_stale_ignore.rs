//! AC901 stale-ignore: an accepted finding whose term is over, or which is no
//! longer there. Found by whoever applies the policy, so it has no check here.

use super::{Check, Rule};
use crate::finding::Severity;

pub(super) static RULE: Rule = Rule {
    code: "AC901",
    name: "stale-ignore",
    severity: Severity::Error,
    summary: "an ignore of artcheck.toml expired, or matches no finding any more",
    explain: include_str!("ac901_stale_ignore.md"),
};

pub(super) const CHECKS: &[Check] = &[];
