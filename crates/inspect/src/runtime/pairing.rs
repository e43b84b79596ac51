//! Whether the parts of a load set and its tvm-ffi belong together: by what the
//! parts were built with, and by what the packages ask for.

use serde::Serialize;

use super::distribution::{Distribution, Requirement};
use super::ffi_version::{self, KnownBadPair, Version, VersionRange};
use super::member::Member;
use super::{Confidence, Fact, release};
use crate::parts::PartKind;

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
    /// Version installed.
    pub installed: String,
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

/// Requirements among the installed packages that are not met.
pub(super) fn unmet_requirements(distributions: &[Distribution]) -> Vec<UnmetRequirement> {
    let mut unmet = Vec::new();
    for package in distributions {
        for requirement in &package.requires {
            let Some(installed) = distributions
                .iter()
                .find(|other| other.name == requirement.name)
            else {
                continue;
            };
            let wanted = VersionRange::parse(&requirement.specification);
            if let (Some(wanted), Some(range)) = (wanted, installed.range())
                && range.is_outside(&wanted)
            {
                unmet.push(UnmetRequirement {
                    package: package.name.clone(),
                    requirement: requirement.clone(),
                    installed: installed.version.clone(),
                });
            }
        }
    }
    unmet
}

/// A known release pins the tvm-ffi that its libraries were built with.
pub(super) fn pin(members: &mut [Member], release: Option<&str>) {
    let pinned = release
        .and_then(release::by_name)
        .and_then(|known| known.ffi_version.value.as_deref())
        .and_then(Version::parse)
        .map(VersionRange::exactly);
    let Some(pinned) = pinned else { return };
    for member in members.iter_mut().filter(|member| member.kind.has_vm()) {
        if pinned.is_inside(&member.built_with) {
            member.built_with = pinned;
        }
    }
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
        .find(|package| package.name == "apache-tvm-ffi")
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
        .any(|package| package.name == "apache-tvm-ffi" && package.range() == Some(range));
    let note = if exact {
        "package metadata"
    } else {
        "exported C functions"
    };
    Fact::known(range.to_string(), Confidence::Binary).with_note(note)
}
