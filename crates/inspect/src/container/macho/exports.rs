//! What a Mach-O image exports: dyld asks the export trie where there is one, and the
//! symbol table only where there is none. Where both are there, they are compared.

use std::collections::HashSet;

use object::Endianness;
use object::macho;
use object::read::macho::{MachHeader, Nlist};

use super::image::Image;
use super::table::{Kept, Kind, Table, in_code, is_exported, plain, table};
use super::trie::{Export, Trie};
use crate::container::names::concerns_tvm;
use crate::container::regions::RegionIndex;
use crate::container::symbols::Names;
use crate::container::{Damage, DamageKind, DefinedSymbol, Reply};
use crate::error::DecodeError;

/// In a trie of more bytes, a compiler's, only [`PREFIXES`] are looked for, and it is not
/// compared: compilers have fifty thousand exports.
const LARGE: usize = 1 << 20;

/// Beginnings of the names that [`concerns_tvm`] keeps in a library that is
/// not a system library, with Mach-O's underscore.
const PREFIXES: [&[u8]; 3] = [b"_TVM", b"___TVM", b"___tvm"];

/// Names that a message shows.
const SHOWN: usize = 3;

/// The trie of an image, and what is wrong with it.
pub(super) struct Exports<'a, 'data, Mach: MachHeader<Endian = Endianness>> {
    image: &'a Image<'data, Mach>,
    trie: Trie<'data>,
    index: RegionIndex,
    malformed: Option<DecodeError>,
    /// Exports by the symbol table that the trie does not lead to, and those that it
    /// leads away from.
    lost: Vec<String>,
    moved: Vec<String>,
    compared: bool,
}

impl<'a, 'data, Mach: MachHeader<Endian = Endianness>> Exports<'a, 'data, Mach> {
    pub(super) fn new(image: &'a Image<'data, Mach>, trie: Trie<'data>) -> Self {
        Self {
            image,
            trie,
            index: RegionIndex::new(&image.regions),
            malformed: None,
            lost: Vec::new(),
            moved: Vec::new(),
            compared: false,
        }
    }

    pub(super) fn is_large(&self) -> bool {
        self.trie.data.len() > LARGE
    }

    /// Keeps the exports of a kind.
    pub(super) fn keep(
        &mut self,
        kind: Kind,
        names: &mut Names<'_>,
        kept: &mut Kept,
    ) -> Result<(), DecodeError> {
        let prefixes: &[&[u8]] = match self.is_large() {
            true => &PREFIXES,
            false => &[b""],
        };
        let first = kept.defined.len();
        let mut failed = None;
        for prefix in prefixes {
            let read = self.trie.each(prefix, &mut |name, export| {
                let is_code = self.place(export).is_some_and(|(_, place)| {
                    let region = place.and_then(|(region, _)| self.image.regions.get(region));
                    region.is_some_and(|region| region.executable)
                });
                if kind.takes(plain(name), is_code)
                    && find(self.image, self.trie, name) == Some(export)
                {
                    match names.keep(plain(name)) {
                        Ok(name) => kept.defined.push(self.symbol(name, export)),
                        Err(error) => failed = Some(error),
                    }
                }
                failed.is_none()
            });
            self.malformed = self.malformed.take().or(read.err());
        }
        let found = kept.defined.get_mut(first..).unwrap_or_default();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        // Several ways may lead to one name of a damaged trie.
        kept.defined.dedup_by(|one, other| one.name == other.name);
        failed.map_or(Ok(()), Err)
    }

    /// The address of an export, and the region that holds it.
    fn place(&self, export: Export) -> Option<(u64, Option<(usize, u64)>)> {
        let address = self.image.text_address.checked_add(export.offset?)?;
        Some((address, self.index.find(address)))
    }

    fn symbol(&self, name: String, export: Export) -> DefinedSymbol {
        let (address, place) = self.place(export).unwrap_or_default();
        DefinedSymbol {
            weak: export.weak,
            ..DefinedSymbol::new(name, address, place)
        }
    }

    /// Looks for those of a kind that the symbol table calls exports.
    pub(super) fn compare(
        &mut self,
        kind: Kind,
        table: &Table<'data, Mach>,
        names: &mut Names<'_>,
        kept: &mut Kept,
    ) -> Result<(), DecodeError> {
        let endian = self.image.endian;
        let known = kept.defined.iter();
        let known: HashSet<&[u8]> = known.map(|symbol| symbol.name.as_bytes()).collect();
        let mut more = Vec::new();
        for symbol in table.external.iter().filter(|symbol| is_exported(*symbol)) {
            let Some(name) = names.get(symbol.n_strx(endian).into())? else {
                continue;
            };
            if !kind.takes(plain(name), in_code(self.image, symbol)) {
                continue;
            }
            self.compared = true;
            let address: u64 = symbol.n_value(endian).into();
            let found = find(self.image, self.trie, name);
            let is_right = found.is_some_and(|export| {
                // The lowest bit of an address may say which instructions are there.
                symbol.n_desc(endian).contains(macho::N_ARM_THUMB_DEF)
                    || self.place(export).map(|(there, _)| there) == Some(address)
            });
            let is_known = known.contains(plain(name));
            if is_right && is_known {
                continue;
            }
            let name = names.keep(plain(name))?;
            if found.is_some() && !is_right {
                self.moved.push(name.clone());
            }
            match found {
                Some(_) if is_known => {}
                // The enumeration ended before it, and the walk does not.
                Some(export) => more.push(self.symbol(name, export)),
                None => {
                    self.lost.push(name.clone());
                    more.push(DefinedSymbol {
                        exported: false,
                        ..DefinedSymbol::new(name, address, self.index.find(address))
                    });
                }
            }
        }
        kept.defined.extend(more);
        Ok(())
    }

