//! How the code of a linked image calls by name, and where its functions begin:
//! what is needed to follow a call without running it.
//!
//! Where it is read: ELF's relocations and `.eh_frame_hdr`, Mach-O's indirect
//! symbols and `LC_FUNCTION_STARTS`, PE's import tables and `.pdata`. An image
//! without them has an empty [`Linkage`]; nothing here is an error.

use std::collections::HashMap;

/// Functions and cells that are kept; the largest libtvm has half of it.
const MOST: usize = 1 << 20;

/// What a cell holds after loading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    /// A function of this name, here or in another library.
    Named(String),
    /// The function at this address.
    Here(u64),
}

/// Calls by name, and functions, by address as in [`super::Region::address`].
#[derive(Debug, Clone, Default)]
pub struct Linkage {
    /// Cells that the loader fills with the address of a function.
    pub cells: HashMap<u64, Callee, foldhash::fast::RandomState>,
    /// Code that is, or leads to, a function of a name.
    pub named: HashMap<u64, Callee, foldhash::fast::RandomState>,
    /// First addresses of functions, ascending.
    pub starts: Vec<u64>,
}

impl Linkage {
    /// Notes what a cell holds: a wanted function, or one of the image's own.
    pub(super) fn cell(&mut self, cell: u64, name: &[u8], own: Option<u64>, wanted: bool) {
        if self.cells.len() >= MOST {
            return;
        }
        if wanted {
            let callee = Callee::Named(String::from_utf8_lossy(name).into_owned());
            if let Some(own) = own {
                self.named.insert(own, callee.clone());
            }
            self.cells.insert(cell, callee);
        } else if let Some(own) = own {
            self.cells.insert(cell, Callee::Here(own));
        }
    }

    /// Notes where a function begins.
    pub(super) fn start(&mut self, address: u64) {
        if self.starts.len() < MOST {
            self.starts.push(address);
        }
    }

    /// The function that holds an address: its first one, and the first behind it.
    pub fn function(&self, address: u64) -> Option<(u64, Option<u64>)> {
        let after = self.starts.partition_point(|start| *start <= address);
        let start = *self.starts.get(after.checked_sub(1)?)?;
        Some((start, self.starts.get(after).copied()))
    }
}
