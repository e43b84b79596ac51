//! What is known of a compiled function while it is read: its steps so far, the places
//! where ways begin, and the ways that are not read yet.

use std::collections::{BTreeSet, HashMap};

use crate::machine::{Piece, State};
use crate::vm::bodies::Step;

/// How often one place is read, with other knowledge each time.
const MOST_COPIES: usize = 16;

/// The function that is read.
#[derive(Default)]
pub(super) struct Course {
    pub(super) steps: Vec<Step>,
    /// Steps whose function is known when all is read.
    pub(super) later: Vec<(usize, u64)>,
    /// Where ways begin, by address: what is known there, and the first step.
    pub(super) begun: HashMap<u64, Vec<(State, Option<Last>, usize)>>,
    /// Ways that are not read yet.
    pub(super) open: Vec<Way>,
    /// Targets of jumps inside the code that is read.
    pub(super) targets: BTreeSet<u64>,
    /// The last call, while its result may still be put somewhere.
    pub(super) last: Option<Last>,
}

/// A call: its step, and how many arguments it has.
pub(super) type Last = (usize, i64);

/// A way that is to be read: the steps that lead to it are to name its first one.
pub(super) struct Way {
    pub(super) at: u64,
    pub(super) code: u64,
    pub(super) state: State,
    pub(super) last: Option<Last>,
    pub(super) from: usize,
}

impl Course {
    /// The first step of a place that was read with this knowledge.
    pub(super) fn known(&self, place: u64, state: &State) -> Option<usize> {
        let begun = self.begun.get(&place)?.iter();
        let mut same = begun.filter(|(known, last, _)| *last == self.last && known == state);
        same.next().map(|(.., first)| *first)
    }

    pub(super) fn begin(&mut self, place: u64, state: &State) -> Result<(), String> {
        let first = self.steps.len();
        let begun = self.begun.entry(place).or_default();
        if begun.len() >= MOST_COPIES {
            return Err(format!("at {place:#x}: too many ways lead there"));
        }
        begun.push((state.clone(), self.last, first));
        Ok(())
    }

    pub(super) fn fork(&mut self, to: u64, code: Piece<'_>, state: &State) {
        self.open.push(Way {
            at: to,
            code: code.address,
            state: state.clone(),
            last: self.last,
            from: self.steps.len(),
        });
        self.steps.push(Step::Branch(usize::MAX));
    }
}
