//! AC201 device-api: the flat `TVMDeviceAPI*` functions that no stock runtime has.

use super::check::delayed;
use super::pair::hold;
use super::{Binding, Check, Outcome, Rule};
use crate::container::Format;
use crate::finding::{Finding, Location, Repair, Severity};

pub(super) static RULE: Rule = Rule {
    code: "AC201",
    name: "device-api",
    severity: Severity::Error,
    summary: "a client or library calls `TVMDeviceAPI*` functions, which no scanned library exports",
    explain: include_str!("ac201_device_api.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Binding(check)];

/// Prefix of the flat wrapper's names (docs/formats.md#flat-device-functions).
pub(super) const PREFIX: &str = "TVMDeviceAPI";

fn check(binding: &Binding<'_>, out: &mut Outcome) {
    let wanted: Vec<_> = binding
        .undefined()
        .filter(|symbol| symbol.name.starts_with(PREFIX))
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
    if missing.is_empty() {
        return;
    }
    let first = missing.first().map_or("", |symbol| symbol.name.as_str());
    let called = match missing.len() {
        1 => format!("`{first}`"),
        count => format!("{count} functions such as `{first}`"),
    };
    let mut finding = Finding::new(
        &RULE,
        &binding.artifact.path,
        format!("calls {called}, which neither the runtime nor any other scanned library exports"),
    )
    .on(&binding.runtime.name)
    .says_known(binding.words(first))
    .help("build the wrapper as a library beside the stock runtime: `artcheck patch shim --runtime RUNTIME --for FILE --out libdevice_c_api.so`; or patch the runtime's source: `artcheck patch source --tvm DIR`")
    .repair(&[Repair::Shim, Repair::Source]);
    let binary = binding.artifact.binary.as_ref();
    let is_pe = binary.is_some_and(|binary| binary.format == Format::Pe);
    if is_pe && missing.iter().all(|symbol| symbol.lazy) {
        finding = delayed(finding);
    }
    if missing.iter().all(|symbol| symbol.weak) {
        finding = finding
            .severity(Severity::Warning)
            .evidence("all of them are weak references: they stay null");
    }
    for symbol in missing {
        finding = finding.at(Location::of_symbol(symbol.name.clone()));
    }
    // What libraries export was read of them.
    let is_certain = binding.load_set.is_some() || binding.runtime.c_symbols.is_certain();
    hold(binding.runtime, is_certain, finding, out);
}
