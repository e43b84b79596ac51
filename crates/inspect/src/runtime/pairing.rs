//! Whether the parts of a load set and its tvm-ffi belong together: by what the
//! parts were built with, and by what the packages ask for.

use serde::Serialize;

use std::path::Path;

use super::distribution::{Distribution, Requirement};
use super::ffi_version::{self, KnownBadPair, Version, VersionRange};
use super::marker::Environment;
use super::member::Member;
use super::{Confidence, Fact, RuntimeProfile, distribution, release};
use crate::parts::PartKind;
use crate::python::pth;

/// A member and the tvm-ffi of the set that are known not to fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadPair {
    /// The member.
    pub member: usize,
    /// tvm-ffi it was built with.
    pub built_with: VersionRange,
    /// tvm-ffi of the set.
    pub runs_with: VersionRange,
    /// The table's entry.
    #[serde(flatten)]
    pub pair: &'static KnownBadPair,
}

/// A package requirement that the installed package does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnmetRequirement {
    /// Package that requires.
    pub package: String,
    /// What it requires.
    pub requirement: Requirement,
    /// Version installed; none where the package is not there at all.
    pub installed: Option<String>,
}

/// Members that are known not to fit the set's tvm-ffi.
pub(super) fn bad_pairs(members: &[Member], distributions: &[Distribution]) -> Vec<BadPair> {
    let Some(runs) = ffi_range(members, distributions) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, member) in members.iter().enumerate() {
        if member.kind == PartKind::Ffi {
            continue;
        }
        for pair in ffi_version::bad_pairs(&member.built_with, &runs) {
            found.push(BadPair {
                member: index,
                built_with: member.built_with,
                runs_with: runs,
                pair,
            });
        }
    }
    found
}

impl UnmetRequirement {
    /// `tilelang asks for apache-tvm-ffi<=0.1.11, 0.1.12 is installed`
    pub fn says(&self) -> String {
        let Requirement {
            name,
            specification,
            ..
        } = &self.requirement;
        match &self.installed {
            Some(installed) => format!(
                "{} asks for {name}{specification}, {installed} is installed",
                self.package
            ),
            None => format!(
                "{} asks for {name}{specification}, which is not installed",
                self.package
            ),
        }
    }
}

/// Requirements among the installed packages that are not met.
pub(super) fn unmet_requirements(
    members: &[Member],
    distributions: &[Distribution],
) -> Vec<UnmetRequirement> {
    let Some(environment) = environment(members) else {
        return Vec::new();
    };
    let part = members.first().filter(|member| !member.path.is_member());
    let site = part.and_then(|member| distribution::environment(&member.path));
    let is_whole = site.is_some_and(|site| pth::added(site.path(), None).is_all);
    // Images that were made small have its files, and no list of them.
    let mut ffi = members.iter().filter(|member| member.kind == PartKind::Ffi);
    let has_ffi = ffi.any(|member| distribution::is_ffi_folder(member.path.folder()));
    let mut unmet = Vec::new();
    for package in distributions {
        for requirement in &package.requires {
            let installed = distributions
                .iter()
                .find(|other| other.name == requirement.name);
            let is_unmet = match installed {
                Some(installed) => installed.meets(requirement) == Some(false),
                None => is_whole && !has_ffi && requirement.name == distribution::FFI,
            };
            if is_unmet && environment.holds(&requirement.marker) == Some(true) {
                unmet.push(UnmetRequirement {
                    package: package.name.clone(),
                    requirement: requirement.clone(),
                    installed: installed.map(|installed| installed.version.clone()),
                });
            }
        }
    }
    unmet
}

/// The Python of a virtual environment, `3.11`, as it says itself.
pub(crate) fn python_of_venv(site: &Path) -> Option<String> {
    let version = pth::setting(site, "version").or_else(|| pth::setting(site, "version_info"))?;
    let mut numbers = version.split('.');
    Some(format!("{}.{}", numbers.next()?, numbers.next()?))
}

/// What is known of the environment that the packages are installed in.
fn environment(members: &[Member]) -> Option<Environment> {
    let first = members.first()?;
    Some(Environment {
        platform: first.binary.platform,
        architecture: first.binary.architecture,
        python: members
            .iter()
            .find_map(|member| distribution::python_of(&member.path)),
    })
}

/// The package of a release pins the tvm-ffi that its libraries were built with, and
/// so does a file that is the release's own. Likeness alone does not: a fork is like
/// a release too.
pub(super) fn pin(members: &mut [Member], profile: &RuntimeProfile, packages: &[Distribution]) {
    let is_installed = |known: &&RuntimeProfile| {
        packages.iter().any(|package| {
            package.name == distribution::TVM
                && release::by_name(&package.version).is_some_and(|own| own.name == known.name)
        })
    };
    let is_known = |known: &&RuntimeProfile| profile.identity.as_ref() == Some(&known.name);
    let release = profile.release.as_deref();
    let pinned = release
        .and_then(release::by_name)
        .filter(|known| is_known(known) || is_installed(known))
        .and_then(|known| known.ffi_version.value.as_deref())
        .and_then(Version::parse)
        .map(VersionRange::exactly);
    let Some(pinned) = pinned else { return };
    // The release was read from all runtimes together: of several, it fits none.
    if members.iter().filter(|member| member.kind.has_vm()).count() > 1 {
        return;
    }
    for member in members.iter_mut().filter(|member| member.kind.has_vm()) {
        if pinned.is_inside(&member.built_with) && !is_of_another_package(member) {
            member.built_with = pinned;
        }
    }
}

/// Whether a part lies in another Python package's folder than TVM's own: a fork
/// that looks like a release was not built with that release's tvm-ffi.
fn is_of_another_package(member: &Member) -> bool {
    let mut within: Option<String> = None;
    for folder in member.path.folders() {
        let name = folder.name().into_owned();
        if matches!(name.as_str(), "site-packages" | "dist-packages") || name.ends_with(".whl") {
            return within.is_some_and(|package| !matches!(package.as_str(), "tvm" | "mlc_llm"));
        }
        within = Some(name);
    }
    false
}

/// tvm-ffi of the set, as exactly as packages and exports tell.
pub(super) fn ffi_range(
    members: &[Member],
    distributions: &[Distribution],
) -> Option<VersionRange> {
    let member = members.iter().find(|member| member.kind == PartKind::Ffi)?;
    let exports = ffi_version::by_exports(|name| member.exports.contains(name));
    // The package's word counts where the exports do not contradict it.
    let package = distributions
        .iter()
        .find(|package| package.name == distribution::FFI)
        .and_then(Distribution::range)
        .filter(|range| !range.is_outside(&exports));
    Some(package.unwrap_or(exports))
}

/// The same as a fact of the set.
pub(super) fn ffi_fact(members: &[Member], distributions: &[Distribution]) -> Fact<String> {
    let Some(range) = ffi_range(members, distributions) else {
        return Fact::default();
    };
    let exact = distributions
        .iter()
        .any(|package| package.name == distribution::FFI && package.range() == Some(range));
    let note = if exact {
        "package metadata"
    } else {
        "exported C functions"
    };
    Fact::known(range.to_string(), Confidence::Binary).with_note(note)
}
