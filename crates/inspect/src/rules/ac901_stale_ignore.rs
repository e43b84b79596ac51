//! AC901 stale-ignore: an accepted finding whose term is over, or which is no
//! longer there. Found by whoever applies the policy, so it has no check here.

use super::{Check, Rule};
use crate::finding::Severity;

pub(super) static RULE: Rule = Rule {
    code: "AC901",
    name: "stale-ignore",
    severity: Severity::Error,
    summary: "an ignore in artcheck.toml has expired, or no longer matches any finding",
    explain: include_str!("ac901_stale_ignore.md"),
};

pub(super) const CHECKS: &[Check] = &[];
