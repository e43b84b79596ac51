//! Functions that the host code of a library looks up by name and calls: what kernels ask
//! of the runtime while they run.
//!
//! Every function is followed once, from its first instruction to its last; where ways
//! meet, only what all of them agree on is kept. A lookup is a call that is given a name
//! and the place for its result; from 0.26 on that call is in a small function of its own,
//! which is handed on beside the place. What is called through such a place, and with
//! which arguments, is read where it is called. Symbols are not needed.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::aside::{self, Aside};
use super::image::{Called, Image};
use crate::limits::MAX_HOST_CALLS;
use crate::machine::{Flow, Outline, Piece, State, Target, Value};
use crate::module::recovered::{HostArgument, HostCall};
use crate::vm::DataType;
use crate::vm::argument_kind::ArgumentKind;

/// Instructions that are followed for one library.
const MOST_STEPS: usize = 1 << 22;
/// Branches of one function whose targets are still ahead.
const MOST_BRANCHES: usize = 1024;
/// Most arguments of a call.
const MOST_ARGUMENTS: u64 = 256;
/// How far the memory behind one parameter is from that behind the next.
const APART: i64 = 1 << 40;
/// Parameters beyond those in registers that are looked at.
const ON_STACK: i64 = 8;
/// Bytes of a way aside, up to its jump back.
const ASIDE: u64 = 256;
/// Bytes of an argument, and where its value is in it.
const SLOT: i64 = 16;
const VALUE: i64 = 8;
/// Where a `DLTensor` has its number of dimensions, and its data type.
const NDIM: i64 = 16;
const DTYPE: i64 = 20;

/// What the host code looks up and calls.
#[derive(Default)]
pub(super) struct CallsByName {
    pub(super) names: BTreeSet<String>,
    pub(super) calls: BTreeSet<HostCall>,
    /// Whether all code was followed.
    pub(super) is_complete: bool,
}

/// Reads the functions of an image.
pub(super) fn read(image: &mut Image<'_>) -> CallsByName {
    let mut reader = Reader {
        names: Vec::new(),
        cells: HashMap::new(),
        calls: Vec::new(),
        callers: HashMap::new(),
        place: 0,
        steps: 0,
        image,
    };
    // Without a table of functions nothing tells where code begins.
    let functions = reader.image.functions();
    let has_functions = !functions.is_empty();
    for start in functions {
        if reader.steps >= MOST_STEPS {
            break;
        }
        if let Some(code) = reader.image.function(start) {
            reader.place = start;
            reader.function(code);
        }
    }
    let is_complete = has_functions && reader.steps < MOST_STEPS;
    let named = |handle: &Handle| match handle {
        Handle::Name(name) => reader.names.get(*name).cloned(),
        Handle::Cell(cell) => reader.cells.get(cell).cloned(),
    };
    let calls = reader.calls.iter();
    let calls = calls.filter_map(|(place, handle, arguments)| {
        let mut given = arguments.iter().filter(|argument| argument.is_given);
        Some(HostCall {
            callee: named(handle)?,
            kernel: given.next().and_then(|_| reader.kernel(*place)),
            arguments: arguments.clone(),
        })
    });
    CallsByName {
        calls: calls.take(MAX_HOST_CALLS).collect(),
        names: reader
            .names
            .into_iter()
            .chain(reader.cells.into_values())
            .collect(),
        is_complete,
    }
}

/// What a function is called through.
enum Handle {
    /// What a lookup gave, by its number.
    Name(usize),
    /// A cell that a lookup fills.
    Cell(u64),
}

struct Reader<'i, 'a> {
    image: &'i mut Image<'a>,
    /// Of each lookup.
    names: Vec<String>,
    /// Cells that hold a function, with its name.
    cells: HashMap<u64, String>,
    /// With the function that makes each.
    calls: Vec<(u64, Handle, Vec<HostArgument>)>,
    /// Of code that kernels call, the kernel; nothing where several do.
    callers: HashMap<u64, Option<String>>,
    /// The function that is followed.
    place: u64,
    steps: usize,
}

