//! A load set: the runtime parts that end up in one process, taken together.
//!
//! Which files belong together is decided elsewhere; here they are
//! read, merged into one profile, and asked what nobody provides, what two
//! provide, which library is not found, and which tvm-ffi fits. The answers
//! are facts; rules turn them into findings.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::distribution::{Distribution, Requirement};
use super::ffi_version::{self, KnownBadPair, Version, VersionRange};
use super::libraries::{self, Resolution};
use super::parts::{PartKind, REGISTRY_SYMBOLS, stem};
use super::strings::Exclusion;
use super::{Confidence, Fact, RuntimeProfile, binary, release};
use crate::container::{self, Binary, Parsed, UndefinedSymbol};

/// One part as it goes into a load set.
#[derive(Debug, Clone)]
pub struct MemberInput<'a> {
    /// Display path.
    pub path: String,
    /// What part it is.
    pub kind: PartKind,
    /// The binary's own bytes (one slice of a fat file).
    pub data: &'a [u8],
    /// What the container says.
    pub parsed: &'a Parsed<'a>,
    /// Ranges that are a model's.
    pub exclude: &'a [Exclusion],
}

/// One part of a load set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Display path.
    pub path: String,
    /// What part it is.
    pub kind: PartKind,
    /// What the container says.
    pub binary: Binary,
    /// tvm-ffi it was built with, as far as its imports say.
    pub built_with: VersionRange,
}

/// The parts of one process and what they say together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadSet {
    /// Name shown to people: usually the folder.
    pub name: String,
    /// What the set accepts and offers.
    pub profile: RuntimeProfile,
    /// Its parts.
    pub members: Vec<Member>,
    /// Python packages the parts were installed from, where known.
    pub distributions: Vec<Distribution>,
    /// Members that define each symbol that anyone asked for.
    providers: BTreeMap<String, Vec<usize>>,
}

/// Why a symbol has no provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum MissingReason {
    /// No member defines it.
    NoProvider,
    /// It is bound to a member by name, and that member does not define it.
    NotInLibrary {
        /// Index of that member.
        member: usize,
    },
    /// The library that would define it may be one that is not in the set.
    LibraryAbsent {
        /// Its name.
        library: String,
    },
}

/// A symbol that a member, or another binary, asks for in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Symbol as the binary writes it.
    pub symbol: String,
    /// Mangled C++ rather than C.
    pub cxx: bool,
    /// Why nobody provides it.
    pub reason: MissingReason,
}

/// Symbols of a registry that more than one member defines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The symbols.
    pub symbols: Vec<String>,
    /// Members that define them.
    pub providers: Vec<usize>,
    /// Those of them that some other member asks the loader for.
    pub needed: Vec<usize>,
}

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

impl LoadSet {
    /// Reads the parts and puts them together. `wanted` names symbols that
    /// other binaries (clients, model libraries) will ask for.
    pub fn assemble<'w>(
        name: &str,
        inputs: &[MemberInput<'_>],
        distributions: Vec<Distribution>,
        wanted: impl IntoIterator<Item = &'w str>,
    ) -> Self {
        let profiles: Vec<(PartKind, RuntimeProfile)> = inputs
            .iter()
            .map(|input| {
                let profile = binary::read(&input.path, &input.kind, input.parsed, input.exclude);
                (input.kind.clone(), profile)
            })
            .collect();
        let mut profile = binary::merge(name, &profiles);
        let members = members(inputs, profile.release.as_deref());
        let mut names: BTreeSet<&str> = wanted.into_iter().collect();
        names.extend(REGISTRY_SYMBOLS);
        for member in &members {
            names.extend(
                member
                    .binary
                    .undefined
                    .iter()
                    .map(|symbol| symbol.name.as_str()),
            );
        }
        let providers = providers(inputs, &names);
        profile.ffi_version = ffi_fact(&members, &distributions);
        Self {
            name: name.to_owned(),
            profile,
            members,
            distributions,
            providers,
        }
    }

