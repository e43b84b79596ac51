//! What the checks of a loader's tables share, of ELF files and of PE images: the list of
//! faults.

use std::ops::RangeInclusive;

use crate::container::{Damage, DamageKind, Reply};

/// Faults that are kept of one file.
const MAX_FAULTS: usize = 8;

/// How far out of its library a program may point, `a - N` in C, and not mean it.
const NEAR: u64 = 1 << 28;

/// What comes of an address that is set and is none of the library's: a pointer that is
/// moved before it is used may lead there.
pub(super) fn out_of(addresses: &RangeInclusive<u64>, address: u64) -> Reply {
    let behind = address.wrapping_sub(*addresses.end());
    let before = addresses.start().wrapping_sub(address);
    match behind.min(before) < NEAR {
        true => Reply::Unknown,
        false => Reply::Crash,
    }
}

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
