//! A model library against a runtime, and what several rules ask of the library.
//!
//! A scan holds each library against every release. What the rules ask of its
//! code does not depend on the runtime, so it is found once, in [`Facts`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::artifact::Artifact;
use crate::container::{BinaryKind, Format};
use crate::finding::{Finding, Location, Outcome};
use crate::module::{Blob, BlobLayout, ModelLibrary, Module};
use crate::rule::Rule;
use crate::runtime::at_load::AtLoad;
use crate::runtime::{Fact, RuntimeProfile, messages};
use crate::vm::argument_kind::ArgumentKind;
use crate::vm::calls::{RawCall, all_calls};
use crate::vm::entry::{Parameter, entries};
use crate::vm::forms;
use crate::vm::kernel::{KernelParameter, Kernels};
use crate::vm::kv_cache::{KvCacheCreate, kv_caches};
use crate::vm::misfit::Misfit;
use crate::vm::register_kinds::Registers;
use crate::vm::stray::{self, Stray};
use crate::vm::{DataType, Executable, Function, FunctionKind};

/// Arguments looked at one by one: no builtin with a fixed signature has more.
const CHECKED: usize = 16;

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
            Program {
                table: written.functions.len(),
                others: others.collect(),
                ..Program::of(executable, &library.kernels, start)
            }
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

/// Calls of one form.
#[derive(Default)]
pub struct Uses<'a> {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub first: Vec<RawCall<'a>>,
}

impl<'a> Uses<'a> {
    /// Calls kept of each form; the others are counted.
    pub const PLACES: usize = 5;

    fn add(&mut self, call: RawCall<'a>) {
        self.count = self.count.saturating_add(1);
        if self.first.len() < Self::PLACES {
            self.first.push(call);
        }
    }
}

/// A table that is asked for every call.
type Quick<K, V> = HashMap<K, V, RandomState>;

/// A packed function that is called.
#[derive(Clone, Copy)]
struct Callee<'a> {
    /// The first entry of the table with its name.
    index: usize,
    /// Its name.
    name: &'a str,
    /// What it is.
    sort: Sort<'a>,
}

impl Callee<'_> {
    /// Whether a runtime may have it in any way.
    fn is_of_runtime(&self) -> bool {
        match self.sort {
            Sort::Registered => true,
            Sort::Kernel(_) | Sort::Packed => self.name.starts_with("__tvm"),
            Sort::Vm(_) | Sort::Compiled => false,
        }
    }
}

/// What the arguments of calls show of themselves.
#[derive(Default)]
struct Arguments<'a> {
    /// By the table index of the callee.
    kinds: Quick<(usize, usize, ArgumentKind), Uses<'a>>,
    dtypes: BTreeMap<(&'a str, usize, DataType), Uses<'a>>,
}

impl<'a> Arguments<'a> {
    fn add(&mut self, callee: &Callee<'a>, call: RawCall<'a>, registers: &Registers<'_>) {
        let is_builtin = callee.name.starts_with("vm.builtin.");
        for (position, argument) in call.args.iter().enumerate().take(CHECKED) {
            let held = registers.held(call.instruction, argument);
            if let Some(kind) = held.kind {
                let form = (callee.index, position, kind);
                self.kinds.entry(form).or_default().add(call);
            }
            if let Some(dtype) = held.dtype.filter(|_| !is_builtin) {
                let form = (callee.name, position, dtype);
                self.dtypes.entry(form).or_default().add(call);
            }
        }
    }
}

/// A sort of function that is called.
#[derive(Clone, Copy)]
enum Sort<'a> {
    /// A runtime may register it: its name has a name space, kernels have none.
    Registered,
    /// A kernel of the library that says what it takes.
    Kernel(&'a [KernelParameter]),
    /// Another that is called by its name.
    Packed,
    /// A function of the program in bytecode, and how many arguments it takes.
    Vm(u64),
    /// One that is compiled to host code.
    Compiled,
}

/// The functions of an executable, in the order of its table.
fn named<'a>(executable: &'a Executable, kernels: &'a Kernels) -> Vec<Callee<'a>> {
    let mut first: Quick<&str, usize> = Quick::default();
    let functions = executable.functions.iter().enumerate();
    let callees = functions.map(|(index, function)| {
        let kernel = || kernels.get(&function.name).map(Vec::as_slice);
        Callee {
            index: *first.entry(&function.name).or_insert(index),
            name: &function.name,
            sort: match function.kind {
                FunctionKind::Vm => Sort::Vm(u64::try_from(function.num_args).unwrap_or(0)),
                FunctionKind::VmTir => Sort::Compiled,
                _ if function.name.contains('.') => Sort::Registered,
                _ => kernel().map_or(Sort::Packed, Sort::Kernel),
            },
        }
    });
    callees.collect()
}

/// What functions check of their parameters, by table index.
fn checks(executable: &Executable) -> BTreeMap<usize, Vec<Parameter>> {
    let entries = entries(executable).into_iter();
    entries
        .map(|entry| (entry.function, entry.parameters))
        .collect()
}

