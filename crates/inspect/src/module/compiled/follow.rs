//! Follows the code of one compiled VM function from its start, way by way.
//!
//! At a branch both ways are followed, each with what is known on it; a place that is
//! reached twice with the same knowledge is read once. A way that ends with another
//! status than zero is an error's and returns nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::aside::{self, Aside};
use super::course::Course;
use super::image::{COPIES, Called, Image};
use super::{marks, merge};
use crate::machine::{Flow, Piece, State, Target, Value};
use crate::vm::bodies::{Body, Step, host_function, nameless};
use crate::vm::{Argument, ConstantValue, Executable, Function};

/// Instructions that are followed for one executable.
const MOST_STEPS: usize = 1 << 21;
/// Most arguments of a call.
const MOST_ARGUMENTS: u64 = 256;
/// Where the arguments of the function itself are kept: far from its frame.
const GIVEN: i64 = 1 << 40;
/// Bytes of the frame that a copy of unknown length may write to.
const MOST_COPIED: i64 = GIVEN / 2;
/// A pointer to one of the arguments: the VM, its registers, constants, functions.
const GIVEN_COUNT: i64 = 4;
/// Bytes of an argument slot, and where its value is in it.
const SLOT: i64 = 16;
const VALUE: i64 = 8;

/// Reads the compiled functions of one executable.
pub(super) struct Reader<'i, 'a> {
    image: &'i mut Image<'a>,
    executable: &'i Executable,
    /// Functions by the name that host code calls them by.
    known: HashMap<String, usize>,
    more: Vec<Function>,
    constants: Vec<ConstantValue>,
    /// Cells that hold a function, with its name.
    handles: HashMap<u64, String>,
    steps: usize,
}

/// A call, with its function by name or by the cell it is called through.
enum Callee {
    Name(String),
    Cell(u64),
}

impl<'i, 'a> Reader<'i, 'a> {
    pub(super) fn new(image: &'i mut Image<'a>, executable: &'i Executable) -> Self {
        let functions = executable.functions.iter().enumerate();
        Self {
            image,
            executable,
            known: functions
                .map(|(index, function)| (function.name.clone(), index))
                .collect(),
            more: Vec::new(),
            constants: Vec::new(),
            handles: HashMap::new(),
            steps: 0,
        }
    }

    /// Functions that host code names and the table does not have, and numbers that it
    /// passes and the pool does not have.
    pub(super) fn more(self) -> (Vec<Function>, Vec<ConstantValue>) {
        (self.more, self.constants)
    }

    /// The table index of a function.
    fn index(&mut self, name: &str) -> usize {
        let name = name.strip_prefix("__vmtir__").unwrap_or(name);
        self.place(host_function(name))
    }

