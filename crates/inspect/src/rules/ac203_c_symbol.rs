//! AC203 c-symbol: an undefined `TVM*` C function nobody provides.

use super::{Binding, Check, Outcome, Rule, ac201_device_api::PREFIX};
use crate::finding::{Finding, Location, Repair, Severity};

pub(super) static RULE: Rule = Rule {
    code: "AC203",
    name: "c-symbol",
    severity: Severity::Error,
    summary: "undefined `TVM*`/`TVMFFI*` C symbol that nobody in the load set provides",
    explain: include_str!("ac203_c_symbol.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Binding(check)];

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
        return out.undecided(
            &RULE,
            "the C symbols that this runtime exports are not known",
        );
    };
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
        .says_known(binding.words(&symbol.name));
        out.push(if shimmed {
            finding
                .help("link or load a shim that exports it: `artcheck patch shim --runtime RUNTIME --for FILE --out libshim.so`; or compile with the runtime's TVM")
                .repair(&[Repair::Shim])
        } else {
            finding.help("use the runtime of the generation this was built for, or build it again with the runtime's TVM")
        });
    }
}
