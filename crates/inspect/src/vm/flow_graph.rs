//! Where a register's value comes from: basic blocks of one VM function and
//! the definitions that reach a place in it.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};

use super::{Executable, Instruction, Register};

/// The definitions of a register that reach a place.
#[derive(Debug, Default)]
pub(super) struct Reaching {
    /// Instructions that write the register, ascending.
    pub(super) definitions: BTreeSet<u64>,
    /// The function's entry is reached without a definition.
    pub(super) entry: bool,
    /// The search was cut short by its budget.
    pub(super) cut: bool,
}

/// A straight run of instructions.
#[derive(Debug)]
struct Block {
    start: u64,
    end: u64,
    predecessors: Vec<usize>,
}

/// Control flow and register writes of one function.
#[derive(Debug)]
pub(super) struct Graph {
    blocks: Vec<Block>,
    /// Instructions that write a register, ascending.
    writes: HashMap<i64, Vec<u64>>,
}

impl Graph {
    pub(super) fn new(executable: &Executable, function: usize) -> Self {
        let range = executable
            .functions
            .get(function)
            .map_or(0..0, |function| function.instructions.clone());
        let mut writes: HashMap<i64, Vec<u64>> = HashMap::new();
        let mut leaders = BTreeSet::from([range.start]);
        let mut edges = Vec::new();
        for (index, instruction) in executable.instructions(range.clone()) {
            let next = index.saturating_add(1);
            let jump = match instruction {
                Instruction::Call { dst, .. } => {
                    if let Register::Number(register) = dst {
                        writes.entry(register).or_default().push(index);
                    }
                    continue;
                }
                Instruction::Ret { .. } => None,
                Instruction::Goto { offset } => index.checked_add_signed(offset),
                Instruction::If { false_offset, .. } => {
                    edges.push((index, next));
                    index.checked_add_signed(false_offset)
                }
            };
            leaders.insert(next);
            if let Some(target) = jump.filter(|target| range.contains(target)) {
                leaders.insert(target);
                edges.push((index, target));
            }
        }
        Self {
            blocks: blocks(executable, &leaders, range.end, edges),
            writes,
        }
    }

    /// The definitions of `register` that reach the place just before
    /// instruction `at`. Each block looked at costs one of `budget`.
    pub(super) fn reaching(&self, register: i64, at: u64, budget: &Cell<usize>) -> Reaching {
        let mut reaching = Reaching::default();
        let Some(block) = self.block_of(at) else {
            return reaching;
        };
        let mut visited = BTreeSet::new();
        let mut pending = vec![(block, at)];
        while let Some((index, before)) = pending.pop() {
            let Some(block) = self.blocks.get(index) else {
                continue;
            };
            match budget.get().checked_sub(1) {
                Some(left) => budget.set(left),
                None => {
                    reaching.cut = true;
                    break;
                }
            }
            if let Some(definition) = self.last_write(register, block.start, before) {
                reaching.definitions.insert(definition);
                continue;
            }
            reaching.entry |= index == 0;
            for predecessor in &block.predecessors {
                let end = self.blocks.get(*predecessor).map_or(0, |block| block.end);
                if visited.insert(*predecessor) {
                    pending.push((*predecessor, end));
                }
            }
        }
        reaching
    }

    fn block_of(&self, instruction: u64) -> Option<usize> {
        self.blocks
            .partition_point(|block| block.start <= instruction)
            .checked_sub(1)
    }

    fn last_write(&self, register: i64, from: u64, before: u64) -> Option<u64> {
        let writes = self.writes.get(&register)?;
        let after = writes.partition_point(|write| *write < before);
        let write = *writes.get(after.checked_sub(1)?)?;
        (write >= from).then_some(write)
    }
}

fn blocks(
    executable: &Executable,
    leaders: &BTreeSet<u64>,
    end: u64,
    mut edges: Vec<(u64, u64)>,
) -> Vec<Block> {
    let starts: Vec<u64> = leaders.iter().copied().filter(|at| *at < end).collect();
    let ends = starts.iter().copied().skip(1).chain([end]);
    let mut blocks: Vec<Block> = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| Block {
            start: *start,
            end,
            predecessors: Vec::new(),
        })
        .collect();
    // A block that ends in a call runs into the next.
    edges.extend(blocks.iter().filter_map(|block| {
        let last = block.end.checked_sub(1)?;
        let call = matches!(executable.instruction(last), Some(Instruction::Call { .. }));
        call.then_some((last, block.end))
    }));
    for (from, to) in edges {
        let holding = |at: u64| starts.partition_point(|start| *start <= at).checked_sub(1);
        if to >= end {
            continue;
        }
        if let (Some(from), Some(to)) = (holding(from), holding(to))
            && let Some(block) = blocks.get_mut(to)
        {
            block.predecessors.push(from);
        }
    }
    blocks
}