impl<'a> Reader<'_, 'a> {
    /// Follows one function.
    fn function(&mut self, code: Piece<'a>) {
        let (outline, mut loops) = self.loops(code);
        // Most kernels compute and call nothing.
        if !outline.calls {
            self.steps = self.steps.saturating_add(outline.instructions);
            return;
        }
        let stack = self.image.machine.stack();
        let mut state = self.entry();
        let mut ahead: BTreeMap<u64, Box<State>> = BTreeMap::new();
        let mut asides: Vec<u64> = Vec::new();
        let mut is_reached = true;
        let mut at = 0usize;
        while self.steps < MOST_STEPS {
            let place = code.address.saturating_add(at as u64);
            if let Some(other) = due(&mut ahead, place) {
                state = match is_reached {
                    true => other.and(&state),
                    false => *other,
                };
                is_reached = true;
            }
            let is_of_aside =
                |from: &u64| asides.iter().any(|aside| from.wrapping_sub(*aside) < ASIDE);
            if due(&mut loops, place).is_some_and(|from| !from.iter().all(is_of_aside)) {
                let top = state.get(stack);
                state = State::entry(&[], stack);
                state.set(stack, top);
            }
            let Some((length, flow)) = self.image.machine.step(code, at, &mut state) else {
                break;
            };
            self.steps = self.steps.saturating_add(1);
            match flow {
                Flow::Branch(to) | Flow::Jump(Target::Code(to)) if code.holds(to) => {
                    asides.extend(self.aside(code, to, &state));
                    if to > place && ahead.len() < MOST_BRANCHES {
                        let met = match ahead.remove(&to) {
                            Some(other) => other.and(&state),
                            None => state.clone(),
                        };
                        ahead.insert(to, Box::new(met));
                    }
                    is_reached = !matches!(flow, Flow::Jump(_)) && is_reached;
                }
                Flow::Call(target) if is_reached => self.call(target, &mut state),
                Flow::Jump(target) if is_reached => {
                    self.call(target, &mut state);
                    is_reached = false;
                }
                Flow::Jump(_) | Flow::End => is_reached = false,
                Flow::On | Flow::Call(_) | Flow::Branch(_) => {}
            }
            at = at.saturating_add(length);
        }
    }

    /// At the start of a function, whose parameters lead to memory of their own each.
    fn entry(&self) -> State {
        let registers = self.image.machine.parameters();
        let mut state = State::entry(&[], self.image.machine.stack());
        let mut memory = (1i64..).map(|number| Value::Frame(number.saturating_mul(APART)));
        for (register, memory) in registers.iter().zip(&mut memory) {
            state.set(*register, memory);
        }
        // On x86-64 they lie behind the address that the function returns to.
        let first = match registers.len() {
            6 => 8,
            _ => 0,
        };
        let places = (0..ON_STACK).map(|number| number.saturating_mul(8).saturating_add(first));
        for (place, memory) in places.zip(memory) {
            state.store(Value::Frame(place), memory);
        }
        state
    }

    /// The start of a way that only looks up the function that a cell does not hold yet, as
    /// code of up to 0.25 has them behind everything else. It comes back as it left.
    fn aside(&mut self, code: Piece<'a>, start: u64, state: &State) -> Option<u64> {
        let [first, ..] = aside::given(self.image, state);
        if !matches!(first, Value::Loaded(_)) {
            return None;
        }
        match aside::look(self.image, code, start, state)? {
            Aside::Finds(cell, name) => {
                self.cells.insert(cell, name);
                Some(start)
            }
            Aside::Fails => None,
        }
    }

    /// The kernel that a function is, or a part of.
    fn kernel(&self, place: u64) -> Option<String> {
        let own = self.image.host(place).map(str::to_owned);
        own.or_else(|| self.callers.get(&place).cloned().flatten())
    }

    /// Notes that a kernel calls code of the library: what it computes is in a function of
    /// its own.
    fn calls_here(&mut self, callee: u64) {
        let Some(kernel) = self.image.host(self.place).map(str::to_owned) else {
            return;
        };
        let known = self.callers.entry(callee);
        let known = known.or_insert_with(|| Some(kernel.clone()));
        if known.as_ref() != Some(&kernel) {
            *known = None;
        }
    }

    /// Where ways lead back to, and from where: what is known there holds for the first
    /// round only.
    fn loops(&self, code: Piece<'a>) -> (Outline, BTreeMap<u64, Vec<u64>>) {
        let mut loops: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let outline = self.image.machine.branches(code, &mut |from, to| {
            if to <= from && to >= code.address {
                loops.entry(to).or_default().push(from);
            }
        });
        (outline, loops)
    }

    fn call(&mut self, target: Target, state: &mut State) {
        let given = aside::given(self.image, state);
        let [first, second, third, fourth] = given;
        let called = self.image.called(target);
        let is_elsewhere = called == Called::Elsewhere;
        if let Called::Here(callee) = called {
            self.calls_here(callee);
        }
        let mut found = None;
        // What a callee may write to.
        let mut written = vec![first, second, third, fourth];
        if let Some(name) = aside::text(self.image, second).filter(|_| is_elsewhere) {
            // (context, name, place)
            match third {
                Value::Address(cell) if self.image.is_written(cell) => {
                    written.clear();
                    self.cells.insert(cell, name);
                }
                Value::Frame(_) => {
                    written = vec![third];
                    found = Some((third, Value::Marked(self.names.len() as u64)));
                    self.names.push(name);
                }
                _ => {}
            }
        } else if let (true, Value::Address(cell), Value::Address(finder)) =
            (is_elsewhere, first, second)
        {
            if let Some(name) = aside::found_by(self.image, finder) {
                written.clear();
                self.cells.insert(cell, name);
            }
        } else if let (Some(handle), Value::Number(count)) = (handle(first), third)
            && count <= MOST_ARGUMENTS
        {
            let arguments = self.arguments(state, second, count);
            self.calls.push((self.place, handle, arguments));
        }
        for value in written {
            if let Value::Frame(at) = value {
                state.forget(at..at.saturating_add(APART / 2));
            }
        }
        state.called(self.image.machine.lost(), self.image.machine.result());
        if let Some((place, name)) = found {
            state.store(place, name);
        }
    }

    /// The arguments of a call, by their tags.
    fn arguments(&self, state: &State, list: Value, count: u64) -> Vec<HostArgument> {
        let slots = (0..i64::try_from(count).unwrap_or(0)).map(|number| {
            let slot = list.plus(number.saturating_mul(SLOT));
            let tag = match state.load_half(slot) {
                Value::Number(tag) => Some(tag),
                _ => self.number(state, slot),
            };
            let kind = tag.and_then(|tag| kind(tag & u64::from(u32::MAX)));
            let is_number = kind == Some(ArgumentKind::Int);
            let number = is_number.then(|| self.number(state, slot.plus(VALUE)));
            let tensor = state.load(slot.plus(VALUE));
            let dtype = (kind == Some(ArgumentKind::RawTensor)).then(|| self.dtype(state, tensor));
            let dtype = dtype.flatten();
            HostArgument {
                kind,
                number: number.flatten().map(u64::cast_signed),
                dtype,
                is_given: dtype.is_some() && is_parameter(state.load(tensor)),
            }
        });
        slots.collect()
    }

    /// The data type of a tensor that the code puts together in the frame.
    fn dtype(&self, state: &State, tensor: Value) -> Option<DataType> {
        let Value::Frame(_) = tensor else { return None };
        let dtype = match state.load_half(tensor.plus(DTYPE)) {
            Value::Number(dtype) => dtype,
            _ => self.number(state, tensor.plus(NDIM))? >> 32,
        };
        let [code, bits, low, high, ..] = dtype.to_le_bytes();
        let lanes = u16::from_le_bytes([low, high]);
        Some(DataType { code, bits, lanes })
    }

    /// The number at a place, which may have been copied whole from a constant.
    fn number(&self, state: &State, place: Value) -> Option<u64> {
        match state.load(place) {
            Value::Number(number) => Some(number),
            Value::Loaded(address) => self.image.word(address),
            _ => None,
        }
    }
}

