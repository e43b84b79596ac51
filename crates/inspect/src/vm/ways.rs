//! Which instructions of a function run: whenever it is called, on some ways through it, or
//! never. A condition that is a constant is followed.

use std::cell::Cell;

use super::dataflow::name_of;
use super::flow_graph::Graph;
use super::instruction::{Argument, Instruction, Register};
use super::{ConstantValue, Executable, FunctionKind};
use crate::limits::MAX_DATAFLOW_STEPS;

/// Copies of a condition that are looked through.
const DEPTH: usize = 8;

/// When an instruction runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Whenever its function is called, unless that ends with an error before.
    Every,
    /// On some ways through the function.
    Some,
    /// On none.
    None,
}

/// The instructions of one function.
pub struct Ways {
    start: u64,
    /// Of each; empty where there is no branch.
    ways: Vec<Way>,
}

impl Ways {
    /// Reads the function of that table index.
    pub fn of(executable: &Executable, function: usize) -> Self {
        let Some(found) = executable.functions.get(function) else {
            return Self {
                start: 0,
                ways: Vec::new(),
            };
        };
        let range = found.instructions.clone();
        let mut code = executable.instructions(range.clone());
        let has_branch = code.any(|(_, it)| matches!(it, Instruction::If { .. }));
        let mut read = Self {
            start: range.start,
            ways: Vec::new(),
        };
        if has_branch {
            // Of compiled code the branches were read, not what they ask.
            let is_written = found.kind == FunctionKind::Vm;
            let conditions = Conditions {
                executable,
                graph: is_written.then(|| Graph::new(executable, function)),
                budget: Cell::new(MAX_DATAFLOW_STEPS),
            };
            read.follow(&conditions, range.end);
        }
        read
    }

    /// When an instruction of the function runs.
    pub fn way(&self, at: u64) -> Way {
        let way = self.place(at).and_then(|place| self.ways.get(place));
        way.copied().unwrap_or(Way::Every)
    }

    fn place(&self, at: u64) -> Option<usize> {
        usize::try_from(at.checked_sub(self.start)?).ok()
    }

    fn follow(&mut self, conditions: &Conditions<'_>, end: u64) {
        let count = usize::try_from(end.saturating_sub(self.start)).unwrap_or(0);
        self.ways = vec![Way::None; count];
        let mut pending = vec![self.start];
        while let Some(at) = pending.pop() {
            let place = self.place(at);
            let Some(way @ Way::None) = place.and_then(|place| self.ways.get_mut(place)) else {
                continue;
            };
            *way = Way::Some;
            pending.extend(conditions.next(at).into_iter().flatten());
        }
        // What no jump passes by, and no end is before, is on every way.
        let mut passed = self.start;
        for (at, way) in (self.start..).zip(&mut self.ways) {
            if *way == Way::None {
                continue;
            }
            if at >= passed {
                *way = Way::Every;
            }
            let next = conditions.next(at);
            let furthest = next.into_iter().flatten().max();
            passed = passed.max(furthest.unwrap_or(u64::MAX));
        }
    }
}

struct Conditions<'a> {
    executable: &'a Executable,
    /// Where conditions come from, if that is known.
    graph: Option<Graph>,
    budget: Cell<usize>,
}

impl Conditions<'_> {
    /// Where the code goes on from an instruction.
    fn next(&self, at: u64) -> [Option<u64>; 2] {
        let next = at.checked_add(1);
        match self.executable.instruction(at) {
            Some(Instruction::Call { .. }) => [next, None],
            Some(Instruction::Goto { offset }) => [at.checked_add_signed(offset), None],
            Some(Instruction::If {
                condition,
                false_offset,
            }) => {
                let other = at.checked_add_signed(false_offset);
                match self.truth(at, condition) {
                    Some(true) => [next, None],
                    Some(false) => [other, None],
                    None => [next, other],
                }
            }
            Some(Instruction::Ret { .. }) | None => [None, None],
        }
    }

    /// What a condition is, where it is always the same.
    fn truth(&self, at: u64, condition: Register) -> Option<bool> {
        let (name, asked, at) = self.made(at, condition.into())?;
        let (mut value, mut at) = (asked, at);
        if name != "vm.builtin.read_if_cond" {
            return None;
        }
        for _ in 0..DEPTH {
            if let Argument::Constant(index) = value {
                let constant = self
                    .executable
                    .constants
                    .get(usize::try_from(index).ok()?)?;
                return match constant.value {
                    ConstantValue::Tensor { number, .. } => Some(number? != 0),
                    _ => None,
                };
            }
            let (name, copied, before) = self.made(at, value)?;
            if name != "vm.builtin.copy" {
                return None;
            }
            (value, at) = (copied, before);
        }
        None
    }

    /// The only call that can have made a value: its name, first argument and place.
    fn made(&self, at: u64, value: Argument) -> Option<(&str, Argument, u64)> {
        let Argument::Register(register) = value else {
            return None;
        };
        let reaching = self.graph.as_ref()?.reaching(register, at, &self.budget);
        let mut definitions = reaching.definitions.into_iter();
        let (only, None) = (definitions.next()?, definitions.next()) else {
            return None;
        };
        if reaching.entry || reaching.cut {
            return None;
        }
        match self.executable.instruction(only)? {
            Instruction::Call { function, args, .. } => {
                Some((name_of(self.executable, function)?, args.get(0)?, only))
            }
            _ => None,
        }
    }
}
