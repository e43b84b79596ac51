//! The rule catalogue: one file per rule, and one line here.
//!
//! A rule file holds `RULE`, what the rule is; `CHECKS`, what it looks at; and
//! has its explain page beside it, `<file>.md`. The build script lists the
//! files of this folder: [`ALL`] has every rule by code, and each goes by its
//! name, `ac101_attention_tag.rs` as [`ATTENTION_TAG`].

mod ac001_unreadable;
mod ac002_wrong_platform;
mod ac003_os_floor;
mod ac004_signature;
mod ac005_page_size;
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
mod ac209_installation;
mod ac301_metadata;
mod ac302_weights;
mod ac303_limits;
mod ac401_gpu_target;
mod ac402_wasm_glue;
mod ac403_merged_states;
mod ac901_stale_ignore;
mod beside;
mod call_kinds;
mod check;
mod device_parts;
mod gnu_versions;
mod host_calls;
mod link_set;
mod loaded;
mod misfits;
mod pair;
mod python_refuses;
mod run_paths;
mod segments;
mod start;
mod surroundings;
mod wanted;
mod wheel_tags;

pub(crate) use ac001_unreadable::of_problem;
pub use check::{ArtifactContext, Binding, EnvironmentContext, FolderContext, Page, Subject};
pub use pair::{Facts, Pair, Program, Uses};

pub use crate::runtime::at_load::AtLoad;

pub(crate) use check::Check;

use crate::artifact::Artifact;
use crate::container::Format;
use crate::finding::Outcome;
use crate::rule::Rule;

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The rule with this code or name, in any letter case.
pub fn find(code_or_name: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| {
        rule.code.eq_ignore_ascii_case(code_or_name) || rule.name.eq_ignore_ascii_case(code_or_name)
    })
}

/// How the exports begin by which a library of `artcheck patch shim` says what
/// it mends.
pub const SHIM_MARK: &str = "TVMArtcheckShim_";

/// Whether a shim can be loaded beside a file: they are built for Linux and macOS, and
/// nothing is loaded beside WebAssembly.
fn takes_shims(artifact: &Artifact) -> bool {
    let format = artifact.binary.as_ref().map(|binary| binary.format);
    !matches!(format, Some(Format::Wasm | Format::Pe | Format::Coff))
}

/// The export of a shim that settles this rule's findings, where it is offered
/// for them. What a shim provides as plain C functions shows in its exports.
pub fn shim_mark(rule: &Rule) -> Option<&'static str> {
    static MARKS: [(&Rule, &str); 4] = [
        (ATTENTION_TAG, "TVMArtcheckShim_attention_tag"),
        (KV_CACHE_CONFIG, "TVMArtcheckShim_cache_config"),
        (DEVICE_PAYLOAD, "TVMArtcheckShim_metal_payload"),
        (CONTEXT_SLOT, "TVMArtcheckShim_context_slots"),
    ];
    let mut marks = MARKS.iter();
    let (_, mark) = marks.find(|(answered, _)| *answered == rule)?;
    Some(mark)
}

/// Everything that the rules say of a subject.
pub fn ask(subject: &Subject<'_>, out: &mut Outcome) {
    for check in CHECKS.iter().copied().flatten() {
        check.ask(subject, out);
    }
}

/// Whether all that the rules have to say of a subject is that it fits. They are asked
/// until one says something else: `doubter`, which did the last time, before the others.
pub(crate) fn fits(subject: &Subject<'_>, doubter: &mut Option<Check>) -> bool {
    let all = CHECKS.iter().copied().flatten().copied();
    let doubts = |check: &Check| {
        let mut out = Outcome::default();
        check.ask(subject, &mut out);
        !out.fits()
    };
    let found = doubter.iter().copied().chain(all).find(doubts);
    *doubter = found.or(*doubter);
    found.is_none()
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
        // The policy is the command line's, and so is the check of its ignores.
        for (rule, checks) in ALL.iter().zip(CHECKS) {
            assert_eq!(checks.is_empty(), *rule == STALE_IGNORE, "{rule:?}");
        }
    }
}
