//! AC204 cxx-symbol: an undefined `tvm::` C++ symbol that no library has: parts
//! that were built against each other's other versions.

use super::check::delayed;
use super::{Binding, Check, Outcome, Rule};
use crate::container::{self, Architecture, Binary, Format, Platform};
use crate::finding::{Finding, Location, Severity};
use crate::parts::PartKind;
use crate::place::Place;
use crate::runtime::libraries::is_family;
use crate::runtime::load_set::{LoadSet, Missing, MissingReason};
use crate::runtime::{cxx_classes, elsewhere, messages, release};

pub(super) static RULE: Rule = Rule {
    code: "AC204",
    name: "cxx-symbol",
    severity: Severity::Error,
    summary: "the file needs a `tvm::` C++ symbol that no scanned library exports",
    explain: include_str!("ac204_cxx_symbol.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Binding(check_client), Check::LoadSet(check_members)];

/// Places named in full; the rest are counted.
const PLACES: usize = 8;

fn check_members(load_set: &LoadSet, out: &mut Outcome) {
    for (index, missing) in load_set.missing() {
        let Some(member) = load_set.members.get(index) else {
            continue;
        };
        if let Some(finding) = report(&member.path, &member.binary, load_set, missing) {
            // It is tried, and passed over where it does not load.
            let is_tried = member.kind == PartKind::RuntimeExtra;
            out.push(match is_tried {
                true => finding.severity(Severity::Warning).evidence("TVM skips this library if it does not load: its functions are then not registered"),
                false => finding,
            });
        }
    }
}

fn check_client(binding: &Binding<'_>, out: &mut Outcome) {
    let Some(binary) = &binding.artifact.binary else {
        return;
    };
    let Some(load_set) = binding.load_set else {
        let is_cxx = |name: &str| container::mentions_tvm_namespace(name.as_bytes());
        // What is delayed stops nothing, whatever the release has.
        let is_delayed = |lazy: bool| lazy && binary.format == Format::Pe;
        let undefined = binary.undefined.iter();
        let undefined = undefined.filter(|symbol| !symbol.weak && !is_delayed(symbol.lazy));
        let names = undefined.map(|symbol| symbol.name.as_str());
        let names: Vec<&str> = names.filter(|name| is_cxx(name)).collect();
        if !names.is_empty() {
            let what = what_has_them(binary.platform, binary.architecture, &names);
            let why = format!("the C++ symbols of a release are not in the table: {what}");
            out.undecided(&RULE, why);
        }
        return;
    };
    let mut missing = load_set.missing_for(&binding.artifact.path, binary);
    missing.retain(|missing| missing.cxx);
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|one| one.symbol.as_str()).collect();
        let path = &binding.artifact.path;
        let mut defined = elsewhere::in_needed(path, binary, load_set, &names).into_iter();
        missing.retain(|_| defined.next() != Some(true));
    }
    if let Some(finding) = report(&binding.artifact.path, binary, load_set, missing) {
        out.push(finding);
    }
}

/// What to name so that the symbols are known.
fn what_has_them(platform: Platform, architecture: Architecture, names: &[&str]) -> String {
    let tag = match (platform, architecture) {
        (Platform::Linux, Architecture::X86_64) => Some("manylinux_2_28_x86_64"),
        (Platform::Linux, Architecture::Aarch64) => Some("manylinux_2_28_aarch64"),
        (Platform::MacOs, Architecture::Aarch64) => Some("macosx_11_0_arm64"),
        (Platform::Windows, Architecture::X86_64) => Some("win_amd64"),
        _ => None,
    };
    let of_ffi = |name: &&str| name.contains("3tvm3ffi") || name.contains("@ffi@tvm@@");
    match tag.filter(|_| names.iter().all(of_ffi)) {
        Some(tag) => format!(
            "name the wheel of apache-tvm-ffi for its system with --runtime; `pip download --no-deps --platform {tag} apache-tvm-ffi` fetches it"
        ),
        None => String::from("name its libraries with --runtime"),
    }
}