    /// The index of a function that the table has, or gets at its end.
    fn place(&mut self, function: Function) -> usize {
        let behind = self.executable.functions.len();
        let behind = behind.saturating_add(self.more.len());
        match self.known.entry(function.name.clone()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                self.more.push(function);
                *free.insert(behind)
            }
        }
    }

    /// Reads a function whose result is in the register behind its parameters.
    pub(super) fn body(
        &mut self,
        function: usize,
        name: &str,
        parameters: i64,
    ) -> Result<Body, String> {
        let start = self.image.start(name).ok_or("its code was not found")?;
        let mut state = State::entry(&[], self.image.machine.stack());
        let registers = self.image.machine.parameters();
        // (context, arguments, their count, result)
        if let Some(register) = registers.get(1) {
            state.set(*register, Value::Frame(GIVEN));
        }
        if let Some(register) = registers.get(2) {
            state.set(*register, Value::Number(GIVEN_COUNT.unsigned_abs()));
        }
        for number in 0..GIVEN_COUNT {
            let slot = Value::Frame(GIVEN).plus(number.saturating_mul(SLOT));
            state.store(slot.plus(VALUE), Value::Marked(number.unsigned_abs()));
        }
        let mut course = Course::default();
        let code = self.enter(start, &mut course)?;
        self.way(start, code, state, parameters, &mut course)?;
        while let Some(way) = course.open.pop() {
            course.last = way.last;
            let first = match course.known(way.at, &way.state) {
                Some(first) => first,
                None => {
                    let first = course.steps.len();
                    let code = self.image.function(way.code);
                    let code = code.ok_or("code that is not there")?;
                    self.way(way.at, code, way.state, parameters, &mut course)?;
                    first
                }
            };
            if let Some(Step::Branch(to) | Step::Goto(to)) = course.steps.get_mut(way.from) {
                *to = first;
            }
        }
        for (at, cell) in std::mem::take(&mut course.later) {
            let name = self.handles.get(&cell).cloned();
            let name = name.ok_or("a call whose function is not named beside it")?;
            let index = self.index(&name);
            if let Some(Step::Call { function, .. }) = course.steps.get_mut(at) {
                *function = index;
            }
        }
        Ok(Body {
            function,
            steps: merge::merged(&course.steps)?,
        })
    }

    /// The code of a function, and where its jumps lead.
    fn enter(&mut self, start: u64, course: &mut Course) -> Result<Piece<'a>, String> {
        let code = self.image.function(start).ok_or("its code was not found")?;
        let mut scratch = State::entry(&[], self.image.machine.stack());
        let mut at = 0usize;
        while let Some((length, flow)) = self.image.machine.step(code, at, &mut scratch) {
            if let Flow::Branch(to) | Flow::Jump(Target::Code(to)) = flow {
                course.targets.insert(to);
            }
            at = at.saturating_add(length.max(1));
            self.count()?;
        }
        Ok(code)
    }

    fn count(&mut self) -> Result<(), String> {
        self.steps = self.steps.saturating_add(1);
        match self.steps > MOST_STEPS {
            true => Err(String::from("more code than is followed")),
            false => Ok(()),
        }
    }

    /// Reads on from `start` to an end, a jump, or a place that was read before.
    fn way(
        &mut self,
        start: u64,
        mut code: Piece<'a>,
        mut state: State,
        parameters: i64,
        course: &mut Course,
    ) -> Result<(), String> {
        let mut place = start;
        let mut is_first = true;
        loop {
            self.count()?;
            if is_first || course.targets.contains(&place) {
                if let Some(first) = course.known(place, &state) {
                    course.steps.push(Step::Goto(first));
                    return Ok(());
                }
                course.begin(place, &state)?;
            }
            is_first = false;
            let at = usize::try_from(place.wrapping_sub(code.address)).unwrap_or(usize::MAX);
            let Some((length, flow)) = self.image.machine.step(code, at, &mut state) else {
                return Err(format!("at {place:#x}: the code ends"));
            };
            let next = place.wrapping_add(length as u64);
            match flow {
                Flow::On => place = next,
                Flow::Branch(to) if code.holds(to) => {
                    place = self.branch(code, to, next, &mut state, course);
                }
                Flow::Branch(_) => return Err(format!("at {place:#x}: a branch out of it")),
                Flow::Jump(Target::Code(to)) if code.holds(to) => place = to,
                Flow::Call(target) | Flow::Jump(target) => {
                    let called = self.call(target, &mut state, course);
                    let called = called.map_err(|what| format!("at {place:#x}: {what}"))?;
                    if let Some(start) = called {
                        // What compiled code is entered with; what it leaves is its end.
                        state = self.entered(&state);
                        code = self.enter(start, course)?;
                        place = start;
                        is_first = true;
                        continue;
                    }
                    state.called(self.image.machine.lost(), self.image.machine.result());
                    if matches!(flow, Flow::Jump(_)) {
                        course.steps.push(Step::Ret(parameters));
                        return Ok(());
                    }
                    place = next;
                }
                Flow::End => {
                    let here = course.steps.len();
                    let result = state.get(self.image.machine.result());
                    course.steps.push(match result {
                        Value::Number(0) => Step::Ret(parameters),
                        _ => Step::Goto(here),
                    });
                    return Ok(());
                }
            }
        }
    }

    /// Where a branch is read on; another way that needs reading is kept for later.
    fn branch(
        &mut self,
        code: Piece<'a>,
        to: u64,
        next: u64,
        state: &mut State,
        course: &mut Course,
    ) -> u64 {
        if self.is_passed_over(code, to, state) {
            return next;
        }
        if self.is_passed_over(code, next, state) {
            return to;
        }
        if let Some(met) = aside::detour(self.image, code, next, to, state) {
            *state = met;
            return to;
        }
        course.fork(to, code, state);
        next
    }

    /// Whether a way is not read; the function that it finds is kept.
    fn is_passed_over(&mut self, code: Piece<'a>, side: u64, state: &State) -> bool {
        match aside::look(self.image, code, side, state) {
            Some(Aside::Finds(cell, name)) => {
                self.handles.insert(cell, name);
                true
            }
            Some(Aside::Fails) => true,
            None => false,
        }
    }

    /// What a call does; the start of code that is to be read in its place.
    fn call(
        &mut self,
        target: Target,
        state: &mut State,
        course: &mut Course,
    ) -> Result<Option<u64>, String> {
        let called = self.image.called(target);
        let given = aside::given(self.image, state);
        match called {
            Called::Named(name) => self.named(&name, given, state, course).map(|()| None),
            Called::Here(address) => self.here(address, given, state, course),
            Called::Elsewhere => self.elsewhere(given, state, course).map(|()| None),
        }
    }

    /// A call of a function of the runtime.
    fn named(
        &mut self,
        name: &str,
        given: [Value; 4],
        state: &mut State,
        course: &mut Course,
    ) -> Result<(), String> {
        let [first, _, third, _] = given;
        let [_, index, count, slot] = given.map(|value| self.signed(value));
        if name.ends_with("AnyListSetPackedArg") {
            let (Value::Marked(list), Some(index), Value::Frame(_), Some(slot)) =
                (first, index, third, slot)
            else {
                return Err(String::from("an argument that is computed"));
            };
            let slot = third.plus(slot.saturating_mul(SLOT));
            state.store(slot.plus(VALUE), marks::element(list, index));
        } else if name.ends_with("AnyListMoveFromPackedReturn") {
            let index = index.ok_or("a result that is put where it is computed")?;
            // It lies behind the arguments of the call that gave it.
            let last = course.last.take().filter(|(_, count)| Some(*count) == slot);
            match last.and_then(|(last, _)| course.steps.get_mut(last)) {
                Some(Step::Call { dst, .. }) => *dst = Some(index),
                // Of a function of the host part that became part of this one.
                _ => course.steps.push(Step::Call {
                    dst: Some(index),
                    function: self.place(nameless()),
                    args: Vec::new(),
                }),
            }
        } else if let (true, Value::Frame(to)) = (COPIES.contains(&name), first) {
            let bytes = count.filter(|bytes| (0..GIVEN).contains(bytes));
            state.forget(to..to.saturating_add(bytes.unwrap_or(MOST_COPIED)));
        }
        Ok(())
    }

    /// A call of code of the library; where that begins, if it is to be read in its place.
    fn here(
        &mut self,
        address: u64,
        given: [Value; 4],
        state: &mut State,
        course: &mut Course,
    ) -> Result<Option<u64>, String> {
        let [first, second, third, _] = given;
        if let Some(name) = self.image.host(address).map(str::to_owned)
            && let (Value::Frame(_), Some(count)) = (second, self.signed(third))
        {
            self.packed(Callee::Name(name), second, count, state, course)?;
            return Ok(None);
        }
        let is_marked = given.iter().any(|value| matches!(value, Value::Marked(_)));
        // Up to 0.25 the entry works out where its arguments are, and hands them on.
        let has_called = |step: &Step| matches!(step, Step::Call { .. });
        if !is_marked && !first.is_known() && !course.steps.iter().any(has_called) {
            let what = "its arguments are handed on by code that is not followed";
            return Err(String::from(what));
        }
        course.last = None;
        Ok((is_marked && self.image.is_code(address)).then_some(address))
    }

    /// A call through a cell, or of what is linked elsewhere: of a packed function, or what
    /// looks one up.
    fn elsewhere(
        &mut self,
        given: [Value; 4],
        state: &mut State,
        course: &mut Course,
    ) -> Result<(), String> {
        let [first, second, third, _] = given;
        if let (Value::Loaded(cell), Value::Frame(_), Some(count)) =
            (first, second, self.signed(third))
        {
            self.packed(Callee::Cell(cell), second, count, state, course)?;
        } else if let (Value::Address(cell), Value::Address(finder)) = (first, second) {
            if let Some(name) = aside::found_by(self.image, finder) {
                self.handles.insert(cell, name);
            }
        } else if let (Some(name), Value::Address(cell)) = (aside::text(self.image, second), third)
        {
            self.handles.insert(cell, name);
        } else if given.iter().any(|value| matches!(value, Value::Marked(_))) {
            return Err(String::from("a call that is given registers"));
        }
        Ok(())
    }

    fn signed(&self, value: Value) -> Option<i64> {
        i64::try_from(self.number(value)?).ok()
    }

    fn number(&self, value: Value) -> Option<u64> {
        match value {
            Value::Number(number) => Some(number),
            Value::Loaded(address) => self.image.word(address),
            _ => None,
        }
    }

    /// A call of a packed function.
    fn packed(
        &mut self,
        callee: Callee,
        array: Value,
        count: i64,
        state: &mut State,
        course: &mut Course,
    ) -> Result<(), String> {
        if count.unsigned_abs() > MOST_ARGUMENTS {
            return Err(format!("a call with {count} arguments"));
        }
        let mut args = Vec::new();
        for number in 0..count {
            let slot = array.plus(number.saturating_mul(SLOT));
            let argument = self.argument(state.load(slot), state.load(slot.plus(VALUE)));
            let what = || format!("argument {number} of a call is computed");
            args.push(argument.ok_or_else(what)?);
        }
        let step = course.steps.len();
        let function = match callee {
            Callee::Name(name) => self.index(&name),
            Callee::Cell(cell) => {
                course.later.push((step, cell));
                usize::MAX
            }
        };
        // The callee may write to all of it; its result is behind the arguments.
        if let Value::Frame(start) = array {
            state.forget(start..start.saturating_add(count.saturating_add(1).saturating_mul(SLOT)));
        }
        course.last = Some((step, count));
        course.steps.push(Step::Call {
            dst: None,
            function,
            args,
        });
        Ok(())
    }

    /// What an argument's slot holds, by its type and its value.
    fn argument(&mut self, kind: Value, value: Value) -> Option<Argument> {
        const NONE: u64 = 0;
        const INT: u64 = 1;
        const BOOL: u64 = 2;
        const FLOAT: u64 = 3;
        if let Value::Marked(mark) = value {
            return marks::argument(mark);
        }
        let value = || self.number(value);
        Some(match self.number(kind)? & u64::from(u32::MAX) {
            NONE => Argument::Void,
            INT | BOOL => Argument::Immediate(value()?.cast_signed()),
            FLOAT => {
                let number = f64::from_bits(value()?);
                let index = self.executable.constants.len();
                let index = index.saturating_add(self.constants.len());
                self.constants.push(ConstantValue::Float(number));
                Argument::Constant(i64::try_from(index).ok()?)
            }
            _ => return None,
        })
    }

    /// What compiled code finds when it is entered: its parameters.
    fn entered(&self, before: &State) -> State {
        let stack = self.image.machine.stack();
        let mut state = State::entry(&[], stack);
        state.set(stack, before.get(stack));
        for register in self.image.machine.parameters() {
            let value = before.get(*register);
            if matches!(value, Value::Marked(_) | Value::Frame(_)) {
                state.set(*register, value);
            }
        }
        state
    }
}