    /// What is wrong, of a library that others open.
    pub(super) fn damage(self) -> Vec<Damage> {
        let at = |at: u64| self.image.base.saturating_add(at);
        let one = |reply, what: String, offset, lost| Damage {
            kind: DamageKind::Table(reply),
            what,
            offset: at(offset),
            lost,
        };
        let mut found = Vec::new();
        let start = self.trie.at;
        if !self.moved.is_empty() {
            let what = format!(
                "the export trie and the symbol table have different addresses for {}: dyld goes by the trie, and which of them is right is not known",
                listed(&self.moved)
            );
            found.push(one(Reply::Unknown, what, start, Vec::new()));
        }
        let offset = self.malformed.as_ref().map_or(start, |error| error.at);
        if !self.lost.is_empty() {
            let what = format!(
                "the export trie does not lead to {}: dyld looks for exports there alone, and does not find what only the symbol table has",
                listed(&self.lost)
            );
            found.push(one(Reply::NotFound, what, offset, self.lost));
        } else if let Some(error) = self.malformed {
            let (reply, comes) = match self.compared {
                true => (
                    Reply::Unasked,
                    "it leads to all that the symbol table has of TVM",
                ),
                false => (
                    Reply::NotFound,
                    "dyld does not find what is behind the damage",
                ),
            };
            let what = format!(
                "the export trie is damaged (expected {}, found {}): {comes}",
                error.expected, error.found
            );
            found.push(one(reply, what, offset, Vec::new()));
        }
        found
    }
}

/// An empty trie, of a library that has exports by its symbol table.
pub(super) fn empty<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    defined: &[DefinedSymbol],
) -> Vec<Damage> {
    let trie = image
        .exports
        .filter(|_| defined.iter().any(|symbol| symbol.exported));
    let of = |trie: Trie<'_>| Damage {
        kind: DamageKind::Table(Reply::Unknown),
        what: String::from(
            "the export trie is empty, and the symbol table has exports: whether dyld looks there too depends on its version",
        ),
        offset: image.base.saturating_add(trie.at),
        lost: Vec::new(),
    };
    trie.into_iter().map(of).collect()
}

fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What dyld finds by a name. A re-export needs a library of its number.
fn find<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    trie: Trie<'_>,
    name: &[u8],
) -> Option<Export> {
    let last = image.needed.len() as u64;
    let found = trie.find(name).ok().flatten();
    found.filter(|export| {
        export
            .library
            .is_none_or(|number| (1..=last).contains(&number))
    })
}

/// Calls `visit` with every export until it returns `false`.
pub(super) fn each<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    visit: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), DecodeError> {
    if let Some(trie) = image.trie() {
        // Damage is among the binary's, and ends nothing.
        let _ = trie.each(b"", &mut |name, _| visit(plain(name)));
        return Ok(());
    }
    let Some(table) = table(image)? else {
        return Ok(());
    };
    // What an object keeps from other libraries is there for the static linker.
    let is_object = image.header.filetype(image.endian) == macho::MH_OBJECT;
    let mut names = table.names(image);
    for symbol in table.external {
        if (is_exported(symbol)
            || (is_object && symbol.is_definition() && symbol.n_type().is_ext()))
            && let Some(name) = names.get(symbol.n_strx(image.endian).into())?
            && !visit(plain(name))
        {
            break;
        }
    }
    Ok(())
}

/// Which of `wanted` the image exports.
pub(super) fn defines<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    wanted: &[&str],
) -> Result<Vec<bool>, DecodeError> {
    if let Some(trie) = image.trie() {
        let is_found = |name: &&str| find(image, trie, format!("_{name}").as_bytes()).is_some();
        return Ok(wanted.iter().map(is_found).collect());
    }
    let mut found = vec![false; wanted.len()];
    each(image, &mut |symbol| {
        for (found, name) in found.iter_mut().zip(wanted) {
            *found |= name.as_bytes() == symbol;
        }
        true
    })?;
    Ok(found)
}

impl Kind {
    /// Whether an export of this name is of this kind.
    fn takes(self, name: &[u8], is_code: bool) -> bool {
        match self {
            Self::OfTvm => concerns_tvm(name),
            Self::Others => is_code && !concerns_tvm(name),
        }
    }
}
