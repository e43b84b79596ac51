//! A load set: the runtime parts that end up in one process, taken together.
//!
//! Which files belong together is decided in [`super::grouping`]; here they are
//! merged into one profile, and asked what nobody provides, what two
//! provide, and which library is not found; [`super::pairing`] asks which
//! tvm-ffi fits. The answers are facts; rules turn them into findings.

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::distribution::Distribution;
use super::ffi_version::VersionRange;
use super::file_found::{self, FileFound};
use super::installation::Installation;
use super::libraries::{self, Resolution};
use super::machine::Machine;
use super::member::Member;
use super::pairing::{BadPair, UnmetRequirement};
use super::search_order::SearchOrder;
use super::{RuntimeProfile, binary, pairing};
use crate::artifact::{Artifact, Problem};
use crate::container::{self, Binary, BinaryKind, Format, Platform, UndefinedSymbol};
use crate::parts::{BACKEND_SYMBOLS, PartKind, REGISTRY_SYMBOLS, stem};
use crate::place::Place;

/// The parts of one process and what they say together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadSet {
    /// Name shown to people: usually the folder.
    pub name: String,
    /// The folder or file that the name stands for.
    #[serde(skip)]
    pub place: Place,
    /// The folder that it takes in: an environment's, or a package's in it.
    #[serde(skip)]
    pub home: Place,
    /// The `site-packages` folder that it lies in.
    #[serde(skip)]
    pub environment: Option<Place>,
    /// What the set accepts and offers.
    pub profile: RuntimeProfile,
    /// Its parts.
    pub members: Vec<Member>,
    /// Python packages the parts were installed from, where known.
    pub distributions: Vec<Distribution>,
    /// Its parts that clients of the set may get, where that was asked.
    #[serde(skip)]
    pub asked_by_clients: BTreeSet<usize>,
    /// Packages of its environment that are not as they were installed.
    #[serde(skip)]
    pub installations: Vec<Installation>,
    /// Files under the names of its parts that could not be read.
    #[serde(skip)]
    pub unread: Vec<Unread>,
    /// Whether it is to run on a runtime, which a user named, that has no libtvm any more.
    #[serde(skip)]
    pub runs_on_split: bool,
    /// The machine that the set claims to be the whole of.
    #[serde(skip)]
    pub machine: Option<Arc<Machine>>,
}

/// A file that is named as a part of a runtime, and of which nothing could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Where it lies.
    pub place: Place,
    /// The part by its name.
    pub kind: PartKind,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
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
    /// Looked for at the first call, not at load.
    pub lazy: bool,
    /// Why nobody provides it.
    pub reason: MissingReason,
}

/// Symbols of a registry or a runtime that more than one member defines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The symbols.
    pub symbols: Vec<String>,
    /// Members that define them.
    pub providers: Vec<usize>,
    /// Those of them that some other member asks the loader for.
    pub needed: Vec<usize>,
}

impl Duplicate {
    /// Whether it is the registry itself; else two runtimes fill the same one.
    pub fn is_registry(&self) -> bool {
        let mut symbols = self.symbols.iter();
        symbols.any(|symbol| REGISTRY_SYMBOLS.contains(&symbol.as_str()))
    }
}

impl LoadSet {
    /// Puts the parts together.
    pub fn assemble(
        name: &str,
        mut members: Vec<Member>,
        distributions: Vec<Distribution>,
    ) -> Self {
        let profiles: Vec<(PartKind, &RuntimeProfile)> = members
            .iter()
            .map(|member| (member.kind.clone(), &member.profile))
            .collect();
        let mut profile = binary::merge(name, &profiles);
        pairing::pin(&mut members, &profile, &distributions);
        profile.ffi_version = pairing::ffi_fact(&members, &distributions);
        let tvm = distributions.iter().find(|package| package.holds_tvm());
        let others = distributions.iter().filter(|package| !package.holds_tvm());
        for package in tvm.into_iter().chain(others) {
            add_python_functions(&mut profile, package);
        }
        Self {
            name: name.to_owned(),
            place: Place::file(name),
            home: Place::file(name),
            environment: None,
            profile,
            members,
            distributions,
            asked_by_clients: BTreeSet::new(),
            installations: Vec::new(),
            unread: Vec::new(),
            runs_on_split: false,
            machine: None,
        }
    }

