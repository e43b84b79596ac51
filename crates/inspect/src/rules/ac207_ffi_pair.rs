//! AC207 ffi-pair: tvm-ffi and runtime built for different layouts.

use super::{Check, Outcome, Rule};
use crate::finding::{Finding, Severity};
use crate::limits::MAX_FINDINGS;
use crate::place::Place;
use crate::runtime::distribution::{Distribution, FFI, TVM};
use crate::runtime::ffi_version::{self, VersionRange};
use crate::runtime::load_set::LoadSet;
use crate::runtime::{PartKind, RuntimeProfile, messages, release};

pub(super) static RULE: Rule = Rule {
    code: "AC207",
    name: "ffi-pair",
    severity: Severity::Error,
    summary: "tvm-ffi and the runtime were built for different data layouts",
    explain: include_str!("ac207_ffi_pair.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::LoadSet(check)];

/// The version to install: the release's own, or the one that a part was built with.
fn advice(load_set: &LoadSet, built_with: &VersionRange) -> String {
    // A package beside TVM's has a runtime of its own.
    let is_built_with = |version: &&str| {
        let version = ffi_version::Version::parse(version).map(VersionRange::exactly);
        version.is_some_and(|version| version.is_inside(built_with))
    };
    let release = of_release(load_set).filter(is_built_with);
    let (version, why) = match (release, built_with.exact()) {
        (Some(version), _) => (version.to_owned(), "the release's own"),
        (None, Some(version)) => (version.to_string(), "which it was built with"),
        (None, None) => {
            return format!("install an apache-tvm-ffi of {built_with}, which it was built with");
        }
    };
    let mut packages = load_set.distributions.iter();
    // pip leaves alone what says that it is installed already.
    let again = match packages.any(|one| one.name == FFI && one.version == version) {
        true => "--force-reinstall --no-deps ",
        false => "",
    };
    format!("pip install {again}'{FFI}=={version}', {why}")
}

/// The installed release of TVM.
fn release_of(load_set: &LoadSet) -> Option<&'static RuntimeProfile> {
    let mut packages = load_set.distributions.iter();
    let tvm = packages.find(|package| package.name == TVM)?;
    release::by_name(&tvm.version)
}

/// The tvm-ffi that it was built with.
fn of_release(load_set: &LoadSet) -> Option<&'static str> {
    release_of(load_set)?.ffi_version.value.as_deref()
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
                "built with tvm-ffi {}, but the load set has {}",
                bad.built_with, bad.runs_with
            ),
        )
        .on(&load_set.name)
        .evidence(format!("{}: {}", bad.pair.id, bad.pair.why))
        .help(advice(load_set, &bad.built_with));
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
                .evidence("TVM skips this library if it does not load");
        }
        out.push(finding);
    }
    check_compiler(load_set, out);
    for package in &load_set.distributions {
        check_names(load_set, package, out);
        check_class(load_set, package, out);
    }
    // What packages ask of each other holds for their whole environment.
    let place = environment_of(load_set);
    for unmet in load_set.unmet_requirements() {
        let asked = &unmet.requirement;
        // A bound below alone leads to a version that is too new for an older release.
        let own =
            of_release(load_set).filter(|own| asked.name == FFI && asked.takes(own) == Some(true));
        let help = match own {
            Some(own) => format!("pip install '{}=={own}'", asked.name),
            None => format!("pip install '{}{}'", asked.name, asked.specification),
        };
        // TVM imports it before anything else.
        let is_tvm = unmet.package == TVM && asked.name == FFI;
        let words = (is_tvm && unmet.installed.is_none())
            .then(|| String::from("ModuleNotFoundError: No module named 'tvm_ffi'"));
        let finding = Finding::new(&RULE, place, unmet.says()).says_known(words);
        out.push(finding.on(place.to_string()).help(help));
    }
}

