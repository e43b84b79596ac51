//! Context slots that nothing in a library refers to, as compilers leave them that do not
//! optimise: that a runtime does not fill them has no effect.

use std::collections::{BTreeMap, BTreeSet};

use super::ModelLibrary;
use crate::container::{Parsed, SLOT, referred};

/// Fills in which slots are idle, where that is read.
pub(super) fn read(library: &mut ModelLibrary, parsed: &Parsed<'_>) {
    let mut slots: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for symbol in &parsed.binary.defined {
        if symbol.name.starts_with(SLOT) {
            let cells = slots.entry(&symbol.name).or_default();
            cells.insert(symbol.address);
        }
    }
    let cells: BTreeSet<u64> = slots.values().flatten().copied().collect();
    if cells.is_empty() {
        return;
    }
    let Some(referred) = referred(parsed, &cells) else {
        return;
    };
    let idle = slots
        .iter()
        .filter(|(_, cells)| cells.is_disjoint(&referred));
    library.idle_slots = idle.map(|(name, _)| (*name).to_owned()).collect();
}
