//! The run paths half of AC205: libraries that are there, or may be, and that no run path of
//! a file, or of what it loads, leads to.

use std::path::Path;

use super::{Binding, Outcome, Rule};
use crate::artifact::Role;
use crate::container::{Binary, BinaryKind, Format};
use crate::finding::{Finding, Need, Severity};
use crate::limits::MAX_FINDINGS;
use crate::parts::stem;
use crate::place::Place;
use crate::runtime::distribution::environment;
use crate::runtime::libraries::{self, is_family};
use crate::runtime::load_set::LoadSet;
use crate::runtime::messages;

pub(super) fn check(
    rule: &'static Rule,
    binding: &Binding<'_>,
    binary: &Binary,
    out: &mut Outcome,
) {
    own(rule, binding, binary, out);
    of_others(rule, binding, binary, out);
}

/// What the system's loader says of a library that it does not find.
pub(super) fn not_found(needed: &str, format: Format) -> Option<String> {
    messages::of_system("library-not-found", format, &[("library", needed)])
}

/// Libraries of TVM's that a client names and that its run path does not lead to. In an
/// environment its package loads them before; those of a runtime from elsewhere, and what
/// `--with` names, the user does.
fn own(rule: &'static Rule, binding: &Binding<'_>, binary: &Binary, out: &mut Outcome) {
    let place = &binding.artifact.path;
    let is_beside = |set: &LoadSet| place.is_below(&set.home);
    let is_told = match binary.format {
        Format::Elf | Format::MachO => true,
        // Which program loads a library, and so where it is looked for, must be known.
        Format::Pe => binary.process.is_some(),
        _ => false,
    };
    let is_meant = binding.artifact.role == Role::Client
        && is_told
        && !place.is_member()
        && environment(place).is_none();
    if !is_meant {
        return;
    }
    let family = binary
        .needed
        .iter()
        .filter(|needed| is_family(&needed.name));
    for needed in family.filter(|needed| !needed.optional) {
        let name = &needed.name;
        let is_there = binding.load_set.is_some_and(|set| has(set, name));
        let is_elsewhere = binding.load_set.is_some_and(|set| !is_beside(set));
        let mut companions = binding.companions.iter();
        let is_with = companions.any(|one| stem(&one.path.name()) == stem(name));
        if is_elsewhere && (is_there || is_with) {
            continue;
        }
        let places = libraries::candidates(place, binary, name);
        if places.iter().any(|place| place.path().is_file()) {
            continue;
        }
        let machine = binding.machine;
        let recorded = places.iter().map(Place::path);
        if machine.is_some_and(|machine| machine.find(name, recorded).is_some()) {
            continue;
        }
        // A machine that is all there is starts its programs with no variable set; who else
        // loads a library may have loaded the other before.
        let is_loaded = binary.kind == BinaryKind::Program || binary.process.is_some();
        let severity = match (machine, is_loaded || !is_there) {
            (Some(_), true) => Severity::Error,
            (Some(_), false) => Severity::Warning,
            (None, _) => Severity::Info,
        };
        if severity == Severity::Info {
            out.need(where_looked(name));
        }
        let finding = unfound(name, place, binary, places, rule);
        out.push(finding.severity(severity).on(&binding.runtime.name));
    }
}

/// A library that no run path leads to, and where it was looked for.
fn unfound(
    name: &str,
    place: &Place,
    binary: &Binary,
    places: Vec<Place>,
    rule: &'static Rule,
) -> Finding {
    let message = match &binary.process {
        _ if binary.format == Format::Pe => {
            format!("`{name}` is not in the folder of the program that loads it")
        }
        Some(process) if binary.kind != BinaryKind::Program => format!(
            "no run path leads to `{name}` where {} loads it",
            Place::file(&process.program)
        ),
        _ => format!("no run path of it leads to `{name}`"),
    };
    let mut finding = Finding::new(rule, place, message)
        .says_known(not_found(name, binary.format))
        .help(match binary.format {
            Format::Pe => PUT_BESIDE,
            _ => "link it with a run path that does (`-Wl,-rpath,'$ORIGIN'`, on macOS `@loader_path`), or set LD_LIBRARY_PATH or DYLD_LIBRARY_PATH",
        });
    for place in places.into_iter().take(MAX_FINDINGS) {
        finding = finding.evidence(format!("looked for {place}"));
    }
    finding
}

/// Whether a set has a library of this name.
fn has(set: &LoadSet, name: &str) -> bool {
    let mut members = set.members.iter();
    members.any(|member| stem(&member.path.name()) == stem(name))
}

/// What a program needs of libraries that it loads and that do not find what they ask for:
/// the run path of a program is not theirs where it is `DT_RUNPATH`.
fn of_others(rule: &'static Rule, binding: &Binding<'_>, binary: &Binary, out: &mut Outcome) {
    let place = &binding.artifact.path;
    let Some(process) = &binary.process else {
        return;
    };
    let machine = binding.machine;
    let is_others = |asking: &Path| asking != place.path();
    let lacking = process.lacking.iter();
    for (asking, name) in lacking
        .filter(|(asking, _)| is_others(asking))
        .take(MAX_FINDINGS)
    {
        if machine.is_some_and(|machine| machine.find(name, std::iter::empty()).is_some()) {
            continue;
        }
        if machine.is_none() {
            out.need(where_looked(name));
        }
        let asking = Place::file(asking);
        let finding = Finding::new(
            rule,
            place,
            format!("{asking}, which it loads, does not find `{name}`"),
        )
        .severity(match machine {
            Some(_) => Severity::Error,
            None => Severity::Info,
        })
        .on(&binding.runtime.name)
        .says_known(not_found(name, binary.format));
        let [why, help] = match binary.format {
            Format::Pe => [
                "Windows looks in the program's folder for what a library needs, not in that of the library",
                PUT_BESIDE,
            ],
            _ => [
                "a run path is passed on to libraries where it is DT_RPATH, and not where it is DT_RUNPATH",
                "give that library a run path of its own (`patchelf --set-rpath '$ORIGIN' FILE`), or link the program with `-Wl,--disable-new-dtags`",
            ],
        };
        out.push(finding.evidence(why).help(help));
    }
}

const PUT_BESIDE: &str = "put the library beside the program, or add its folder to PATH";

/// A library that is there, and not where the loader looks.
fn where_looked(name: &str) -> Need {
    Need {
        library: format!("{name} where the loader looks"),
        brought_by: String::from("a run path, or the loader's own variable"),
    }
}
