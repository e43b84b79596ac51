//! AC207 ffi-pair: tvm-ffi and runtime built for different layouts.

use super::{Check, Outcome, Rule};
use crate::finding::{Finding, Severity};
use crate::limits::MAX_FINDINGS;
use crate::place::Place;
use crate::runtime::distribution::Distribution;
use crate::runtime::ffi_version::VersionRange;
use crate::runtime::load_set::LoadSet;
use crate::runtime::{PartKind, messages};

pub(super) static RULE: Rule = Rule {
    code: "AC207",
    name: "ffi-pair",
    severity: Severity::Error,
    summary: "tvm-ffi and the runtime were built for different data layouts",
    explain: include_str!("ac207_ffi_pair.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::LoadSet(check)];

/// The version that a part was built with, where it is known to the last number.
fn advice(built_with: &VersionRange) -> String {
    match built_with.exact() {
        Some(version) => {
            format!("pip install 'apache-tvm-ffi=={version}', which it was built with")
        }
        None => format!(
            "install its own package again, with the apache-tvm-ffi that it asks for; it was built with one of {built_with}"
        ),
    }
}

fn check(load_set: &LoadSet, out: &mut Outcome) {
    let bad_pairs = load_set.bad_pairs();
    let missing = match bad_pairs.is_empty() {
        true => Vec::new(),
        false => load_set.missing(),
    };
    for bad in bad_pairs {
        let Some(member) = load_set.members.get(bad.member) else {
            continue;
        };
        let mut finding = Finding::new(
            &RULE,
            &member.path,
            format!(
                "built with tvm-ffi {}, the load set has {}",
                bad.built_with, bad.runs_with
            ),
        )
        .on(&load_set.name)
        .evidence(format!("{}: {}", bad.pair.id, bad.pair.why))
        .help(advice(&bad.built_with));
        finding = if bad.pair.silent {
            finding.evidence(format!(
                "there is no message at load; later {}",
                bad.pair.effect
            ))
        } else {
            finding.evidence(bad.pair.effect.clone())
        };
        let is_lacking = missing.iter().any(|(index, _)| *index == bad.member);
        if member.kind == PartKind::RuntimeExtra && is_lacking {
            finding = finding
                .severity(Severity::Warning)
                .evidence("TVM passes over it where it does not load");
        }
        out.push(finding);
    }
    for package in &load_set.distributions {
        check_names(load_set, package, out);
    }
    // What packages ask of each other holds for their whole environment.
    let place = environment_of(load_set);
    for unmet in load_set.unmet_requirements() {
        out.push(
            Finding::new(&RULE, place, unmet.says())
                .on(place.to_string())
                .help(format!(
                    "pip install '{}{}'",
                    unmet.requirement.name, unmet.requirement.specification
                )),
        );
    }
}

/// The environment, where it has a name: wheels of the working directory have none.
fn environment_of(load_set: &LoadSet) -> &Place {
    let environment = load_set.environment.as_ref();
    let named = environment.filter(|place| !place.is_here());
    named.unwrap_or(&load_set.place)
}

/// Names that Python files of a package import from tvm-ffi in vain.
fn check_names(load_set: &LoadSet, package: &Distribution, out: &mut Outcome) {
    let Some(first) = package.lacking.first() else {
        return;
    };
    let place = environment_of(load_set);
    let (module, name) = (&first.module, &first.name);
    let message = format!(
        "{} imports names that the installed tvm-ffi does not have",
        package.name
    );
    let mut finding = Finding::new(&RULE, place, message)
        .on(place.to_string())
        .says_known(messages::of_every_release(
            "python-name",
            &[("name", name), ("module", module)],
        ))
        .help(format!(
            "install the apache-tvm-ffi that {} {} was made for",
            package.name, package.version
        ));
    for lacking in package.lacking.iter().take(MAX_FINDINGS) {
        finding = finding.evidence(format!(
            "{}: from {} import {}",
            lacking.file, lacking.module, lacking.name
        ));
    }
    out.push(finding);
}