    /// Members that export a symbol (a `TVM*` function or a C++ name of
    /// namespace `tvm`, as the binary writes it).
    pub fn providers_of(&self, symbol: &str) -> Vec<usize> {
        self.members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.exports.contains(symbol))
            .map(|(index, _)| index)
            .collect()
    }

    /// Whether its parts are objects: a program before it is linked.
    pub(crate) fn is_static(&self) -> bool {
        let first = self.members.first();
        first.is_some_and(|member| member.binary.kind == BinaryKind::Object)
    }

    /// Whether objects are here without the registry that they are linked with.
    fn lacks_registry(&self) -> bool {
        let mut names = REGISTRY_SYMBOLS.iter();
        self.is_static() && names.all(|name| self.providers_of(name).is_empty())
    }

    /// Whether a VM runtime is among the members.
    pub fn holds_vm_runtime(&self) -> bool {
        self.members.iter().any(|member| member.kind.has_vm())
    }

    /// Whether the set has a part that came with the split of libtvm or after it, or runs on
    /// one that has.
    pub(crate) fn is_of_the_split(&self) -> bool {
        self.runs_on_split || self.has(&PartKind::Compiler) || self.has(&PartKind::RuntimeExtra)
    }

    /// Whether an artifact is built for the platform of the set. Objects and
    /// bare executables do not always say theirs; they fit every set.
    pub fn fits(&self, artifact: &Artifact) -> bool {
        let (Some(binary), Some(own)) = (&artifact.binary, self.members.first()) else {
            return false;
        };
        let own = &own.binary;
        if binary.format == Format::VmExecutable {
            return true;
        }
        // What is linked already is linked with no objects.
        let can_be_linked = binary.kind == BinaryKind::Object || !self.is_static();
        can_be_linked
            && binary.format == own.format
            && binary.architecture == own.architecture
            && (binary.platform == own.platform || binary.platform == Platform::Unknown)
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
            .map(|(index, member)| (index, self.missing_for(&member.path, &member.binary)))
            .filter(|(_, missing)| !missing.is_empty())
            .collect()
    }

    /// The TVM symbols of any binary that nobody in the set provides.
    pub(crate) fn missing_for(&self, place: &Place, binary: &Binary) -> Vec<Missing> {
        let is_absent = |name: &str| {
            let places = libraries::candidates(place, binary, name);
            let mut files = places.iter().filter(|place| !place.is_member());
            let is_library =
                |file: &Place| file_found::look(file.path(), binary) == FileFound::Library;
            self.member_named(name).is_none() && !files.any(is_library)
        };
        let absent = binary
            .needed
            .iter()
            .find(|needed| libraries::is_family(&needed.name) && is_absent(&needed.name));
        let lacks_registry = self.lacks_registry();
        let order = self.search_order();
        // Symbols of one library stand together: it is looked for once.
        let mut last: Option<(&str, Option<usize>)> = None;
        let mut named = |library| match last {
            Some((name, member)) if name == library => member,
            _ => {
                let member = order.asked(place, binary, library).first().copied();
                last = Some((library, member));
                member
            }
        };
        binary
            .undefined
            .iter()
            .filter(|symbol| !symbol.weak)
            .filter_map(|symbol| {
                let member = symbol.library.as_deref().and_then(&mut named);
                let absent = absent.map(|needed| needed.name.as_str());
                let is_registry = lacks_registry && container::is_of_registry(&symbol.name);
                let absent = absent.or(is_registry.then_some("libtvm_ffi_static"));
                let reason = self.reason(symbol, member, absent)?;
                Some(Missing {
                    symbol: symbol.name.clone(),
                    lazy: symbol.lazy,
                    cxx: container::mentions_tvm_namespace(symbol.name.as_bytes()),
                    reason,
                })
            })
            .collect()
    }

    /// Why nobody provides a symbol; `named` is the member it is bound to.
    fn reason(
        &self,
        symbol: &UndefinedSymbol,
        named: Option<usize>,
        absent: Option<&str>,
    ) -> Option<MissingReason> {
        let providers = self.providers_of(&symbol.name);
        match &symbol.library {
            Some(library) => match named {
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

    /// Its parts, as loaders look for them.
    pub(crate) fn search_order(&self) -> SearchOrder<'_> {
        SearchOrder::of(&self.members, self.environment.is_some())
    }

    /// The member that answers to a library name.
    pub(crate) fn member_named(&self, library: &str) -> Option<usize> {
        let wanted = stem(library);
        self.members.iter().position(|member| {
            stem(&member.path.name()) == wanted
                || member
                    .binary
                    .identity
                    .as_deref()
                    .is_some_and(|identity| stem(identity) == wanted)
        })
    }

    /// Registries and runtimes that are there more than once. A runtime registers the
    /// same functions again where it is loaded under a second name.
    pub fn duplicates(&self) -> Vec<Duplicate> {
        let mut found = self.defined_twice(&REGISTRY_SYMBOLS);
        let mut runtimes = self.defined_twice(&BACKEND_SYMBOLS);
        // Builds make libtvm and libtvm_runtime side by side, and load one of them.
        runtimes.retain(|twice| twice.needed.len() > 1 || self.of_one_kind(&twice.providers));
        runtimes.retain(|twice| found.iter().all(|known| known.providers != twice.providers));
        found.append(&mut runtimes);
        found
    }

    fn defined_twice(&self, symbols: &[&str]) -> Vec<Duplicate> {
        let mut found: Vec<Duplicate> = Vec::new();
        let needed = LazyCell::new(|| self.needed());
        for symbol in symbols {
            let providers = self.providers_of(symbol);
            if providers.len() < 2 {
                continue;
            }
            match found.iter_mut().find(|known| known.providers == providers) {
                Some(known) => known.symbols.push((*symbol).to_owned()),
                None => found.push(Duplicate {
                    symbols: vec![(*symbol).to_owned()],
                    needed: providers
                        .iter()
                        .copied()
                        .filter(|provider| needed.contains(provider))
                        .collect(),
                    providers,
                }),
            }
        }
        found
    }

    fn of_one_kind(&self, members: &[usize]) -> bool {
        let kinds = members.iter().filter_map(|index| self.members.get(*index));
        let kinds: Vec<&PartKind> = kinds.map(|member| &member.kind).collect();
        kinds.windows(2).all(|two| two.first() == two.last())
    }

    /// The members that other members, or clients, may get for what they name.
    fn needed(&self) -> BTreeSet<usize> {
        let order = self.search_order();
        let mut needed = self.asked_by_clients.clone();
        for (own, member) in self.members.iter().enumerate() {
            let asked = member.binary.needed.iter();
            let asked = asked.flat_map(|one| order.asked(&member.path, &member.binary, &one.name));
            needed.extend(asked.filter(|index| *index != own));
        }
        needed
    }

    /// tvm-ffi of the set, as exactly as packages and exports tell.
    pub fn ffi_range(&self) -> Option<VersionRange> {
        pairing::ffi_range(&self.members, &self.distributions)
    }

    /// Members that are known not to fit the set's tvm-ffi.
    pub fn bad_pairs(&self) -> Vec<BadPair> {
        pairing::bad_pairs(&self.members, &self.distributions)
    }

    /// Requirements among the installed packages that are not met.
    pub fn unmet_requirements(&self) -> Vec<UnmetRequirement> {
        pairing::unmet_requirements(&self.members, &self.distributions)
    }

    /// Where each needed library of each member is found; external ones are
    /// left out.
    pub fn libraries(&self) -> Vec<(usize, String, Resolution)> {
        let members = self.members.iter();
        let set = libraries::Members::of(
            members.map(|member| (&member.path, member.binary.identity.as_deref())),
        );
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
}

/// Adds what a Python package registers. An application's own is imported or is not.
fn add_python_functions(profile: &mut RuntimeProfile, package: &Distribution) {
    /// The only builtin among them, in every release.
    const NAME: &str = "vm.builtin.debug_print";
    let Some(functions) = &mut profile.functions.value else {
        return;
    };
    let possible = package.may_register.iter();
    let possible = possible.filter(|name| !functions.contains(*name)).cloned();
    profile.possible_functions.extend(possible);
    if !package.holds_tvm() && !package.is_ffi() {
        let names = package.registers.iter();
        let names = names.map(|name| (name.clone(), package.name.clone()));
        return profile.python_functions.extend(names);
    }
    let names = package.registers.iter().map(String::as_str);
    let builtin = package.holds_tvm().then_some(NAME);
    for name in names.chain(builtin) {
        if functions.insert(name.to_owned()) {
            let package = format!("Python package {}", package.name);
            profile.provided_by.insert(name.to_owned(), package);
        }
    }
}