    /// Members that define a symbol which somebody was known to ask for.
    pub fn providers_of(&self, symbol: &str) -> &[usize] {
        self.providers.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// Whether the set has a part of this kind.
    pub fn has(&self, kind: &PartKind) -> bool {
        self.members.iter().any(|member| member.kind == *kind)
    }

    /// Per member, the TVM symbols that nobody provides.
    pub fn missing(&self) -> Vec<(usize, Vec<Missing>)> {
        self.members
            .iter()
            .enumerate()
            .map(|(index, member)| (index, self.missing_for(&member.binary)))
            .filter(|(_, missing)| !missing.is_empty())
            .collect()
    }

    /// The TVM symbols of any binary that nobody in the set provides. Its
    /// names must have been among the `wanted` of [`LoadSet::assemble`].
    pub fn missing_for(&self, binary: &Binary) -> Vec<Missing> {
        let absent = binary
            .needed
            .iter()
            .filter(|needed| libraries::is_family(&needed.name))
            .find(|needed| self.member_named(&needed.name).is_none());
        binary
            .undefined
            .iter()
            .filter(|symbol| !symbol.weak)
            .filter_map(|symbol| {
                let reason = self.reason(symbol, absent.map(|needed| needed.name.as_str()))?;
                Some(Missing {
                    symbol: symbol.name.clone(),
                    cxx: container::mentions_tvm_namespace(symbol.name.as_bytes()),
                    reason,
                })
            })
            .collect()
    }

    fn reason(&self, symbol: &UndefinedSymbol, absent: Option<&str>) -> Option<MissingReason> {
        let providers = self.providers_of(&symbol.name);
        match &symbol.library {
            Some(library) => match self.member_named(library) {
                Some(member) if providers.contains(&member) => None,
                Some(member) => Some(MissingReason::NotInLibrary { member }),
                None if providers.is_empty() || libraries::is_family(library) => {
                    Some(MissingReason::LibraryAbsent {
                        library: library.clone(),
                    })
                }
                None => None,
            },
            None if !providers.is_empty() => None,
            None => Some(match absent {
                Some(library) => MissingReason::LibraryAbsent {
                    library: library.to_owned(),
                },
                None => MissingReason::NoProvider,
            }),
        }
    }

    /// The member that answers to a library name.
    fn member_named(&self, library: &str) -> Option<usize> {
        let wanted = stem(library);
        self.members.iter().position(|member| {
            stem(&member.path) == wanted
                || member
                    .binary
                    .identity
                    .as_deref()
                    .is_some_and(|identity| stem(identity) == wanted)
        })
    }

    /// Registries that are there more than once.
    pub fn duplicates(&self) -> Vec<Duplicate> {
        let mut found: Vec<Duplicate> = Vec::new();
        for symbol in REGISTRY_SYMBOLS {
            let providers = self.providers_of(symbol);
            if providers.len() < 2 {
                continue;
            }
            match found.iter_mut().find(|known| known.providers == providers) {
                Some(known) => known.symbols.push(symbol.to_owned()),
                None => found.push(Duplicate {
                    symbols: vec![symbol.to_owned()],
                    providers: providers.to_vec(),
                    needed: providers
                        .iter()
                        .copied()
                        .filter(|provider| self.is_needed(*provider))
                        .collect(),
                }),
            }
        }
        found
    }

    fn is_needed(&self, index: usize) -> bool {
        let Some(member) = self.members.get(index) else {
            return false;
        };
        let name = stem(member.binary.identity.as_deref().unwrap_or(&member.path));
        self.members.iter().enumerate().any(|(other, asking)| {
            other != index
                && asking
                    .binary
                    .needed
                    .iter()
                    .any(|needed| stem(&needed.name) == name)
        })
    }

    /// Where each needed library of each member is found; external ones are
    /// left out.
    pub fn libraries(&self) -> Vec<(usize, String, Resolution)> {
        let set: Vec<(&str, Option<&str>)> = self
            .members
            .iter()
            .map(|member| (member.path.as_str(), member.binary.identity.as_deref()))
            .collect();
        let mut all = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            for needed in &member.binary.needed {
                let resolution =
                    libraries::resolve(&member.path, &member.binary, &needed.name, &set);
                if resolution != Resolution::External {
                    all.push((index, needed.name.clone(), resolution));
                }
            }
        }
        all
    }

    /// tvm-ffi of the set, as exactly as packages and exports tell.
    pub fn ffi_range(&self) -> Option<VersionRange> {
        ffi_range(&self.members, &self.distributions)
    }

    /// Members that are known not to fit the set's tvm-ffi.
    pub fn bad_pairs(&self) -> Vec<BadPair> {
        let Some(runs) = self.ffi_range() else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
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
    pub fn unmet_requirements(&self) -> Vec<UnmetRequirement> {
        let mut unmet = Vec::new();
        for package in &self.distributions {
            for requirement in &package.requires {
                let Some(installed) = self
                    .distributions
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
}

fn members(inputs: &[MemberInput<'_>], release: Option<&str>) -> Vec<Member> {
    // A known release pins the tvm-ffi it was built with.
    let pinned = release
        .and_then(release::by_name)
        .and_then(|known| known.ffi_version.value.as_deref())
        .and_then(Version::parse)
        .map(VersionRange::exactly);
    inputs
        .iter()
        .map(|input| {
            let undefined = &input.parsed.binary.undefined;
            let imports =
                ffi_version::by_imports(undefined.iter().map(|symbol| symbol.name.as_str()));
            let built_with = match pinned {
                Some(pinned) if input.kind.has_vm() && pinned.is_inside(&imports) => pinned,
                _ => imports,
            };
            Member {
                path: input.path.clone(),
                kind: input.kind.clone(),
                binary: input.parsed.binary.clone(),
                built_with,
            }
        })
        .collect()
}

/// Which inputs define each of `names`.
fn providers(inputs: &[MemberInput<'_>], names: &BTreeSet<&str>) -> BTreeMap<String, Vec<usize>> {
    let wanted: Vec<&str> = names.iter().copied().collect();
    let mut providers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, input) in inputs.iter().enumerate() {
        // A part whose export table cannot be read defines nothing that could
        // be relied on; its own decoding error is reported where it was read.
        let Ok(defined) = container::defines(input.data, &wanted) else {
            continue;
        };
        for (name, defined) in wanted.iter().zip(defined) {
            if defined {
                providers.entry((*name).to_owned()).or_default().push(index);
            }
        }
    }
    providers
}

fn ffi_range(members: &[Member], distributions: &[Distribution]) -> Option<VersionRange> {
    let member = members.iter().find(|member| member.kind == PartKind::Ffi)?;
    let exports = ffi_version::by_exports(|name| {
        member
            .binary
            .defined
            .iter()
            .any(|symbol| symbol.exported && symbol.name == name)
    });
    // The package's word counts where the exports do not contradict it.
    let package = distributions
        .iter()
        .find(|package| package.name == "apache-tvm-ffi")
        .and_then(Distribution::range)
        .filter(|range| !range.is_outside(&exports));
    Some(package.unwrap_or(exports))
}

fn ffi_fact(members: &[Member], distributions: &[Distribution]) -> Fact<String> {
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
