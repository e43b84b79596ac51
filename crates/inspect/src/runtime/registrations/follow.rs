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
/// Times that a function is followed, until its loops change nothing that was known.
const MOST_ROUNDS: usize = 8;
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
            unread: None,
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
    let unread = reader.unread.difference(&reader.read).count();
    Registrations {
        is_complete: !is_cut && unread == 0 && !reader.read.is_empty(),
        names: reader.names,
        unread: (!is_cut).then_some(unread),
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
    /// Whether the instruction before leads on to this one, or a branch does.
    is_reached: bool,
    /// Whether no loop changed what was known where it begins.
    is_settled: bool,
    /// Calls whose name was read, and others.
    read: Vec<u64>,
    unread: Vec<u64>,
}

impl<'a> Reader<'_, 'a> {
    /// Follows one function until what its loops change is known. The answer is how it takes
    /// the name that it registers, if its callers give it.
    fn function(&mut self, code: Piece<'a>) -> Option<Takes> {
        let mut heads: Map<Option<Box<State>>> = Map::default();
        self.machine.branches(code, &mut |from, to| {
            if to <= from && code.holds(to) {
                heads.insert(to, None);
            }
        });
        let mut passed = None;
        for _ in 0..MOST_ROUNDS {
            let course = self.round(code, &mut heads);
            passed = passed.or(course.passed);
            if course.is_settled {
                self.read.extend(course.read);
                self.unread.extend(course.unread);
                return passed;
            }
        }
        self.is_cut = true;
        passed
    }

    /// Follows one function from its first instruction to its last. Of the places that
    /// loops lead back to, `heads` holds what is known in every round of theirs.
    fn round(&mut self, code: Piece<'a>, heads: &mut Map<Option<Box<State>>>) -> Course {
        let mut state = State::entry(self.machine.parameters(), self.machine.stack());
        let mut course = Course {
            branches: Map::default(),
            recent: BTreeSet::new(),
            passed: None,
            is_reached: true,
            is_settled: true,
            read: Vec::new(),
            unread: Vec::new(),
        };
        let (mut at, mut is_after_call) = (0usize, false);
        while self.steps < MOST_STEPS {
            let place = code.address.saturating_add(at as u64);
            // What is before a branch's target may never go on to it: a call that throws.
            if let Some(branch) = course.branches.remove(&place) {
                state = match (course.is_reached, is_after_call) {
                    (false, _) => *branch,
                    (true, true) => branch.or_after_call(&state),
                    (true, false) => branch.or(&state),
                };
                course.is_reached = true;
            }
            // A loop may be entered at its end: then its beginning is first met from there.
            if let Some(head) = heads.get_mut(&place) {
                match head {
                    Some(known) if !course.is_reached => state = (**known).clone(),
                    Some(known) => drop(state.give_up(known)),
                    None => {}
                }
                course.is_reached |= head.is_some();
                if course.is_reached {
                    *head = Some(Box::new(state.clone()));
                }
            }
            let Some((length, flow)) = self.machine.step(code, at, &mut state) else {
                break;
            };
            self.steps = self.steps.saturating_add(1);
            is_after_call = matches!(flow, Flow::Call(_));
            self.flow(code, place, flow, &mut state, heads, &mut course);
            at = at.saturating_add(length);
        }
        course
    }

    /// Where an instruction leads, and what is called there.
    fn flow(
        &mut self,
        code: Piece<'a>,
        place: u64,
        flow: Flow,
        state: &mut State,
        heads: &mut Map<Option<Box<State>>>,
        course: &mut Course,
    ) {
        match flow {
            Flow::On => {}
            Flow::Branch(target) if code.holds(target) => {
                self.branch(place, target, state, heads, course);
            }
            Flow::Branch(target) => {
                self.call(place, Target::Code(target), state, course);
            }
            Flow::Call(target) => {
                self.call(place, target, state, course);
                state.called(self.machine.lost(), self.machine.result());
            }
            Flow::Jump(target) => {
                match target {
                    Target::Code(inside) if code.holds(inside) => {
                        self.branch(place, inside, state, heads, course);
                    }
                    _ => self.call(place, target, state, course),
                }
                course.is_reached = false;
            }
            Flow::End => course.is_reached = false,
        }
    }

    /// Remembers what is known where a branch leads on, and what a loop changes.
    fn branch(
        &mut self,
        place: u64,
        target: u64,
        state: &State,
        heads: &mut Map<Option<Box<State>>>,
        course: &mut Course,
    ) {
        if target <= place {
            match heads.get_mut(&target).filter(|_| course.is_reached) {
                Some(Some(head)) => course.is_settled &= !head.give_up(state),
                Some(head) => {
                    *head = Some(Box::new(state.clone()));
                    course.is_settled = false;
                }
                None => {}
            }
            return;
        }
        let known = course.branches.remove(&target);
        self.is_cut |= course.branches.len() >= MOST_BRANCHES;
        if course.branches.len() < MOST_BRANCHES {
            self.steps = self.steps.saturating_add(BRANCH_STEPS);
            let state = match known {
                Some(known) => known.or(state),
                None => state.clone(),
            };
            course.branches.insert(target, Box::new(state));
        }
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
                course.read.push(place);
            }
            None => course.unread.push(place),
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
