//! The rule catalogue: one file per rule, one line per rule in [`ALL`].
//!
//! A rule is a code, a name, the severity it usually reports, a summary, an
//! explain page (`<file>.md` beside it) and up to three checks: on one
//! artifact alone, on a model library against a runtime, on a load set.
//! Adding one is one `.rs`, one `.md` and one line here.

mod ac001_unreadable;
mod ac002_wrong_platform;
mod ac003_os_floor;
mod ac004_signature;
mod ac101_attention_tag;
mod ac102_vm_format;
mod ac103_missing_function;
mod ac104_call_arity;
mod ac105_kv_cache_config;
mod ac106_module_loader;
mod ac107_device_payload;
mod ac108_sliding_layers;
mod ac201_device_api;
mod ac202_context_slot;
mod ac203_c_symbol;
mod ac204_cxx_symbol;
mod ac205_library_not_found;
mod ac206_duplicate_runtime;
mod ac207_ffi_pair;
mod ac208_system_lib_name;
mod ac301_metadata;
mod ac302_weights;
mod ac303_limits;
mod ac401_gpu_target;
mod ac402_wasm_glue;
mod ac901_stale_ignore;
mod beside;
mod pair;

pub(crate) use ac002_wrong_platform::{describe, spell};
pub use pair::{Facts, Pair, Program};

/// `x86-64 linux (elf)`: a binary in the words of the reports.
pub fn describe_binary(binary: &crate::container::Binary) -> String {
    describe(binary)
}

/// A fact in the word that the JSON report uses.
pub fn describe_fact(fact: impl serde::Serialize) -> String {
    spell(fact)
}

use std::cell::LazyCell;
use std::collections::BTreeSet;

use crate::artifact::Artifact;
use crate::container::UndefinedSymbol;
use crate::documents::Document;
use crate::finding::{Finding, Severity};
use crate::limits::MAX_FINDINGS;
use crate::runtime::RuntimeProfile;
use crate::runtime::libraries::Resolution;
use crate::runtime::load_set::{LoadSet, MissingReason};
use crate::target::Target;

/// A rule of the catalogue.
#[derive(Debug)]
pub struct Rule {
    /// Stable code, `ACnnn`.
    pub code: &'static str,
    /// Stable name, kebab-case.
    pub name: &'static str,
    /// Severity it usually reports.
    pub severity: Severity,
    /// One line: what it sees.
    pub summary: &'static str,
    /// The explain page, Markdown.
    pub explain: &'static str,
    /// Check on one artifact alone.
    pub artifact: Option<fn(&ArtifactContext<'_>, &mut Outcome)>,
    /// Check of a model library against a runtime.
    pub pair: Option<fn(&Pair<'_>, &mut Outcome)>,
    /// Check of any binary that uses TVM's symbols against a load set.
    pub binding: Option<fn(&Binding<'_>, &mut Outcome)>,
    /// Check on a load set.
    pub load_set: Option<fn(&LoadSet, &mut Outcome)>,
    /// Check of model libraries against the configuration and weights beside them.
    pub folder: Option<fn(&FolderContext<'_>, &mut Outcome)>,
}

/// What a check found, and what it could not decide.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Rules that needed a fact nobody could tell, with the reason.
    pub undecided: Vec<Undecided>,
}

/// A rule that could not decide.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Undecided {
    /// Rule code.
    pub rule: &'static str,
    /// Why, one sentence.
    pub why: String,
}

impl Outcome {
    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Says on the last finding that as many more like it are not listed.
    pub fn and_more(&mut self, count: usize) {
        if let Some(last) = self.findings.last_mut().filter(|_| count > 0) {
            last.evidence
                .push(format!("{count} more like this one are not listed"));
        }
    }

    /// Records that `rule` could not decide. Unknown is never "ok".
    pub fn undecided(&mut self, rule: &Rule, why: impl Into<String>) {
        // Hundreds of reasons are no better than some.
        if self.undecided.len() >= MAX_FINDINGS {
            return;
        }
        self.undecided.push(Undecided {
            rule: rule.code,
            why: why.into(),
        });
    }
}

/// A binary that uses TVM's symbols, and the load set it would run in.
pub struct Binding<'a> {
    /// The client, runtime part or model library.
    pub artifact: &'a Artifact,
    /// The runtime's profile.
    pub runtime: &'a RuntimeProfile,
    /// Its load set; `None` for a release of the built-in table.
    pub load_set: Option<&'a LoadSet>,
}

impl Binding<'_> {
    /// The TVM symbols the binary leaves undefined.
    pub fn undefined(&self) -> impl Iterator<Item = &UndefinedSymbol> {
        self.artifact
            .binary
            .iter()
            .flat_map(|binary| &binary.undefined)
    }

