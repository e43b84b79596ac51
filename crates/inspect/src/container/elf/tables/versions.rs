//! The versions of symbols: the list of what is asked of other libraries, and the
//! number that each symbol has in it.
//!
//! The loader follows the list by its own distances to its end, looks for every
//! library among those that are loaded, and uses each symbol's number as an index.

use std::collections::HashSet;

use object::Endianness;
use object::elf;
use object::pod;
use object::read::elf::{FileHeader, Sym};

use crate::container::Reply;
use crate::container::elf::dynamic::Dynamic;
use crate::container::elf::image::Image;
use crate::container::elf::memory::Memory;
use crate::container::elf::table::Table;
use crate::container::faults::Faults;
use crate::container::system_symbols;

/// Bytes of a name that are shown.
const MAX_SHOWN: usize = 80;
/// The last glibc, 2.36, of which all names are known.
const KNOWN_GLIBC: u32 = 36;
/// Entries that are followed; real libraries have fewer than a hundred.
const MAX_ENTRIES: usize = 1 << 16;
/// What is in every process whether a library names it or not: TVM's runtime needs them.
const ALWAYS: [&[u8]; 6] = [
    b"libc.so.6",
    b"libm.so.6",
    b"libstdc++.so.6",
    b"libgcc_s.so.1",
    b"ld-linux-x86-64.so.2",
    b"ld-linux-aarch64.so.1",
];

/// The libraries of glibc's that `system_symbols` knows all names of.
const GLIBC: [&[u8]; 6] = [
    b"libc.so.6",
    b"libm.so.6",
    b"libdl.so.2",
    b"libpthread.so.0",
    b"librt.so.1",
    b"ld-linux-x86-64.so.2",
];

/// Reports what is wrong, and gives the numbers of defined symbols whose version is not
/// listed: wrong only where the library itself looks for one.
pub(super) fn check<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
    faults: &mut Faults,
) -> HashSet<u32> {
    let memory = &image.memory;
    let mut odd = HashSet::new();
    // The loader does not know how long the table of names is.
    let strings = dynamic.get(elf::DT_STRTAB).and_then(|at| memory.at(at));
    let mut list = List {
        endian: image.endian,
        strings: strings.map_or(table.strings, |(_, bytes)| bytes),
        numbers: Vec::new(),
        left: MAX_ENTRIES,
    };
    let needed = dynamic.all(&[elf::DT_NEEDED]);
    // A library that is needed by a path is loaded under its name too.
    let needed: HashSet<&[u8]> = needed
        .filter_map(|one| list.name(one.value))
        .flat_map(|one| [Some(one), one.rsplit(|byte| *byte == b'/').next()])
        .flatten()
        .collect();
    let ends = (|| {
        list.needs(memory, dynamic, &needed, faults)?;
        list.definitions(memory, dynamic, faults)
    })();
    if ends.is_none() {
        if list.left > 0 {
            let at = dynamic.entry(elf::DT_VERNEED);
            let what = String::from("a list of symbol versions leads out of its segment");
            faults.add(Reply::Crash, what, at.map_or(0, |entry| entry.offset));
        }
        return odd;
    }
    let Some(versions) = dynamic.get(elf::DT_VERSYM) else {
        return odd;
    };
    let bytes = memory.at(versions);
    let found = bytes.and_then(|(at, bytes)| {
        let count = table.symbols.len();
        let (all, _) = pod::slice_from_bytes::<object::U16<Endianness>>(bytes, count).ok()?;
        Some((at, all))
    });
    let Some((at, all)) = found else {
        let what = String::from("the symbols' version numbers end outside their segment");
        faults.add(Reply::Crash, what, 0);
        return odd;
    };
    let has_glibc = image.header.e_machine(image.endian) == elf::EM_X86_64;
    let numbers = (0u64..).zip(all).zip(table.symbols).skip(1);
    for ((number, version), symbol) in numbers {
        let at = at.saturating_add(number.saturating_mul(2));
        let version = version.get(image.endian);
        if list.version_of(symbol, version, (number, at), has_glibc, faults)
            && let Ok(number) = u32::try_from(number)
        {
            odd.insert(number);
        }
    }
    odd
}