/// One executable and its calls.
pub struct Program<'a> {
    /// The executable.
    pub executable: &'a Executable,
    /// Functions of its table; those behind are named by host code alone.
    pub table: usize,
    /// Offset of its first byte inside the blob.
    pub start: u64,
    /// Functions of the whole table that the library does not have itself.
    pub(crate) others: Vec<usize>,
    /// Calls of what a runtime may have, by name and argument count, in file order.
    pub calls: BTreeMap<(&'a str, u64), Vec<RawCall<'a>>>,
    /// Arguments of builtins whose kind its function shows, by name, position and kind.
    pub kinds: BTreeMap<(&'a str, usize, ArgumentKind), Uses<'a>>,
    /// Tensors that other functions of the runtime are given, by name, position and data type.
    pub dtypes: BTreeMap<(&'a str, usize, DataType), Uses<'a>>,
    /// Calls that fail by their values, whatever the runtime.
    pub misfits: BTreeMap<Misfit<'a>, Uses<'a>>,
    /// Calls of the KV-cache constructors.
    pub kv_caches: Vec<KvCacheCreate>,
    /// Where the code names what is not there.
    pub(crate) stray: Option<Stray>,
    /// The first call of each callee, by table index.
    first_calls: Quick<i64, RawCall<'a>>,
}

impl<'a> Program<'a> {
    fn of(executable: &'a Executable, kernels: &'a Kernels, start: u64) -> Self {
        // Calls come by the ten thousand: names are compared once they are put together.
        let mut by_callee: Quick<(usize, u64), Vec<RawCall<'_>>> = Quick::default();
        let mut arguments = Arguments::default();
        let mut first_calls: Quick<i64, RawCall<'_>> = Quick::default();
        let callees = named(executable, kernels);
        let mut misfits: BTreeMap<Misfit<'_>, Uses<'_>> = BTreeMap::new();
        let mut registers: Option<(usize, Registers<'_>)> = None;
        let mut checked = None;
        for call in all_calls(executable) {
            first_calls.entry(call.callee).or_insert(call);
            let callee = usize::try_from(call.callee).ok();
            let Some(callee) = callee.and_then(|callee| callees.get(callee).copied()) else {
                continue;
            };
            let (_, registers) = match registers.take() {
                Some(of) if of.0 == call.function => registers.insert(of),
                _ => registers.insert((call.function, Registers::of(executable, call.function))),
            };
            let misfit = match callee.sort {
                Sort::Registered => Misfit::of(callee.name, &call, registers)
                    .or_else(|| forms::misfit(callee.name, &call, registers)),
                Sort::Kernel(takes) => Misfit::of_kernel(callee.name, takes, &call, registers),
                Sort::Vm(takes) => {
                    let checked = checked.get_or_insert_with(|| checks(executable));
                    let checked = checked.get(&callee.index).map_or(&[][..], Vec::as_slice);
                    Misfit::of_function(callee.name, takes, checked, &call, registers)
                }
                Sort::Packed | Sort::Compiled => None,
            };
            if let Some(misfit) = misfit {
                misfits.entry(misfit).or_default().add(call);
            }
            if let Sort::Registered = callee.sort {
                arguments.add(&callee, call, registers);
            }
            if callee.is_of_runtime() {
                let called = (callee.index, call.args.len() as u64);
                by_callee.entry(called).or_default().push(call);
            }
        }
        let name = |index: usize| executable.functions.get(index).map(|it| it.name.as_str());
        let calls = by_callee
            .into_iter()
            .filter_map(|((index, count), calls)| Some(((name(index)?, count), calls)))
            .collect();
        let kinds = arguments.kinds.into_iter();
        let kinds = kinds
            .filter_map(|((index, at, kind), uses)| Some(((name(index)?, at, kind), uses)))
            .collect();
        Self {
            executable,
            table: executable.functions.len(),
            others: Vec::new(),
            start,
            calls,
            kinds,
            dtypes: arguments.dtypes,
            misfits,
            kv_caches: kv_caches(executable),
            stray: stray::first(executable),
            first_calls,
        }
    }

    /// Where a function of the table is first called, if it is.
    pub(crate) fn first_use(&self, callee: usize) -> Location {
        let first = i64::try_from(callee)
            .ok()
            .and_then(|callee| self.first_calls.get(&callee));
        first.map_or_else(Location::default, |call| {
            self.place(call.function, Some(call.instruction))
        })
    }

    /// Why a rule cannot decide on an argument of a constructor: where it is, and
    /// what reaches it.
    pub(crate) fn not_followed(&self, cache: &KvCacheCreate, argument: usize, why: &str) -> String {
        let function = self.executable.functions.get(cache.function);
        let function = function.map_or("?", |function| &function.name);
        format!(
            "what reaches argument {argument} of `{}` is not known (function {function}, instruction {}): {why}",
            cache.callee, cache.instruction
        )
    }

    /// Names the first places of `count` calls; the rest are counted.
    pub(crate) fn at_places(
        &self,
        mut finding: Finding,
        calls: &[RawCall<'_>],
        count: usize,
        argument: Option<u64>,
    ) -> Finding {
        const PLACES: usize = Uses::PLACES;
        if count > PLACES {
            finding = finding.evidence(format!("{count} such calls; the first {PLACES} are shown"));
        }
        for call in calls.iter().take(PLACES) {
            finding = finding.at(Location {
                argument,
                ..self.place(call.function, Some(call.instruction))
            });
        }
        finding
    }

    /// A place in a function of the table.
    pub fn place(&self, function: usize, instruction: Option<u64>) -> Location {
        let function = self.executable.functions.get(function);
        Location {
            function: function.map(|function| function.name.clone()),
            instruction,
            ..Location::default()
        }
    }
}