    /// Those of `wanted` that nobody provides; `None` when that cannot be told.
    /// A symbol whose library is not among the files at all is AC205's.
    pub fn missing_c<'s>(
        &self,
        wanted: &[&'s UndefinedSymbol],
    ) -> Option<Vec<&'s UndefinedSymbol>> {
        let Some(load_set) = self.load_set else {
            let exported = self.runtime.c_symbols.value.as_ref()?;
            return Some(
                wanted
                    .iter()
                    .copied()
                    .filter(|symbol| !exported.contains(&symbol.name))
                    .collect(),
            );
        };
        let binary = self.artifact.binary.as_ref()?;
        let missing: BTreeSet<String> = load_set
            .missing_for(binary)
            .into_iter()
            .filter(|missing| !matches!(missing.reason, MissingReason::LibraryAbsent { .. }))
            .map(|missing| missing.symbol)
            .collect();
        // The set's own tvm-ffi lies elsewhere: AC205 says so, and what it
        // exports cannot be held against anybody.
        let ffi_is_elsewhere = LazyCell::new(|| {
            load_set.libraries().iter().any(|(_, needed, resolution)| {
                needed.contains("tvm_ffi") && matches!(resolution, Resolution::Absent { .. })
            })
        });
        let is_missing = |symbol: &UndefinedSymbol| {
            let nobody = missing.contains(&symbol.name)
                || (symbol.weak && load_set.providers_of(&symbol.name).is_empty());
            nobody && !(symbol.name.starts_with("TVMFFI") && *ffi_is_elsewhere)
        };
        Some(
            wanted
                .iter()
                .copied()
                .filter(|symbol| is_missing(symbol))
                .collect(),
        )
    }
}

/// One artifact and what the user said about where it must run.
pub struct ArtifactContext<'a> {
    /// The artifact.
    pub artifact: &'a Artifact,
    /// `--target`, where given.
    pub target: Option<&'a Target>,
}

/// Everything that was read, with the documents that stand among it.
pub struct FolderContext<'a> {
    /// The artifacts.
    pub artifacts: &'a [Artifact],
    /// Configurations and weight indexes.
    pub documents: &'a [Document],
}

/// Every rule, by code.
pub static ALL: &[&Rule] = &[
    &ac001_unreadable::RULE,
    &ac002_wrong_platform::RULE,
    &ac003_os_floor::RULE,
    &ac004_signature::RULE,
    &ac101_attention_tag::RULE,
    &ac102_vm_format::RULE,
    &ac103_missing_function::RULE,
    &ac104_call_arity::RULE,
    &ac105_kv_cache_config::RULE,
    &ac106_module_loader::RULE,
    &ac107_device_payload::RULE,
    &ac108_sliding_layers::RULE,
    &ac201_device_api::RULE,
    &ac202_context_slot::RULE,
    &ac203_c_symbol::RULE,
    &ac204_cxx_symbol::RULE,
    &ac205_library_not_found::RULE,
    &ac206_duplicate_runtime::RULE,
    &ac207_ffi_pair::RULE,
    &ac208_system_lib_name::RULE,
    &ac301_metadata::RULE,
    &ac302_weights::RULE,
    &ac303_limits::RULE,
    &ac401_gpu_target::RULE,
    &ac402_wasm_glue::RULE,
    &ac901_stale_ignore::RULE,
];

/// The rule with this code or name, in any letter case.
pub fn find(code_or_name: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| {
        rule.code.eq_ignore_ascii_case(code_or_name) || rule.name.eq_ignore_ascii_case(code_or_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_ascending() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn every_page_answers_the_four_questions() {
        for rule in ALL {
            for heading in [
                "## What breaks",
                "## What the runtime says",
                "## How to see it by hand",
                "## How to fix it",
            ] {
                assert!(
                    rule.explain.contains(heading),
                    "{}: no `{heading}`",
                    rule.code
                );
            }
            assert!(
                rule.explain
                    .starts_with(&format!("# {} {}", rule.code, rule.name))
            );
            assert!(
                rule.explain.len() > 600,
                "{}: too short to be useful",
                rule.code
            );
        }
    }

    #[test]
    fn every_rule_checks_something() {
        // AC9xx are about the policy; the command line checks them.
        for rule in ALL.iter().filter(|rule| !rule.code.starts_with("AC9")) {
            let checks = [
                rule.artifact.is_some(),
                rule.pair.is_some(),
                rule.binding.is_some(),
                rule.load_set.is_some(),
                rule.folder.is_some(),
            ];
            assert!(checks.contains(&true), "{} checks nothing", rule.code);
        }
    }
}
