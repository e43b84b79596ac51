//! What the checks of the loader's tables share: the list of faults.

use crate::container::{Damage, DamageKind, Reply};

/// Faults that are kept of one file.
const MAX_FAULTS: usize = 8;

/// What was found.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) found: Vec<Damage>,
}

impl Faults {
    pub(super) fn add(&mut self, reply: Reply, what: String, offset: u64) {
        if !self.is_full() {
            let kind = DamageKind::Table(reply);
            self.found.push(Damage { kind, what, offset });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MAX_FAULTS
    }
}
