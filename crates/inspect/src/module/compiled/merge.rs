//! Makes one of ways that do the same. A branch that looks at the type of an argument parts
//! a compiled function where its bytecode has no branch, and one place is read again where
//! a register holds another number: what is left are the branches after which different
//! calls are made. A way that ends with an error is no way on.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::vm::bodies::Step;

/// Steps that are looked at for one function, on all ways between its calls.
const MOST_LOOKS: usize = 1 << 22;

/// Calls and ends that come next, by their first step that is the same.
type Next = BTreeSet<usize>;

/// A function's steps, with one of each that do the same from there on.
pub(super) fn merged(steps: &[Step]) -> Result<Vec<Step>, String> {
    let mut merge = Merge {
        steps,
        looks: 0,
        same: HashMap::new(),
        known: HashMap::new(),
        order: Vec::new(),
    };
    let first = merge.walk()?;
    Ok(merge.laid_out(&first))
}

struct Merge<'s> {
    steps: &'s [Step],
    looks: usize,
    /// The first step that does the same, of those that were walked.
    same: HashMap<usize, usize>,
    known: HashMap<(&'s Step, Next), usize>,
    /// One of each, ends first, with what comes next.
    order: Vec<(usize, Next)>,
}

impl Merge<'_> {
    /// Goes through all calls, ends first. The answer is what the function begins with.
    fn walk(&mut self) -> Result<Next, String> {
        let first = self.ahead(0)?;
        let mut begun: HashSet<usize> = HashSet::new();
        let mut open: Vec<(usize, bool)> = first.iter().map(|at| (*at, false)).collect();
        while let Some((at, is_done)) = open.pop() {
            let ahead = match self.steps.get(at) {
                Some(Step::Call { .. }) => self.ahead(at.saturating_add(1))?,
                _ => Next::new(),
            };
            if is_done {
                self.note(at, &ahead);
            } else if begun.insert(at) {
                open.push((at, true));
                open.extend(ahead.iter().map(|next| (*next, false)));
            }
        }
        Ok(self.by_first(&first))
    }

    fn note(&mut self, at: usize, ahead: &Next) {
        let Some(step) = self.steps.get(at) else {
            return;
        };
        let ahead = self.by_first(ahead);
        let first = *self.known.entry((step, ahead.clone())).or_insert(at);
        self.same.insert(at, first);
        if first == at {
            self.order.push((at, ahead));
        }
    }

    fn by_first(&self, steps: &Next) -> Next {
        let first = |at: &usize| self.same.get(at).copied().unwrap_or(*at);
        steps.iter().map(first).collect()
    }

    /// The calls and ends that come next, whichever way is taken; where all fail there are
    /// none.
    fn ahead(&mut self, from: usize) -> Result<Next, String> {
        let mut ahead = Next::new();
        let mut seen = HashSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if !seen.insert(at) {
                continue;
            }
            self.looks = self.looks.saturating_add(1);
            if self.looks > MOST_LOOKS {
                return Err(String::from("more ways than are followed"));
            }
            match self.steps.get(at) {
                Some(Step::Goto(to)) => open.push(*to),
                Some(Step::Branch(to)) => open.extend([*to, at.saturating_add(1)]),
                Some(Step::Call { .. } | Step::Ret(_)) => _ = ahead.insert(at),
                None => return Err(String::from("a way without an end")),
            }
        }
        Ok(ahead)
    }

    /// The steps in an order in which ways lead ahead wherever they can.
    fn laid_out(&self, first: &Next) -> Vec<Step> {
        let mut laid = Vec::new();
        let mut places = HashMap::new();
        let order: Vec<_> = self.order.iter().rev().collect();
        lead(first, order.first().map(|(at, _)| *at), &mut laid);
        for (number, (at, ahead)) in order.iter().enumerate() {
            places.insert(*at, laid.len());
            laid.extend(self.steps.get(*at).cloned());
            if matches!(self.steps.get(*at), Some(Step::Call { .. })) {
                let next = order.get(number.saturating_add(1)).map(|(at, _)| *at);
                lead(ahead, next, &mut laid);
            }
        }
        for (here, step) in laid.iter_mut().enumerate() {
            if let Step::Goto(to) | Step::Branch(to) = step {
                *to = places.get(to).copied().unwrap_or(here);
            }
        }
        laid
    }
}

/// Leads from the end of what is laid to each of these, by their old places; to none with
/// a step that leads to itself, as an error's end is written.
fn lead(ahead: &Next, next: Option<usize>, laid: &mut Vec<Step>) {
    let falls_to = next.filter(|next| ahead.contains(next));
    let last = falls_to.or_else(|| ahead.first().copied());
    let others = ahead.iter().filter(|at| Some(**at) != last);
    laid.extend(others.map(|at| Step::Branch(*at)));
    if falls_to.is_none() {
        laid.push(Step::Goto(last.unwrap_or(usize::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(function: usize) -> Step {
        Step::Call {
            dst: None,
            function,
            args: Vec::new(),
        }
    }

    #[test]
    fn ways_that_do_the_same_are_one() {
        // 0 or 2 make the same calls; 4 ends with an error.
        let steps = [
            Step::Branch(3),
            call(1),
            Step::Goto(7),
            Step::Branch(5),
            Step::Goto(4),
            call(1),
            Step::Goto(7),
            Step::Ret(2),
        ];
        assert_eq!(merged(&steps), Ok(vec![call(1), Step::Ret(2)]));
    }

    #[test]
    fn ways_that_differ_stay_two() {
        let steps = [
            Step::Branch(3),
            call(1),
            Step::Goto(4),
            call(2),
            Step::Ret(0),
        ];
        assert_eq!(merged(&steps), Ok(steps.to_vec()));
    }

    #[test]
    fn loops_end_only_in_errors_or_go_on() {
        let round = [Step::Branch(0), call(1), Step::Branch(0), Step::Ret(0)];
        let wanted = vec![call(1), Step::Branch(0), Step::Ret(0)];
        assert_eq!(merged(&round), Ok(wanted));
        let fails = [call(1), Step::Goto(1)];
        assert_eq!(merged(&fails), Ok(fails.to_vec()));
    }
}