fn report(
    path: &Place,
    binary: &Binary,
    load_set: &LoadSet,
    missing: Vec<Missing>,
) -> Option<Finding> {
    let missing: Vec<Missing> = missing
        .into_iter()
        // A library that is not there at all is AC205's finding.
        .filter(|missing| {
            missing.cxx && !matches!(missing.reason, MissingReason::LibraryAbsent { .. })
        })
        .collect();
    let first = missing.first()?;
    let plural = if missing.len() == 1 { "" } else { "s" };
    let symbol = [("symbol", first.symbol.as_str())];
    let words = messages::of_system("undefined-symbol", binary.format, &symbol);
    let mut finding = Finding::new(
        &RULE,
        path,
        format!(
            "needs {} `tvm::` C++ symbol{plural} that {}",
            missing.len(),
            exporter(load_set, &missing)
        ),
    )
    .on(&load_set.name)
    .says_known(words)
    .help(advice(load_set, path, &missing));
    if missing.iter().all(|missing| missing.lazy) {
        finding = match binary.format {
            Format::Pe => delayed(finding),
            _ => finding.evidence(
                "functions only: where the library is loaded lazily, the first call of one fails",
            ),
        };
    }
    let mut needed = binary.needed.iter();
    if binary.format == Format::Elf && !needed.any(|needed| is_family(&needed.name)) {
        finding = finding.evidence("names no TVM library as NEEDED");
    }
    if missing.iter().any(|missing| mentions_ffi(&missing.symbol)) {
        if let Some(range) = load_set.ffi_range() {
            finding = finding.evidence(format!("tvm-ffi of the load set: {range}"));
        }
        if let Some(member) = load_set.members.iter().find(|member| member.path == *path) {
            finding = finding.evidence(format!("built with tvm-ffi {}", member.built_with));
        }
    }
    for missing in &missing {
        if let Some(counterpart) = other_string(load_set, &missing.symbol) {
            finding = finding
                .evidence(format!("the load set has it with the other std::string: {counterpart}"))
                .help("build all parts with one setting of _GLIBCXX_USE_CXX11_ABI: std::string has two layouts in libstdc++");
            break;
        }
    }
    if missing.len() > PLACES {
        finding = finding.evidence(format!("the first {PLACES} are shown"));
    }
    for missing in missing.into_iter().take(PLACES) {
        finding = finding.at(Location::of_symbol(missing.symbol));
    }
    Some(finding)
}

/// Who does not export the symbols: tvm-ffi by its version, where all of them are its own.
fn exporter(load_set: &LoadSet, missing: &[Missing]) -> String {
    let of_ffi = |missing: &Missing| match missing.reason {
        MissingReason::NotInLibrary { member } => load_set
            .members
            .get(member)
            .is_some_and(|member| member.kind == PartKind::Ffi),
        _ => false,
    };
    match load_set.ffi_range() {
        Some(range) if missing.iter().all(of_ffi) => format!("tvm-ffi {range} does not export"),
        _ => String::from("neither the runtime nor any other scanned library exports"),
    }
}

/// The same function over libstdc++'s other `std::string`, if the set has it.
fn other_string(load_set: &LoadSet, symbol: &str) -> Option<String> {
    let name = qualified_name(symbol)?;
    let is_counterpart = |other: &&String| {
        is_new_string(other) != is_new_string(symbol)
            && qualified_name(other).is_some_and(|other| other == name)
    };
    // The first member that has one, and of that the first by name.
    let mut members = load_set.members.iter();
    members.find_map(|member| member.exports.iter().filter(is_counterpart).min().cloned())
}

/// Whether a mangled name speaks of the `std::string` of GCC 5 and later.
fn is_new_string(symbol: &str) -> bool {
    symbol.contains("7__cxx11") || symbol.contains("B5cxx11")
}