/// A compiler that imports, runs models, and crashes when it compiles one.
fn check_compiler(load_set: &LoadSet, out: &mut Outcome) {
    let mut members = load_set.members.iter();
    let Some(compiler) = members.find(|member| member.kind == PartKind::Compiler) else {
        return;
    };
    let (Some(release), Some(runs)) = (release_of(load_set), load_set.ffi_range()) else {
        return;
    };
    let name = release.release.as_deref().unwrap_or_default();
    let Some(known) = ffi_version::crashing_compiler(name, &runs) else {
        return;
    };
    let message = format!("compiling models with TVM {name} and tvm-ffi {runs} crashes");
    // What pip installs beside a release runs models, and most environments do no more.
    let own = of_release(load_set).and_then(ffi_version::Version::parse);
    let is_own = own.is_some_and(|own| VersionRange::exactly(own) == runs);
    out.push(
        Finding::new(&RULE, &compiler.path, message)
            .severity(match is_own {
                true => Severity::Info,
                false => Severity::Warning,
            })
            .on(&load_set.name)
            .evidence(known.effect.clone())
            .evidence(format!("{}; running models is not affected", known.why))
            .help(format!(
                "to compile, pip install '{FFI}=={}'",
                known.instead
            )),
    );
}

/// The environment, where it has a name: wheels of the working directory have none.
fn environment_of(load_set: &LoadSet) -> &Place {
    let environment = load_set.environment.as_ref();
    let named = environment.filter(|place| !place.is_here());
    named.unwrap_or(&load_set.place)
}

/// A class that Python refuses, since tvm-ffi gives it an attribute that it cannot have.
fn check_class(load_set: &LoadSet, package: &Distribution, out: &mut Outcome) {
    let Some((file, class)) = &package.refused else {
        return;
    };
    let place = environment_of(load_set);
    let message = format!(
        "the installed tvm-ffi refuses a class that {} registers when it is imported",
        package.name
    );
    let words = messages::of_every_release("python-attribute", &[("name", &class.attribute)]);
    out.push(
        Finding::new(&RULE, place, message)
            .on(place.to_string())
            .says_known(words)
            .evidence(format!(
                "{file}: the class for {} says nothing of `{}`; {}",
                class.key, class.attribute, class.why
            ))
            .help(made_for(package, &class.instead)),
    );
}

/// The tvm-ffi to install for a package, which it may itself not take.
fn made_for(package: &Distribution, instead: &str) -> String {
    let (name, version) = (&package.name, &package.version);
    let bound = instead.trim_start_matches(['<', '=', '>']);
    let mut requires = package.requires.iter();
    let other = requires.find(|one| one.name == FFI && one.takes(bound) == Some(false));
    match other {
        Some(own) => format!(
            "install another {name} with the tvm-ffi that it was made for: {version} asks for {FFI}{}",
            own.specification
        ),
        None => format!("pip install '{FFI}{instead}', which {name} {version} was made for"),
    }
}

/// Names that Python files of a package import from tvm-ffi in vain, and arguments that its
/// functions do not take.
fn check_names(load_set: &LoadSet, package: &Distribution, out: &mut Outcome) {
    let Some(first) = package.lacking.first() else {
        return;
    };
    let place = environment_of(load_set);
    let (module, name) = (&first.module, &first.name);
    let (message, says) = match &first.argument {
        None => (
            format!(
                "{} imports names that the installed tvm-ffi does not have",
                package.name
            ),
            messages::of_every_release("python-name", &[("name", name), ("module", module)]),
        ),
        Some(argument) => (
            format!(
                "{} calls `{name}` with an argument that the installed tvm-ffi does not take",
                package.name
            ),
            messages::of_every_release(
                "python-argument",
                &[("name", name), ("argument", argument)],
            ),
        ),
    };
    let mut finding = Finding::new(&RULE, place, message)
        .on(place.to_string())
        .says_known(says)
        .help(format!(
            "install the apache-tvm-ffi that {} {} was made for",
            package.name, package.version
        ));
    for lacking in package.lacking.iter().take(MAX_FINDINGS) {
        let (file, module, name) = (&lacking.file, &lacking.module, &lacking.name);
        finding = finding.evidence(match &lacking.argument {
            None => format!("{file}: from {module} import {name}"),
            Some(argument) => format!("{file}: `{name}` of {module} is called with {argument}=..."),
        });
    }
    out.push(finding);
}
