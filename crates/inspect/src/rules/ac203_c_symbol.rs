//! AC203 c-symbol: an undefined `TVM*` C function nobody provides.

use super::{Binding, Check, Outcome, Rule, ac201_device_api::PREFIX};
use crate::container::BinaryKind;
use crate::finding::{Finding, Location, Repair, Severity};
use crate::limits::MAX_FINDINGS;
use crate::runtime::load_set::{LoadSet, Missing, MissingReason};

pub(super) static RULE: Rule = Rule {
    code: "AC203",
    name: "c-symbol",
    severity: Severity::Error,
    summary: "undefined `TVM*`/`TVMFFI*` C symbol that nobody in the load set provides",
    explain: include_str!("ac203_c_symbol.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Binding(check), Check::LoadSet(check_objects)];

/// C functions that a shim provides exactly, within one calling convention.
const SHIMMED: &[&str] = &["TVMBackendGetFuncFromEnv"];

fn check(binding: &Binding<'_>, out: &mut Outcome) {
    let wanted: Vec<_> = binding
        .undefined()
        .filter(|symbol| {
            symbol.name.starts_with("TVM") && !symbol.name.starts_with(PREFIX) && !symbol.weak
        })
        .collect();
    if wanted.is_empty() {
        return;
    }
    let Some(missing) = binding.missing_c(&wanted) else {
        return out.undecided(&RULE, "the C symbols this runtime exports cannot be told");
    };
    let is_object = binding
        .artifact
        .binary
        .as_ref()
        .is_some_and(|binary| binary.kind == BinaryKind::Object);
    for symbol in missing {
        let shimmed = SHIMMED.contains(&symbol.name.as_str());
        let finding = Finding::new(
            &RULE,
            &binding.artifact.path,
            format!("`{}` is wanted and nobody provides it", symbol.name),
        )
        .on(&binding.runtime.name)
        .at(Location {
            symbol: Some(symbol.name.clone()),
            ..Location::default()
        })
        .says(if is_object {
            format!("ld: undefined symbol: {}", symbol.name)
        } else {
            format!("undefined symbol: {}", symbol.name)
        });
        out.push(if shimmed {
            finding
                .help("link or load a shim that exports it: `artcheck patch shim --runtime RUNTIME --for FILE --out libshim.so`; or compile with the runtime's TVM")
                .repair(&[Repair::Shim])
        } else {
            finding.help("use the runtime of the generation this was built for, or build it again with the runtime's TVM")
        });
    }
}

/// Objects that are linked into one program: what no archive of it defines.
/// Linked libraries are AC204's and AC205's.
fn check_objects(load_set: &LoadSet, out: &mut Outcome) {
    if !load_set.is_static() {
        return;
    }
    for (index, missing) in load_set.missing() {
        let Some(member) = load_set.members.get(index) else {
            continue;
        };
        let is_absent =
            |missing: &&Missing| matches!(missing.reason, MissingReason::LibraryAbsent { .. });
        let (absent, nowhere): (Vec<_>, Vec<_>) = missing
            .iter()
            .filter(|missing| missing.symbol.starts_with("TVM"))
            .partition(is_absent);
        let mut report = |symbols: Vec<&Missing>, severity, what: &str, help: &str| {
            let Some(first) = symbols.first() else { return };
            let mut finding = Finding::new(
                &RULE,
                &member.path,
                format!("{} {what}", count(symbols.len())),
            )
            .severity(severity)
            .on(&load_set.name)
            .says(format!("ld: undefined symbol: {}", first.symbol))
            .help(help);
            for missing in symbols.into_iter().take(MAX_FINDINGS) {
                finding = finding.at(Location {
                    symbol: Some(missing.symbol.clone()),
                    ..Location::default()
                });
            }
            out.push(finding);
        };
        report(
            nowhere,
            Severity::Error,
            "of TVM that no archive of the program defines",
            "take all archives from one build of TVM",
        );
        report(
            absent,
            Severity::Warning,
            "of tvm-ffi, which is not among the archives",
            "link libtvm_ffi_static.a of the same build too",
        );
    }
}

fn count(symbols: usize) -> String {
    match symbols {
        1 => "a C symbol".to_owned(),
        many => format!("{many} C symbols"),
    }
}