/// What waits at a place, where code is followed from its start to its end. What waited
/// inside an instruction before it is gone.
fn due<T>(waiting: &mut BTreeMap<u64, T>, place: u64) -> Option<T> {
    while let Some(first) = waiting.first_entry() {
        match first.key().cmp(&place) {
            Ordering::Less => drop(first.remove()),
            Ordering::Equal => return Some(first.remove()),
            Ordering::Greater => break,
        }
    }
    None
}

/// Whether a value is a parameter of the function, and leads to memory of its own.
fn is_parameter(value: Value) -> bool {
    matches!(value, Value::Frame(at) if at > 0 && at.checked_rem(APART) == Some(0))
}

/// What a value is a function of, if it may be one.
fn handle(value: Value) -> Option<Handle> {
    match value {
        Value::Marked(name) => usize::try_from(name).ok().map(Handle::Name),
        Value::Loaded(cell) => Some(Handle::Cell(cell)),
        _ => None,
    }
}

/// The kind of a value with this tag of tvm-ffi (`TVMFFITypeIndex`).
fn kind(tag: u64) -> Option<ArgumentKind> {
    Some(match tag {
        0 => ArgumentKind::Null,
        1 | 2 => ArgumentKind::Int,
        3 => ArgumentKind::Float,
        4 => ArgumentKind::Vm,
        5 => ArgumentKind::Dtype,
        7 => ArgumentKind::RawTensor,
        8 => ArgumentKind::RawString,
        _ => return None,
    })
}
