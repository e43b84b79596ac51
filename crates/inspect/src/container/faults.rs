//! What the checks of a loader's tables share, of ELF files and of PE images: the list of
//! faults.

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
        self.push(reply, what, offset, Vec::new());
    }

    /// The same where it comes of it when a symbol is asked for.
    pub(super) fn lost(&mut self, reply: Reply, symbol: &[u8], what: String, offset: u64) {
        let symbol = String::from_utf8_lossy(symbol).into_owned();
        self.push(reply, what, offset, vec![symbol]);
    }

    fn push(&mut self, reply: Reply, what: String, offset: u64, lost: Vec<String>) {
        if !self.is_full() {
            let kind = DamageKind::Table(reply);
            self.found.push(Damage {
                kind,
                what,
                offset,
                lost,
            });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MAX_FAULTS
    }
}
