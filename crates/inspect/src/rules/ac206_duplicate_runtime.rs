//! AC206 duplicate-runtime: two registries in one process.

use super::{Outcome, Rule};
use crate::finding::{Finding, Location, Severity};
use crate::runtime::load_set::{Duplicate, LoadSet};

pub(super) static RULE: Rule = Rule {
    code: "AC206",
    name: "duplicate-runtime",
    severity: Severity::Error,
    summary: "two providers of the same registry in one load set",
    explain: include_str!("ac206_duplicate_runtime.md"),
    artifact: None,
    pair: None,
    binding: None,
    load_set: Some(check),
};

fn check(load_set: &LoadSet, out: &mut Outcome) {
    for duplicate in load_set.duplicates() {
        let paths: Vec<&str> = duplicate
            .providers
            .iter()
            .filter_map(|index| load_set.members.get(*index))
            .map(|member| member.path.as_str())
            .collect();
        let Some(first) = paths.first() else { continue };
        let mut finding = Finding::new(&RULE, *first, format!("{} files of one load set hold a registry of their own", paths.len()))
            .severity(severity(&duplicate))
            .on(&load_set.name)
            .says("Global Function `...` is already registered / TypeAttr `__ffi_repr__` is already registered")
            .help("keep one copy: remove the other from the folder, or from what the parts and clients ask for");
        for path in &paths {
            finding = finding.evidence(format!("{path} defines {}", duplicate.symbols.join(", ")));
        }
        for symbol in &duplicate.symbols {
            finding = finding.at(Location {
                symbol: Some(symbol.clone()),
                ..Location::default()
            });
        }
        out.push(finding);
    }
}

/// Two that something asks for end up in one process; one that nobody asks
/// for may just lie there.
fn severity(duplicate: &Duplicate) -> Severity {
    if duplicate.needed.len() > 1 {
        Severity::Error
    } else {
        Severity::Warning
    }
}
