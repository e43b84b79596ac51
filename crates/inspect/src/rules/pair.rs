//! A model library against a runtime, and what several rules ask of the library.
//!
//! A scan holds each library against every release. What the rules ask of its
//! code does not depend on the runtime, so it is found once, in [`Facts`].

use std::collections::{BTreeSet, HashSet};

use foldhash::fast::RandomState;

use super::program::{Program, Uses};
use crate::artifact::Artifact;
use crate::container::{BinaryKind, Format};
use crate::finding::{Finding, Outcome};
use crate::module::{Blob, BlobLayout, ModelLibrary, Module};
use crate::rule::Rule;
use crate::runtime::at_load::AtLoad;
use crate::runtime::{Fact, RuntimeProfile, messages};
use crate::vm::{Executable, Function, FunctionKind};

/// A model library against a runtime.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// The file that holds the library.
    pub artifact: &'a Artifact,
    /// The library.
    pub library: &'a ModelLibrary,
    /// Its blob; pair rules run only where it decodes.
    pub blob: &'a Blob,
    /// What its code asks for.
    pub facts: &'a Facts<'a>,
    /// The runtime.
    pub runtime: &'a RuntimeProfile,
    /// What is loaded with it and may register functions.
    pub at_load: &'a AtLoad<'a>,
}

impl Pair<'_> {
    /// A finding of `rule` on this pair.
    pub fn finding(&self, rule: &'static Rule, message: impl Into<String>) -> Finding {
        Finding::new(rule, &self.artifact.path, message).on(&self.runtime.name)
    }

    /// What the runtime prints, where that is known.
    pub fn words(&self, key: &str, values: &[(&str, &str)]) -> Option<String> {
        messages::of_runtime(key, self.runtime, values)
    }

    /// Reports what contradicts a fact of the runtime. Where the fact was not read and
    /// the runtime is only like others, that is not an error but undecided, and the
    /// answer is whether it is one.
    pub fn hold<T>(&self, fact: &Fact<T>, finding: Finding, out: &mut Outcome) -> bool {
        self.hold_if(fact.is_certain(), finding, out)
    }

    /// The same for one entry of a fact.
    pub(crate) fn hold_if(&self, is_certain: bool, finding: Finding, out: &mut Outcome) -> bool {
        hold(self.runtime, is_certain, finding, out)
    }

    /// The same for calls of one form, at the place of an argument. Where branches pass by
    /// all of them, a run may never come to one: that is undecided.
    pub(super) fn hold_calls(
        &self,
        (program, uses): (&Program<'_>, &Uses<'_>),
        is_certain: bool,
        finding: Finding,
        argument: Option<u64>,
        out: &mut Outcome,
    ) {
        let Some(place) = program.branch_of(uses) else {
            let finding = program.at_places(finding, uses, argument);
            self.hold_if(is_certain, finding, out);
            return;
        };
        let why = format!(
            "{} ({place}): the call fails where that branch is taken, and whether it is was not read of the library",
            finding.message
        );
        out.undecided(finding.rule, why);
    }

    /// Offset in the file of byte `at` of the blob.
    pub fn file_offset(&self, at: u64) -> u64 {
        self.library.file_offset.saturating_add(at)
    }

    /// Whether the library is one that a runtime asks for its symbols, and has none for its
    /// blob: what else it hides is not known.
    pub(crate) fn is_hidden(&self) -> bool {
        let is_asked = self.artifact.binary.as_deref().is_some_and(|binary| {
            let is_image = !matches!(binary.format, Format::Wasm | Format::VmExecutable);
            binary.kind == BinaryKind::SharedLibrary && is_image
        });
        // Kernels without a model have none to hide.
        let has_blob = !self.artifact.libraries.is_empty();
        is_asked && has_blob && self.library.blob_symbol.is_none()
    }

    /// Why what reaches a KV-cache constructor is not known, where a VM function that is
    /// compiled to host code could not be read.
    pub(crate) fn hidden_cache(&self) -> Option<String> {
        let why = self.library.unread()?;
        self.library.may_hide_cache().then_some(())?;
        Some(format!("{why}; it may create a KV cache"))
    }

    /// Offset in the file of a constant of one of its programs.
    pub fn offset_of(&self, program: &Program<'_>, constant: usize) -> Option<u64> {
        let found = program.executable.constants.get(constant)?;
        Some(self.file_offset(program.start.saturating_add(found.range.start)))
    }
}

