//! Who uses the undefined symbols of a library, and whether anything leads there.
//!
//! TVM opens model libraries with `RTLD_LAZY` (tvm-ffi's library module; Python's `import`
//! and `ctypes` open theirs with `RTLD_NOW`). A function that is looked for at its first
//! call, and that only functions use which nothing leads to, is never looked for.

use std::collections::{BTreeSet, HashMap};

use object::Endianness;
use object::read::elf::{FileHeader, Rela, Sym};

use super::calls;
use super::dynamic::Dynamic;
use super::image::Image;
use super::relocations::{self, LISTS, Met};
use super::symbols;
use crate::container::names::is_blob_symbol;
use crate::container::{Architecture, DefinedSymbol, Region};

/// Symbols whose users are looked for.
const MAX_USED: usize = 16;

/// What is asked for users.
pub(super) struct Users<'a, 'data, Elf: FileHeader<Endian = Endianness>> {
    pub(super) image: &'a Image<'data, Elf>,
    pub(super) dynamic: &'a Dynamic,
    pub(super) regions: &'a [Region<'data>],
    pub(super) functions: &'a [DefinedSymbol],
    pub(super) architecture: Architecture,
    pub(super) met: &'a HashMap<u32, Met>,
}

impl<Elf: FileHeader<Endian = Endianness>> Users<'_, '_, Elf> {
    /// Whether the functions are those of a model library.
    pub(super) fn are_of_a_model(&self) -> bool {
        let mut functions = self.functions.iter();
        functions.any(|function| is_blob_symbol(&function.name))
    }

    /// For each symbol by its number: the functions that use it, and whether it is idle.
    pub(super) fn of(&self, numbers: impl Iterator<Item = u32>) -> Vec<(Vec<String>, bool)> {
        let met: Vec<Option<&Met>> = numbers
            .take(MAX_USED)
            .map(|number| self.met.get(&number))
            .collect();
        if met.is_empty() {
            return Vec::new();
        }
        let slots: Vec<u64> = met
            .iter()
            .map(|met| met.map_or(0, |met| met.slot))
            .collect();
        let users = calls::users(self.regions, self.functions, &slots, self.architecture);
        let is_lazy = |met: &Option<&Met>| met.is_some_and(|met| met.lazy);
        let all: BTreeSet<u64> = users
            .iter()
            .zip(&met)
            .filter(|(_, met)| is_lazy(met) && self.are_of_a_model())
            .flat_map(|(users, _)| users)
            .filter(|user| !is_of_tvm(user))
            .filter_map(|user| self.address_of(user))
            .collect();
        let reached = self.reached(&all);
        let is_idle = |user: &String| {
            let address = self.address_of(user).filter(|_| !is_of_tvm(user));
            address.is_some_and(|address| all.contains(&address) && !reached.contains(&address))
        };
        let idle: Vec<bool> = users
            .iter()
            .map(|users| !users.is_empty() && users.iter().all(is_idle))
            .collect();
        users.into_iter().zip(idle).collect()
    }

    fn address_of(&self, name: &str) -> Option<u64> {
        let mut functions = self.functions.iter();
        let found = functions.find(|function| function.name == name)?;
        Some(found.address)
    }

    /// Those of some functions that code or data of the library leads to.
    fn reached(&self, functions: &BTreeSet<u64>) -> BTreeSet<u64> {
        if functions.is_empty() {
            return BTreeSet::new();
        }
        let targets: Vec<u64> = functions.iter().copied().collect();
        let Some(by_code) = calls::led_to(self.regions, &targets, self.architecture) else {
            return functions.clone();
        };
        let mut reached = BTreeSet::new();
        // Constructors and other addresses in data; linkers may leave them to relocations.
        let words = self
            .regions
            .iter()
            .filter(|region| region.writable)
            .flat_map(|region| region.data.chunks_exact(8))
            .filter_map(|word| word.try_into().ok().map(u64::from_le_bytes));
        reached.extend(words.filter(|word| functions.contains(word)));
        // Or a relocation has the address, or names the function.
        let Ok(Some(table)) = symbols::dynamic_table(self.image, self.dynamic) else {
            return functions.clone();
        };
        let endian = self.image.endian;
        for list in LISTS {
            for entry in relocations::all(self.image, self.dynamic, list) {
                let addend: i64 = entry.r_addend(endian).into();
                let number = usize::try_from(entry.r_sym(endian, false)).unwrap_or(usize::MAX);
                let named = table.symbols.get(number);
                let named = named.map_or(0, |symbol| symbol.st_value(endian).into());
                let led_to = [addend.cast_unsigned(), named].into_iter();
                reached.extend(led_to.filter(|address| functions.contains(address)));
            }
        }
        // What only code leads to that nothing leads to is not reached either.
        let mut steps: Vec<(Option<u64>, u64)> = by_code
            .into_iter()
            .map(|(from, to)| {
                let user = calls::holder(self.functions, from).map(|user| user.address);
                (user.filter(|user| functions.contains(user)), to)
            })
            .collect();
        loop {
            let (led, rest): (Vec<_>, Vec<_>) = steps
                .into_iter()
                .partition(|(from, _)| from.is_none_or(|from| reached.contains(&from)));
            if led.is_empty() {
                return reached;
            }
            reached.extend(led.into_iter().map(|(_, to)| to));
            steps = rest;
        }
    }
}

/// Whether TVM calls a function of a model library.
fn is_of_tvm(name: &str) -> bool {
    name.contains("__tvm") || name.contains("TVM")
}
