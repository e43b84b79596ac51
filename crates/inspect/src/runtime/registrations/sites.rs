//! Where the code of a part calls functions, stubs passed over.

use std::collections::HashMap;

use super::registrar::{Takes, registrar};
use crate::container::{self, Callee, Linkage, Parsed};
use crate::machine::{self, Machine, Piece, Target};

pub(super) type Map<V> = HashMap<u64, V, foldhash::fast::RandomState>;

/// Calls that are kept; the largest libtvm has a million.
const MOST: usize = 1 << 23;

/// Addresses of code, a bit for each byte of it, and others.
struct Marks {
    /// First address, length and bits of each piece, by address.
    pieces: Vec<(u64, u64, Vec<u64>)>,
    others: Map<()>,
}

impl Marks {
    /// None in code that is sorted by address.
    fn of(code: &[Piece<'_>]) -> Self {
        let pieces = code.iter().map(|piece| {
            let bits = vec![0; piece.data.len().div_ceil(64)];
            (piece.address, piece.data.len() as u64, bits)
        });
        Self {
            pieces: pieces.collect(),
            others: Map::default(),
        }
    }

    /// The index of the piece that holds an address, and the place of its bit.
    fn place(&self, address: u64) -> Option<(usize, usize, u64)> {
        let after = self.pieces.partition_point(|(start, ..)| *start <= address);
        let index = after.checked_sub(1)?;
        let (start, length, _) = self.pieces.get(index)?;
        let at = address.checked_sub(*start).filter(|at| at < length)?;
        let bit = 1u64.wrapping_shl(u32::try_from(at % 64).ok()?);
        Some((index, usize::try_from(at / 64).ok()?, bit))
    }

    fn set(&mut self, address: u64) {
        let place = self.place(address);
        let bits = place.and_then(|(piece, word, bit)| {
            Some((self.pieces.get_mut(piece)?.2.get_mut(word)?, bit))
        });
        match bits {
            Some((bits, bit)) => *bits |= bit,
            None => drop(self.others.insert(address, ())),
        }
    }

    fn holds(&self, address: u64) -> bool {
        let Some((piece, word, bit)) = self.place(address) else {
            return self.others.contains_key(&address);
        };
        let bits = self.pieces.get(piece).and_then(|piece| piece.2.get(word));
        bits.is_some_and(|bits| bits & bit != 0)
    }
}

/// Functions and their calls. A function of another library is known by the cell
/// that it is called through.
pub(super) struct Sites<'a> {
    /// By address.
    code: Vec<Piece<'a>>,
    linkage: Linkage,
    /// Code, and cells, that only lead elsewhere, and where.
    stubs: Map<u64>,
    /// Calls: callee and place, sorted.
    calls: Vec<(u64, u64)>,
    /// Whether there are more.
    pub(super) is_cut: bool,
}

impl<'a> Sites<'a> {
    /// Finds the calls of a part, and in it the functions that register by their
    /// name; `None` where there is none of those.
    pub(super) fn of(
        machine: &dyn Machine<'a>,
        parsed: &'a Parsed<'_>,
    ) -> Option<(Self, Map<Takes>)> {
        let linkage = container::linkage(parsed, |name| registrar(name).is_some());
        let mut known = Map::default();
        let mut stubs = Map::default();
        for (address, callee) in linkage.named.iter().chain(&linkage.cells) {
            match callee {
                Callee::Named(name) => {
                    known.extend(registrar(name.as_bytes()).map(|takes| (*address, takes)));
                }
                Callee::Here(own) => {
                    stubs.insert(*address, *own);
                }
            }
        }
        if known.is_empty() {
            return None;
        }
        let mut code = machine::code(parsed);
        code.sort_by_key(|piece| piece.address);
        let mut sites = Self {
            code,
            linkage,
            stubs,
            calls: Vec::new(),
            is_cut: false,
        };
        sites.find(machine, &known);
        Some((sites, known))
    }

    fn find(&mut self, machine: &dyn Machine<'a>, known: &Map<Takes>) {
        let mut calls = Vec::new();
        for piece in &self.code {
            machine.through_cells(*piece, &mut |site, cell, is_jump| {
                if !self.linkage.cells.contains_key(&cell) {
                    return;
                }
                let callee = self.stubs.get(&cell).copied().unwrap_or(cell);
                if is_jump {
                    self.stubs.insert(site, callee);
                } else {
                    calls.push((callee, site));
                }
            });
        }
        let mut marks = Marks::of(&self.code);
        let starts = self.linkage.starts.iter();
        for address in starts.chain(self.stubs.keys()).chain(known.keys()) {
            marks.set(*address);
        }
        for piece in &self.code {
            machine.calls(*piece, &mut |site, target| {
                // Most of what looks like a call is none.
                if !marks.holds(target) {
                    return;
                }
                // What is marked and no stub is a function, or registers.
                let callee = match self.stubs.get(&target) {
                    Some(callee) => {
                        let is_function = self.linkage.starts.binary_search(callee).is_ok();
                        Some(*callee).filter(|callee| is_function || known.contains_key(callee))
                    }
                    None => Some(target),
                };
                if calls.len() < MOST {
                    calls.extend(callee.map(|callee| (callee, site)));
                }
            });
        }
        calls.sort_unstable();
        self.is_cut = calls.len() >= MOST;
        self.calls = calls;
    }

    /// What is called by a call that leads to `target`.
    pub(super) fn callee(&self, target: Target) -> Option<u64> {
        let (Target::Code(address) | Target::Cell(address)) = target else {
            return None;
        };
        Some(self.stubs.get(&address).copied().unwrap_or(address))
    }

    /// The functions that call `callee`, itself left out.
    pub(super) fn callers(&self, callee: u64) -> Vec<Piece<'a>> {
        let first = self.calls.partition_point(|(called, _)| *called < callee);
        let calls = self.calls.get(first..).unwrap_or_default();
        let calls = calls.iter().take_while(|(called, _)| *called == callee);
        let functions = calls.filter_map(|(_, site)| self.linkage.function(*site));
        let mut functions: Vec<(u64, Option<u64>)> =
            functions.filter(|(start, _)| *start != callee).collect();
        functions.dedup();
        let bodies = functions.into_iter();
        bodies
            .filter_map(|(start, end)| self.body(start, end))
            .collect()
    }

    fn body(&self, start: u64, end: Option<u64>) -> Option<Piece<'a>> {
        let after = self.code.partition_point(|piece| piece.address <= start);
        let piece = self.code.get(after.checked_sub(1)?)?;
        let from = usize::try_from(start.checked_sub(piece.address)?).ok()?;
        let rest = piece.data.get(from..)?;
        let length = end.and_then(|end| end.checked_sub(start));
        let length = length.and_then(|length| usize::try_from(length).ok());
        let data = length.and_then(|length| rest.get(..length)).unwrap_or(rest);
        (!data.is_empty()).then_some(Piece {
            data,
            address: start,
        })
    }
}
