//! Follows the functions that register, from those of a known name backwards.

use std::collections::{BTreeSet, HashSet};

use super::registrar::{Registrations, Takes, name_at};
use super::sites::{Map, Sites};
use crate::container::Parsed;
use crate::machine::{Flow, Machine, Piece, State, Target, Value};

/// Instructions that are followed in all. The largest libtvm has a few million in
/// functions that register.
const MOST_STEPS: u64 = 1 << 24;
/// What it costs to remember the state at a branch, in instructions.
const BRANCH_STEPS: u64 = 64;
/// Branches of one function whose targets are still ahead.
const MOST_BRANCHES: usize = 1024;
/// Parameters that may hold a text that goes into an object.
const TEXT_PARAMETERS: usize = 3;

/// Reads the names. A part that holds the registry may register without calling
/// anything by a name that is left in it.
pub(super) fn follow<'a>(
    machine: &mut dyn Machine<'a>,
    parsed: &'a Parsed<'_>,
    texts: &[Piece<'a>],
    holds_registry: bool,
) -> Registrations {
    let Some((sites, takes)) = Sites::of(machine, parsed) else {
        // No way to register leads out of it by name, nor is one inside.
        return Registrations {
            names: BTreeSet::new(),
            is_complete: !holds_registry,
        };
    };
    let mut texts = texts.to_vec();
    texts.sort_by_key(|piece| piece.address);
    let mut reader = Reader {
        machine,
        sites: &sites,
        texts,
        takes,
        names: BTreeSet::new(),
        read: HashSet::default(),
        unread: HashSet::default(),
        steps: 0,
        is_cut: false,
    };
    let mut open: Vec<u64> = reader.takes.keys().copied().collect();
    while let Some(callee) = open.pop() {
        for function in sites.callers(callee) {
            if let Some(takes) = reader.function(function)
                && !reader.takes.contains_key(&function.address)
            {
                reader.takes.insert(function.address, takes);
                open.push(function.address);
            }
        }
    }
    let is_cut = reader.is_cut || sites.is_cut || reader.steps >= MOST_STEPS;
    let is_all = !is_cut && reader.unread.is_empty();
    Registrations {
        is_complete: is_all && !reader.read.is_empty(),
        names: reader.names,
    }
}

type Places = HashSet<u64, foldhash::fast::RandomState>;

struct Reader<'r, 'a> {
    machine: &'r mut dyn Machine<'a>,
    sites: &'r Sites<'a>,
    /// By address.
    texts: Vec<Piece<'a>>,
    /// The functions that register, by address or cell.
    takes: Map<Takes>,
    names: BTreeSet<String>,
    /// Calls whose name was read, and others.
    read: Places,
    unread: Places,
    steps: u64,
    /// Whether a branch was left out.
    is_cut: bool,
}

/// How a function goes on at an instruction.
struct Course {
    /// What is known where it is not reached from the instruction before. A state is
    /// large, and a table that grows moves what it holds.
    branches: Map<Box<State>>,
    /// Texts that were handed on since the last registration.
    recent: BTreeSet<String>,
    /// What the function itself registers.
    passed: Option<Takes>,
}

impl<'a> Reader<'_, 'a> {
    /// Follows one function from its first instruction to its last. The answer is
    /// how it takes the name that it registers, if its callers give it.
    fn function(&mut self, code: Piece<'a>) -> Option<Takes> {
        let mut state = State::entry(self.machine.parameters(), self.machine.stack());
        let mut course = Course {
            branches: Map::default(),
            recent: BTreeSet::new(),
            passed: None,
        };
        let end = code.address.saturating_add(code.data.len() as u64);
        let mut is_reached = true;
        let mut at = 0usize;
        while self.steps < MOST_STEPS {
            let place = code.address.saturating_add(at as u64);
            // What is before a branch's target may never go on to it: a call that throws.
            if let Some(branch) = course.branches.remove(&place) {
                state = if is_reached {
                    branch.or(&state)
                } else {
                    *branch
                };
                is_reached = true;
            }
            let Some((length, flow)) = self.machine.step(code, at, &mut state) else {
                break;
            };
            self.steps = self.steps.saturating_add(1);
            let steps = &mut self.steps;
            let is_cut = &mut self.is_cut;
            let branches = &mut course.branches;
            let mut branch = |target: u64, state: &State| {
                if target <= place || target >= end {
                    return;
                }
                let known = branches.remove(&target);
                *is_cut |= branches.len() >= MOST_BRANCHES;
                if branches.len() < MOST_BRANCHES {
                    *steps = steps.saturating_add(BRANCH_STEPS);
                    let state = match known {
                        Some(known) => known.or(state),
                        None => state.clone(),
                    };
                    branches.insert(target, Box::new(state));
                }
            };
            match flow {
                Flow::On => {}
                Flow::Branch(target) if target >= code.address && target < end => {
                    branch(target, &state);
                }
                Flow::Branch(target) => {
                    self.call(place, Target::Code(target), &state, &mut course);
                }
                Flow::Call(target) => {
                    self.call(place, target, &state, &mut course);
                    state.called(self.machine.lost());
                }
                Flow::Jump(target) => {
                    match target {
                        Target::Code(inside) if inside >= code.address && inside < end => {
                            branch(inside, &state);
                        }
                        _ => self.call(place, target, &state, &mut course),
                    }
                    is_reached = false;
                }
                Flow::End => is_reached = false,
            }
            at = at.saturating_add(length);
        }
        course.passed
    }

    /// Looks at a call: whether it registers, and what.
    fn call(&mut self, place: u64, target: Target, state: &State, course: &mut Course) {
        let takes = self.sites.callee(target);
        let takes = takes.and_then(|callee| self.takes.get(&callee)).copied();
        let Some(takes) = takes else {
            for register in self.machine.parameters().iter().take(TEXT_PARAMETERS) {
                if let Some(text) = self.text(state.get(*register)) {
                    course.recent.insert(text);
                }
            }
            return;
        };
        let parameter = |number: u8| {
            let registers = self.machine.parameters();
            registers
                .get(usize::from(number))
                .map_or(Value::Unknown, |one| state.get(*one))
        };
        let recent = std::mem::take(&mut course.recent);
        let name = match takes {
            Takes::Text(number) => match parameter(number) {
                Value::Parameter(own) => return course.pass(Takes::Text(own)),
                value => self.text(value),
            },
            Takes::Pointer(number) => match parameter(number) {
                Value::Parameter(own) => return course.pass(Takes::Pointer(own)),
                pointer => match state.load(pointer) {
                    Value::Parameter(own) => return course.pass(Takes::Text(own)),
                    value => self.text(value),
                },
            },
            Takes::Object => {
                let mut texts = recent.into_iter();
                texts.next().filter(|_| texts.next().is_none())
            }
        };
        match name {
            Some(name) => {
                self.names.insert(name);
                self.unread.remove(&place);
                self.read.insert(place);
            }
            None if self.read.contains(&place) => {}
            None => {
                self.unread.insert(place);
            }
        }
    }

    /// The text that a value is the address of, if it can be a name.
    fn text(&self, value: Value) -> Option<String> {
        let Value::Address(address) = value else {
            return None;
        };
        name_at(&self.texts, address, false)
    }
}

impl Course {
    fn pass(&mut self, takes: Takes) {
        self.passed.get_or_insert(takes);
    }
}
