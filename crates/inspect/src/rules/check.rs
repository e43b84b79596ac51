//! What rules are asked: one artifact alone, a model library against a runtime,
//! a binary against a load set, a load set, a folder.

use std::cell::LazyCell;
use std::collections::BTreeSet;

use super::pair::Pair;
use crate::artifact::Artifact;
use crate::container::{Architecture, BinaryKind, Format, UndefinedSymbol};
use crate::documents::Document;
use crate::finding::{Finding, Outcome, Severity};
use crate::module::ModelLibrary;
use crate::parts::stem;
use crate::runtime::RuntimeProfile;
use crate::runtime::dependencies::{self, Closure, Dependencies};
use crate::runtime::glue::Glue;
use crate::runtime::installation::Installation;
use crate::runtime::java::Natives;
use crate::runtime::libraries::{Resolution, is_family};
use crate::runtime::load_set::{LoadSet, MissingReason};
use crate::runtime::machine::Machine;
use crate::runtime::{companions, elsewhere, messages};
use crate::target::Target;
use crate::words::spell;

/// What a rule looks at, and the function that looks. A rule may have several.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// One artifact alone.
    Artifact(fn(&ArtifactContext<'_>, &mut Outcome)),
    /// A model library against a runtime.
    Pair(fn(&Pair<'_>, &mut Outcome)),
    /// Any binary that uses TVM's symbols, against a load set.
    Binding(fn(&Binding<'_>, &mut Outcome)),
    /// A wasm model library against the JavaScript around it.
    Page(fn(&Page<'_>, &mut Outcome)),
    /// A load set.
    LoadSet(fn(&LoadSet, &mut Outcome)),
    /// The packages of one environment that each bring a runtime.
    Environment(fn(&EnvironmentContext<'_>, &mut Outcome)),
    /// Model libraries against the configuration and weights beside them.
    Folder(fn(&FolderContext<'_>, &mut Outcome)),
}

/// What can be asked about.
pub enum Subject<'a> {
    /// One artifact alone.
    Artifact(ArtifactContext<'a>),
    /// A model library against a runtime.
    Pair(Pair<'a>),
    /// Any binary that uses TVM's symbols, against a load set.
    Binding(Binding<'a>),
    /// A wasm model library against the JavaScript around it.
    Page(Page<'a>),
    /// A load set.
    LoadSet(&'a LoadSet),
    /// The packages of one environment that each bring a runtime.
    Environment(EnvironmentContext<'a>),
    /// Everything that was read.
    Folder(FolderContext<'a>),
}

impl Check {
    /// Looks, if this is about such a subject.
    pub(super) fn ask(&self, subject: &Subject<'_>, out: &mut Outcome) {
        match (self, subject) {
            (Self::Artifact(look), Subject::Artifact(artifact)) => look(artifact, out),
            (Self::Pair(look), Subject::Pair(pair)) => look(pair, out),
            (Self::Binding(look), Subject::Binding(binding)) => look(binding, out),
            (Self::Page(look), Subject::Page(page)) => look(page, out),
            (Self::LoadSet(look), Subject::LoadSet(load_set)) => look(load_set, out),
            (Self::Environment(look), Subject::Environment(environment)) => look(environment, out),
            (Self::Folder(look), Subject::Folder(folder)) => look(folder, out),
            _ => {}
        }
    }
}

/// A binary that uses TVM's symbols, and the load set it would run in.
pub struct Binding<'a> {
    /// The client, runtime part or model library.
    pub artifact: &'a Artifact,
    /// The runtime's profile.
    pub runtime: &'a RuntimeProfile,
    /// Its load set; `None` for a release of the built-in table.
    pub load_set: Option<&'a LoadSet>,
    /// Other libraries that its process loads and that export TVM symbols.
    pub companions: &'a [&'a Artifact],
    /// Whether it is loaded before the runtime.
    pub is_first: bool,
    /// The machine that is all there is, where the scan claims that.
    pub machine: Option<&'a Machine>,
    /// Libraries that the user says are loaded before it.
    pub(crate) preloaded: &'a [&'a Artifact],
    /// The libraries that were read for others.
    pub(crate) known: &'a Dependencies,
}

impl Binding<'_> {
    /// The TVM symbols the binary leaves undefined.
    pub fn undefined(&self) -> impl Iterator<Item = &UndefinedSymbol> {
        self.artifact
            .binary
            .iter()
            .flat_map(|binary| &binary.undefined)
    }

    /// What the loader, or for an object the linker, prints of an undefined symbol.
    pub fn words(&self, symbol: &str) -> Option<String> {
        let binary = self.artifact.binary.as_ref()?;
        let key = match binary.kind {
            BinaryKind::Object => "unlinked-symbol",
            _ => "undefined-symbol",
        };
        let architecture = linker_word(binary.architecture);
        let values = [("symbol", symbol), ("architecture", &architecture)];
        messages::of_system(key, binary.format, &values)
    }

    /// Whether a library beside the runtime provides a symbol.
    pub(crate) fn has_companion_for(&self, symbol: &UndefinedSymbol) -> bool {
        self.companions
            .iter()
            .any(|companion| companions::provides(companion, symbol))
    }

    /// Symbols of other libraries than TVM's that nothing in the process defines.
    pub(super) fn missing_others(&self) -> Vec<elsewhere::Lacking<'_>> {
        let with = self.companions.iter().chain(self.preloaded);
        let with: Vec<&Artifact> = with.copied().collect();
        elsewhere::missing(
            self.artifact,
            self.load_set,
            &with,
            self.machine,
            self.known,
        )
    }

    /// What is loaded for it, beside TVM's and the system's libraries.
    pub(super) fn closure(&self) -> Closure {
        let binary = self.artifact.binary.as_deref();
        let own = binary.map(|binary| (&self.artifact.path, binary));
        dependencies::closure(own.as_slice(), self.machine, self.known)
    }

    /// Those of `wanted` that nobody provides; `None` when that is not known.
    /// A symbol whose library is not among the files at all is AC205's.
    pub(crate) fn missing_c<'s>(
        &self,
        wanted: &[&'s UndefinedSymbol],
    ) -> Option<Vec<&'s UndefinedSymbol>> {
        let Some(load_set) = self.load_set else {
            let exported = self.runtime.c_symbols.value.as_ref()?;
            return Some(
                wanted
                    .iter()
                    .copied()
                    .filter(|symbol| !exported.contains(&symbol.name))
                    .filter(|symbol| is_of_release(symbol.library.as_deref()))
                    .filter(|symbol| !self.has_companion_for(symbol))
                    .collect(),
            );
        };
        let binary = self.artifact.binary.as_ref()?;
        let missing: BTreeSet<String> = load_set
            .missing_for(&self.artifact.path, binary)
            .into_iter()
            .filter(|missing| !matches!(missing.reason, MissingReason::LibraryAbsent { .. }))
            .map(|missing| missing.symbol)
            .collect();
        // The set's own tvm-ffi lies elsewhere: AC205 says so, and what it
        // exports cannot be held against anybody.
        let ffi_is_elsewhere = LazyCell::new(|| {
            load_set.libraries().iter().any(|(_, needed, resolution)| {
                needed.contains("tvm_ffi") && matches!(resolution, Resolution::Absent { .. })
            })
        });
        let is_missing = |symbol: &UndefinedSymbol| {
            let nobody = missing.contains(&symbol.name)
                || (symbol.weak && load_set.providers_of(&symbol.name).is_empty());
            nobody
                && !(symbol.name.starts_with("TVMFFI") && *ffi_is_elsewhere)
                && !self.has_companion_for(symbol)
        };
        Some(
            wanted
                .iter()
                .copied()
                .filter(|symbol| is_missing(symbol))
                .collect(),
        )
    }
}

/// Whether a symbol is bound to one of the libraries that a release's table speaks of, or to
/// none by name.
fn is_of_release(library: Option<&str>) -> bool {
    let known = ["tvm", "tvm_ffi", "tvm_runtime", "tvm_runtime_extra"];
    library.is_none_or(|library| known.contains(&stem(library)) || !is_family(library))
}

/// What comes of a symbol of a library that Windows delays: the file loads, whatever the
/// library has.
pub(super) fn delayed(finding: Finding) -> Finding {
    finding
        .severity(Severity::Warning)
        .says_known(messages::of_system("delayed-symbol", Format::Pe, &[]))
        .evidence(
            "its library is delay-loaded: the file loads, and the first call ends the process",
        )
}

/// An architecture as Apple's linker calls it.
pub(super) fn linker_word(architecture: Architecture) -> String {
    match architecture {
        Architecture::Aarch64 => String::from("arm64"),
        other => spell(other).replace('-', "_"),
    }
}

/// A wasm model library, the runtime inside it and the JavaScript around it.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    /// The file that holds the library.
    pub artifact: &'a Artifact,
    /// The library.
    pub library: &'a ModelLibrary,
    /// The runtime inside the file, if it has one.
    pub runtime: Option<&'a RuntimeProfile>,
    /// The package of the JavaScript.
    pub package: &'a str,
    /// What that offers and asks for.
    pub glue: &'a Glue,
}

/// One artifact and what the user said about where it must run.
pub struct ArtifactContext<'a> {
    /// The artifact.
    pub artifact: &'a Artifact,
    /// `--target`, where given.
    pub target: Option<&'a Target>,
    /// Whether the package that it lies in has another for the target.
    pub has_other: bool,
}

/// Everything that was read, with the documents that stand among it.
pub struct FolderContext<'a> {
    /// The artifacts.
    pub artifacts: &'a [Artifact],
    /// Configurations and weight indexes.
    pub documents: &'a [Document],
    /// Native methods that TVM's Java classes declare.
    pub natives: &'a [Natives],
    /// Python packages in no load set that are not as they were installed.
    pub installations: &'a [Installation],
    /// The machine that is all there is, where the scan claims that.
    pub machine: Option<&'a Machine>,
}

/// One environment, some of whose packages bring a runtime of their own.
pub struct EnvironmentContext<'a> {
    /// The load set of each such package.
    pub sets: &'a [&'a LoadSet],
    /// The clients in the environment.
    pub clients: &'a [&'a Artifact],
}
