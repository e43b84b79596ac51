//! One executable of a library and its calls, as the rules ask for them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::finding::{Finding, Location};
use crate::vm::argument_kind::ArgumentKind;
use crate::vm::calls::{RawCall, all_calls};
use crate::vm::entry::{Parameter, entries};
use crate::vm::forms;
use crate::vm::kernel::{KernelParameter, Kernels};
use crate::vm::kv_cache::{KvCacheCreate, kv_caches};
use crate::vm::misfit::Misfit;
use crate::vm::register_kinds::Registers;
use crate::vm::stray::{self, Stray};
use crate::vm::ways::{Way, Ways};
use crate::vm::{DataType, Executable, FunctionKind};

/// Arguments looked at one by one: no builtin with a fixed signature has more.
const CHECKED: usize = 16;

/// Calls of one form.
#[derive(Default)]
pub struct Uses<'a> {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub first: Vec<RawCall<'a>>,
    /// Whether one is on every way through its function.
    is_met: bool,
}

impl<'a> Uses<'a> {
    /// Calls kept of each form; the others are counted.
    pub const PLACES: usize = 5;

    fn add(&mut self, call: RawCall<'a>, way: Way) {
        self.is_met |= way == Way::Every;
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
    fn add(&mut self, callee: &Callee<'a>, call: (RawCall<'a>, Way), registers: &Registers<'_>) {
        let (call, way) = call;
        let is_builtin = callee.name.starts_with("vm.builtin.");
        for (position, argument) in call.args.iter().enumerate().take(CHECKED) {
            let held = registers.held(call.instruction, argument);
            if let Some(kind) = held.kind {
                let form = (callee.index, position, kind);
                self.kinds.entry(form).or_default().add(call, way);
            }
            if let Some(dtype) = held.dtype.filter(|_| !is_builtin) {
                let form = (callee.name, position, dtype);
                self.dtypes.entry(form).or_default().add(call, way);
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
fn named<'a>(
    executable: &'a Executable,
    kernels: &'a Kernels,
    own: &BTreeSet<i64>,
) -> Vec<Callee<'a>> {
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
                _ if i64::try_from(index).is_ok_and(|index| own.contains(&index)) => Sort::Packed,
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
    /// Calls that a branch may pass by, by instruction.
    passed_by: HashSet<u64, RandomState>,
}

impl<'a> Program<'a> {
    /// Reads an executable; functions of the library with a name that a runtime may have
    /// hide the runtime's, and are `own` by table index.
    pub(super) fn of(
        executable: &'a Executable,
        kernels: &'a Kernels,
        start: u64,
        own: &BTreeSet<i64>,
    ) -> Self {
        // Calls come by the ten thousand: names are compared once they are put together.
        let mut by_callee: Quick<(usize, u64), Vec<RawCall<'_>>> = Quick::default();
        let mut arguments = Arguments::default();
        let mut first_calls: Quick<i64, RawCall<'_>> = Quick::default();
        let callees = named(executable, kernels, own);
        let mut misfits: BTreeMap<Misfit<'_>, Uses<'_>> = BTreeMap::new();
        let mut function: Option<(usize, Registers<'_>, Ways)> = None;
        let mut passed_by = HashSet::default();
        let mut checked = None;
        for call in all_calls(executable) {
            first_calls.entry(call.callee).or_insert(call);
            let callee = usize::try_from(call.callee).ok();
            let Some(callee) = callee.and_then(|callee| callees.get(callee).copied()) else {
                continue;
            };
            let (_, registers, ways) = match function.take() {
                Some(of) if of.0 == call.function => function.insert(of),
                _ => function.insert((
                    call.function,
                    Registers::of(executable, call.function, own),
                    Ways::of(executable, call.function),
                )),
            };
            let way = ways.way(call.instruction);
            match way {
                Way::Every => {}
                Way::Some => {
                    passed_by.insert(call.instruction);
                }
                Way::None => continue,
            }
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
                misfits.entry(misfit).or_default().add(call, way);
            }
            if let Sort::Registered = callee.sort {
                arguments.add(&callee, (call, way), registers);
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
            passed_by,
        }
    }

    /// Where the first of these calls is, if branches pass by all of them.
    pub(super) fn branch_of(&self, uses: &Uses<'_>) -> Option<String> {
        let call = uses.first.first().filter(|_| !uses.is_met)?;
        let function = self.executable.functions.get(call.function);
        let function = function.map_or("?", |function| &function.name);
        Some(format!(
            "function {function}, instruction {}",
            call.instruction
        ))
    }

    /// These calls as uses.
    pub(super) fn uses(&self, calls: &[RawCall<'a>]) -> Uses<'a> {
        let mut uses = Uses::default();
        for call in calls {
            let way = match self.passed_by.contains(&call.instruction) {
                true => Way::Some,
                false => Way::Every,
            };
            uses.add(*call, way);
        }
        uses
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
    pub(super) fn at_places(
        &self,
        mut finding: Finding,
        uses: &Uses<'_>,
        argument: Option<u64>,
    ) -> Finding {
        const PLACES: usize = Uses::PLACES;
        let count = uses.count;
        if count > PLACES {
            finding = finding.evidence(format!("{count} such calls; the first {PLACES} are shown"));
        }
        for call in &uses.first {
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