/// The lists, as they are followed.
struct List<'data> {
    endian: Endianness,
    strings: &'data [u8],
    /// The versions, by their numbers.
    numbers: Vec<Option<&'data [u8]>>,
    left: usize,
}

impl<'data> List<'data> {
    fn name(&self, offset: u64) -> Option<&'data [u8]> {
        let rest = self.strings.get(usize::try_from(offset).ok()?..)?;
        let rest = rest.get(..crate::limits::MAX_NAME).unwrap_or(rest);
        rest.get(..memchr::memchr(0, rest)?)
    }

    /// Looks at a symbol's version. Whether it is of the library's own and not listed.
    fn version_of<S: Sym<Endian = Endianness>>(
        &self,
        symbol: &S,
        version: u16,
        (number, at): (u64, u64),
        has_glibc: bool,
        faults: &mut Faults,
    ) -> bool {
        let index = version & 0x7fff;
        let name = self.name(symbol.st_name(self.endian).into());
        let listed = self.numbers.get(usize::from(index)).copied().flatten();
        let is_undefined = symbol.is_undefined(self.endian);
        if let (Some(asked), Some(name)) = (listed, name)
            && (has_glibc && is_undefined && !symbol.is_weak())
            && is_missing(asked, name)
        {
            let (name, asked) = (shown(Some(name)), shown(Some(asked)));
            let what = format!("glibc has no {name} of version {asked}");
            faults.add(Reply::NotFound, what, at);
        }
        if index < 2 || listed.is_some() {
            return false;
        }
        let what = format!("symbol {number} has version {index}, which the library does not list");
        // One that the list passes over is no version. What is behind the list's end, the
        // loader takes from where other things are.
        let is_behind = usize::from(index) >= self.numbers.len();
        // Who looks for a definition does not ask for its version. The highest bit hides it.
        if is_undefined {
            if is_behind {
                faults.add(Reply::Unknown, what, at);
            }
        } else if index != version {
            faults.lost(Reply::NotFound, name.unwrap_or_default(), what, at);
        }
        !is_undefined && index == version && is_behind
    }

    fn step(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    fn number(&mut self, number: u16, name: Option<&'data [u8]>) {
        let number = usize::from(number & 0x7fff);
        if self.numbers.len() <= number {
            self.numbers.resize(number.saturating_add(1), None);
        }
        if let Some(known) = self.numbers.get_mut(number) {
            *known = name.or(Some(b""));
        }
    }

    /// `DT_VERNEED`; nothing where the list leaves its segment.
    fn needs(
        &mut self,
        memory: &Memory<'_>,
        dynamic: &Dynamic,
        needed: &HashSet<&[u8]>,
        faults: &mut Faults,
    ) -> Option<()> {
        let Some(entry) = dynamic.entry(elf::DT_VERNEED) else {
            return Some(());
        };
        let mut address = entry.value;
        loop {
            self.step()?;
            let (at, bytes) = memory.at(address)?;
            let (need, _) = pod::from_bytes::<elf::Verneed<Endianness>>(bytes).ok()?;
            // The loader asks the first, and of no name the program itself.
            if address == entry.value && need.vn_version.get(self.endian) != 1 {
                let what =
                    String::from("the list of symbol versions has an entry of an unknown form");
                faults.add(Reply::Version, what, at);
                return Some(());
            }
            let library = self.name(need.vn_file.get(self.endian).into());
            let is_there =
                |name: &&[u8]| name.is_empty() || ALWAYS.contains(name) || needed.contains(name);
            if library.filter(is_there).is_none() {
                let what = format!(
                    "symbol versions are asked of {}, which is not among the needed libraries",
                    shown(library)
                );
                faults.add(Reply::Assertion, what, at);
            }
            let first = address.checked_add(need.vn_aux.get(self.endian).into())?;
            self.versions_of(memory, first, library, faults)?;
            match need.vn_next.get(self.endian) {
                0 => return Some(()),
                next => address = address.checked_add(next.into())?,
            }
        }
    }

    fn versions_of(
        &mut self,
        memory: &Memory<'_>,
        mut address: u64,
        library: Option<&[u8]>,
        faults: &mut Faults,
    ) -> Option<()> {
        loop {
            self.step()?;
            let (at, bytes) = memory.at(address)?;
            let (version, _) = pod::from_bytes::<elf::Vernaux<Endianness>>(bytes).ok()?;
            let name = self.name(version.vna_name.get(self.endian).into());
            let hash = version.vna_hash.get(self.endian);
            // A program has no versions, and of what has none any is taken.
            let is_of_program = library.is_some_and(<[u8]>::is_empty);
            if !is_of_program && name.is_none_or(|name| elf::hash(name) != hash) {
                let what = format!(
                    "the version {} that is asked for has the hash of another name",
                    shown(name)
                );
                faults.add(Reply::Version, what, at);
            }
            let number = version.vna_other.get(self.endian).0;
            let known = self.numbers.get(usize::from(number & 0x7fff));
            if known.copied().flatten().is_some() {
                let what = format!("two versions that are asked for have the number {number}");
                faults.add(Reply::Unknown, what, at);
            }
            // Of others than glibc's own the names are not known.
            let is_glibcs = library.is_none_or(|library| GLIBC.contains(&library));
            self.number(number, name.filter(|_| is_glibcs));
            match version.vna_next.get(self.endian) {
                0 => break,
                next => address = address.checked_add(next.into())?,
            }
        }
        Some(())
    }

    /// `DT_VERDEF`.
    fn definitions(
        &mut self,
        memory: &Memory<'_>,
        dynamic: &Dynamic,
        faults: &mut Faults,
    ) -> Option<()> {
        let Some(entry) = dynamic.entry(elf::DT_VERDEF) else {
            return Some(());
        };
        let mut address = entry.value;
        loop {
            self.step()?;
            let (at, bytes) = memory.at(address)?;
            let (version, _) = pod::from_bytes::<elf::Verdef<Endianness>>(bytes).ok()?;
            let first = address.checked_add(version.vd_aux.get(self.endian).into())?;
            let (first, _) =
                pod::from_bytes::<elf::Verdaux<Endianness>>(memory.at(first)?.1).ok()?;
            let name = self.name(first.vda_name.get(self.endian).into());
            let hash = version.vd_hash.get(self.endian);
            // The first names the library itself, which no loader looks up; old patchelf
            // overwrites that name.
            let is_own = version
                .vd_flags
                .get(self.endian)
                .contains(elf::VER_FLG_BASE);
            if version.vd_version.get(self.endian) != 1
                || (!is_own && name.is_none_or(|name| elf::hash(name) != hash))
            {
                let what = format!(
                    "the version {} that the library defines has the hash of another name",
                    shown(name)
                );
                faults.add(Reply::Version, what, at);
            }
            self.number(version.vd_ndx.get(self.endian).0, None);
            match version.vd_next.get(self.endian) {
                0 => return Some(()),
                next => address = address.checked_add(next.into())?,
            }
        }
    }
}

/// Whether a version of glibc that is known by its names has none of this name.
fn is_missing(version: &[u8], name: &[u8]) -> bool {
    let minor = version.strip_prefix(b"GLIBC_2.");
    let minor = minor.and_then(|minor| std::str::from_utf8(minor).ok());
    let minor = minor.and_then(|minor| minor.split('.').next()?.parse::<u32>().ok());
    let name = std::str::from_utf8(name).unwrap_or_default();
    minor.is_some_and(|minor| minor <= KNOWN_GLIBC) && !system_symbols::defines(name)
}

/// A name as text.
fn shown(name: Option<&[u8]>) -> String {
    let Some(name) = name else {
        return String::from("a name that is not in the table");
    };
    let name = name.get(..MAX_SHOWN).unwrap_or(name);
    format!("`{}`", String::from_utf8_lossy(name))
}