/// `_ZN3tvm7runtime8SaveFileE`: the nested name of a function, without its
/// parameters and ABI tags; `None` where neither string is in the signature.
fn qualified_name(symbol: &str) -> Option<String> {
    if !is_new_string(symbol) && !symbol.contains("Ss") && !symbol.ends_with("Ev") {
        return None;
    }
    let plain = symbol.replace("B5cxx11", "");
    let mut rest = plain.strip_prefix("_ZN")?.trim_start_matches('K');
    let mut parts = Vec::new();
    loop {
        let digits = rest
            .len()
            .checked_sub(rest.trim_start_matches(|c: char| c.is_ascii_digit()).len())?;
        let length: usize = rest.get(..digits)?.parse().ok()?;
        let end = digits.checked_add(length)?;
        parts.push(rest.get(digits..end)?.to_owned());
        rest = rest.get(end..)?;
        if rest.starts_with('E') {
            return Some(parts.join("::"));
        }
    }
}

fn mentions_ffi(symbol: &str) -> bool {
    container::is_of_registry(symbol)
}

fn advice(load_set: &LoadSet, path: &Place, missing: &[Missing]) -> String {
    let mut gone = missing
        .iter()
        .filter_map(|missing| cxx_classes::gone(&missing.symbol));
    if let Some((class, last)) = gone.next() {
        return format!(
            "build it with the TVM that it will run on: {last} is the last release that has {class}"
        );
    }
    if let Some(unmet) = load_set.unmet_requirements().first() {
        return format!("install the pair that belongs together: {}", unmet.says());
    }
    if !load_set.has(&PartKind::Ffi) {
        return String::from(
            "build both from the same commit, or install the pair that belongs together",
        );
    }
    let known = load_set.profile.identity.as_deref();
    let known = known.and_then(release::by_name);
    let pair =
        known.and_then(|known| Some((known.wheel.as_ref()?, known.ffi_version.value.as_ref()?)));
    let bad = load_set.bad_pairs();
    let mut bad = bad.iter().filter(|bad| {
        let member = load_set.members.get(bad.member);
        member.is_some_and(|member| member.path == *path)
    });
    match pair {
        Some((wheel, ffi)) => format!(
            "install the pair that belongs together: apache-tvm {wheel} with apache-tvm-ffi {ffi}"
        ),
        None => match bad.next() {
            // Its own package may ask for less than it needs.
            Some(bad) => format!(
                "install an apache-tvm-ffi of {}, which it was built with",
                bad.built_with
            ),
            None => String::from(
                "install the runtime's own package again, with the apache-tvm-ffi that it asks for; or build both from the same commit",
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wheel_for_the_system_is_named() {
        let of = |symbol| what_has_them(Platform::Windows, Architecture::X86_64, &[symbol]);
        let ffi = "?GetGlobal@Function@ffi@tvm@@SA?AV?$Optional@VFunction@ffi@tvm@@X@23@Z";
        assert!(of(ffi).contains("apache-tvm-ffi") && of(ffi).contains("win_amd64"));
        assert!(!of("?GetFileFormat@runtime@tvm@@YA").contains("win_amd64"));
    }

    #[test]
    fn one_name_for_both_strings() {
        let new = "_ZN3tvm7runtime13GetFileFormatERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEES8_";
        let old = "_ZN3tvm7runtime13GetFileFormatERKSsS2_";
        assert_eq!(
            qualified_name(new).as_deref(),
            Some("tvm::runtime::GetFileFormat")
        );
        assert_eq!(qualified_name(new), qualified_name(old));
        assert!(is_new_string(new) && !is_new_string(old));
        let tagged = "_ZN3tvm7runtime9BacktraceB5cxx11Ev";
        assert_eq!(
            qualified_name(tagged),
            qualified_name("_ZN3tvm7runtime9BacktraceEv")
        );
        assert_eq!(qualified_name("_ZN3tvm7runtime1fEi"), None);
        assert_eq!(qualified_name("TVMFuncCall"), None);
    }
}