/// Reports what contradicts a runtime: an error where that is certain of it, and else
/// undecided. The answer is whether it is an error.
pub(super) fn hold(
    runtime: &RuntimeProfile,
    is_certain: bool,
    finding: Finding,
    out: &mut Outcome,
) -> bool {
    if is_certain {
        out.push(finding);
        return true;
    }
    let like = runtime.note.as_deref().unwrap_or("like known ones");
    out.undecided(
        finding.rule,
        format!(
            "{}: that was not read of this runtime, which is {like}; a run on it would settle it",
            finding.message
        ),
    );
    false
}

/// What the rules ask of a library, whatever the runtime.
pub struct Facts<'a> {
    /// Host functions and device kernels that ship inside the library.
    pub provided: BTreeSet<&'a str>,
    /// Its executables, in module order.
    pub programs: Vec<Program<'a>>,
    /// Functions that host code looks up by name and the library does not bring where they
    /// are looked for; and whether it has one of that name all the same.
    pub(crate) looked_up: Vec<(&'a str, bool)>,
}

impl<'a> Facts<'a> {
    /// Reads the facts of a library; the application registers what it `provides`.
    pub fn of(library: &'a ModelLibrary, blob: &'a Blob, provides: &'a BTreeSet<String>) -> Self {
        let mut provided = library.own_functions(blob);
        provided.extend(provides.iter().map(String::as_str));
        let programs = library.programs(blob).map(|(index, executable)| {
            let module = blob.modules.get(index);
            let start = module.map_or(0, |module| module.payload_offset);
            let written = module.and_then(Module::executable).unwrap_or(executable);
            let functions = executable.functions.iter().enumerate();
            let others = functions
                .filter(|(_, function)| !brings(library, blob, &provided, function))
                .map(|(index, _)| index);
            let own = own(library, blob, executable);
            let mut program = Program::of(executable, &library.kernels, start, &own);
            program.table = written.functions.len();
            program.others = others.collect();
            program
        });
        let programs: Vec<Program<'_>> = programs.collect();
        Self {
            looked_up: looked_up(library, blob, provides, &programs),
            provided,
            programs,
        }
    }
}

/// The name without the system-library prefix: a system library registers its
/// functions under prefix and name, and the VM's table may have either form
/// (docs/formats.md#system-libraries).
fn bare_name<'n>(library: &ModelLibrary, name: &'n str) -> &'n str {
    let prefix = library.prefix.as_deref().unwrap_or_default();
    name.strip_prefix(prefix).unwrap_or(name)
}

/// The functions of an executable that the library has under a name with a name space, as
/// a runtime's have: they hide those.
fn own(library: &ModelLibrary, blob: &Blob, executable: &Executable) -> BTreeSet<i64> {
    let provided = library.own_functions(blob);
    let functions = (0..).zip(&executable.functions);
    let own = functions.filter(|(_, function)| {
        let name = function.name.as_str();
        let is_own = || provided.contains(name) || provided.contains(bare_name(library, name));
        function.kind == FunctionKind::Packed && name.contains('.') && is_own()
    });
    own.map(|(index, _)| index).collect()
}

/// Whether a library has a function of its table itself.
fn brings(
    library: &ModelLibrary,
    blob: &Blob,
    provided: &BTreeSet<&str>,
    function: &Function,
) -> bool {
    let name = function.name.as_str();
    match function.kind {
        FunctionKind::Vm => true,
        FunctionKind::VmTir => {
            let known = &library.vm_tir_functions;
            let found = known.binary_search_by(|tir| tir.as_str().cmp(name));
            found.is_ok() || blob.layout == BlobLayout::Bare
        }
        FunctionKind::Packed => {
            provided.contains(name) || provided.contains(bare_name(library, name))
        }
    }
}

/// What host code looks up when it is first called, in the modules that the library brings
/// and in the registry, where the application's are. Its own functions are in neither; those of the table that are not
/// its own are no concern of host code.
fn looked_up<'a>(
    library: &'a ModelLibrary,
    blob: &'a Blob,
    provides: &BTreeSet<String>,
    programs: &[Program<'_>],
) -> Vec<(&'a str, bool)> {
    if library.host_callees.is_empty() {
        return Vec::new();
    }
    let named = programs.iter();
    let named = named.flat_map(|program| &program.executable.functions);
    let named: HashSet<&str, RandomState> = named.map(|function| function.name.as_str()).collect();
    let in_modules = blob.module_functions();
    let own = library.own_functions(blob);
    let callees = library.host_callees.iter().map(String::as_str);
    let callees = callees.filter(|name| !provides.contains(*name));
    let callees = callees.filter_map(|name| {
        let is_own = own.contains(name);
        let is_known = in_modules.contains(name) || in_modules.contains(bare_name(library, name));
        let is_seen = named.contains(name) && !is_own;
        (!is_known && !is_seen).then_some((name, is_own))
    });
    callees.collect()
}
