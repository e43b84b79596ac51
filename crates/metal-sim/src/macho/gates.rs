//! Ways out of the emulator: addresses that emulated code calls, one for each name.
//!
//! The first gate has no name: a call from outside returns there.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use memmap2::MmapMut;

use super::emulator::LEAVE;
use super::error::{MachOError, Result};
use super::mapped::anonymous;
use super::native;

/// As many as fit; an image asks for hundreds.
const GATES: usize = 4096;
const GATE_BYTES: usize = 8;

/// Gates to meanings of type `T`.
pub(super) struct Gates<T> {
    memory: MmapMut,
    known: RwLock<Known<T>>,
}

struct Known<T> {
    by_name: HashMap<String, u64>,
    meanings: Vec<Arc<T>>,
}

impl<T> Gates<T> {
    pub(super) fn new() -> Result<Gates<T>> {
        let mut memory = anonymous(GATES * GATE_BYTES)?;
        for gate in memory.chunks_exact_mut(GATE_BYTES) {
            for (place, byte) in gate.iter_mut().zip(LEAVE) {
                *place = byte;
            }
        }
        Ok(Gates {
            memory,
            known: RwLock::new(Known {
                by_name: HashMap::new(),
                meanings: Vec::new(),
            }),
        })
    }

    /// Where a call from outside returns to.
    pub(super) fn back(&self) -> u64 {
        native::address_of(&self.memory)
    }

    /// The gate of a name; `meaning` is asked once.
    pub(super) fn of(&self, name: &str, meaning: impl FnOnce(&str) -> T) -> Result<u64> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = known.by_name.get(name) {
            return Ok(*gate);
        }
        let index = known.meanings.len() + 1;
        if index >= GATES {
            return Err(MachOError::Unsupported(format!(
                "an image with more than {GATES} imports"
            )));
        }
        let gate = self.back() + (index * GATE_BYTES) as u64;
        known.meanings.push(Arc::new(meaning(name)));
        known.by_name.insert(name.to_owned(), gate);
        Ok(gate)
    }

    /// What the gate at this address stands for.
    pub(super) fn meaning(&self, gate: u64) -> Option<Arc<T>> {
        let index = self.index(gate)?;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.meanings.get(index).cloned()
    }

    fn index(&self, gate: u64) -> Option<usize> {
        let offset = usize::try_from(gate.checked_sub(self.back())?).ok()?;
        (offset / GATE_BYTES).checked_sub(1)
    }

    /// The names whose meanings are of a kind.
    pub(super) fn names(&self, is: impl Fn(&T) -> bool) -> Vec<String> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let of_kind = known.by_name.iter().filter(|(_, gate)| {
            self.index(**gate)
                .and_then(|index| known.meanings.get(index))
                .is_some_and(|meaning| is(meaning))
        });
        of_kind.map(|(name, _)| name.clone()).collect()
    }
}
