//! The two ELF hash tables: how many dynamic symbols there are, and whether
//! one of a given name is defined, without reading the others.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, Sym};

use super::image::{Dynamic, Image};
use super::table::Table;

/// 32-bit words in the file's byte order.
struct Words<'data> {
    data: &'data [u8],
    big_endian: bool,
}

impl Words<'_> {
    fn get(&self, index: u64) -> Option<u32> {
        let start = usize::try_from(index.checked_mul(4)?).ok()?;
        let bytes = self.data.get(start..start.checked_add(4)?)?;
        let bytes: [u8; 4] = bytes.try_into().ok()?;
        Some(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }
}

fn words<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
    address: Option<u64>,
) -> Option<Words<'data>> {
    let (_, data) = image.at_address(address?)?;
    Some(Words {
        data,
        big_endian: image.endian == Endianness::Big,
    })
}

/// Number of dynamic symbols by `DT_HASH`: its chain count.
pub(super) fn sysv_count<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> Option<usize> {
    usize::try_from(words(image, dynamic.hash)?.get(1)?).ok()
}

/// `DT_GNU_HASH`, header read.
struct GnuHash<'data> {
    words: Words<'data>,
    buckets: u64,
    first: u64,
    buckets_at: u64,
}

fn gnu<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
    dynamic: &Dynamic,
) -> Option<GnuHash<'data>> {
    let words = words(image, dynamic.gnu_hash)?;
    let buckets = words.get(0)?.into();
    let first = words.get(1)?.into();
    // The bloom filter is made of machine words.
    let bloom = u64::from(words.get(2)?);
    let word = if image.header.is_type_64() { 2 } else { 1 };
    let buckets_at = bloom.checked_mul(word)?.checked_add(4)?;
    Some(GnuHash {
        words,
        buckets,
        first,
        buckets_at,
    })
}

impl GnuHash<'_> {
    fn chain(&self, symbol: u64) -> Option<u32> {
        let index = symbol.checked_sub(self.first)?;
        let chains_at = self.buckets_at.checked_add(self.buckets)?;
        self.words.get(chains_at.checked_add(index)?)
    }
}

/// Number of dynamic symbols by `DT_GNU_HASH`: one past the end of the last
/// chain. `None` when no symbol is defined: the table then cannot tell.
pub(super) fn gnu_count<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> Option<usize> {
    let table = gnu(image, dynamic)?;
    let mut last = 0;
    for bucket in 0..table.buckets {
        let at = table.buckets_at.checked_add(bucket)?;
        last = last.max(u64::from(table.words.get(at)?));
    }
    if last == 0 {
        return None;
    }
    loop {
        let value = table.chain(last)?;
        last = last.checked_add(1)?;
        if value & 1 != 0 {
            return usize::try_from(last).ok();
        }
    }
}

/// Looks one defined symbol up through `DT_GNU_HASH`, else `DT_HASH`, else by
/// reading the whole table. Each symbol looked at costs one of `steps`; `None`
/// when they are used up, as by chains that run in circles.
pub(super) fn defines<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
    name: &[u8],
    steps: &mut usize,
) -> Option<bool> {
    if let Some(found) = gnu_defines(image, dynamic, table, name, steps) {
        return Some(found).filter(|_| *steps > 0);
    }
    if let Some(found) = sysv_defines(image, dynamic, table, name, steps) {
        return Some(found).filter(|_| *steps > 0);
    }
    *steps = steps.saturating_sub(table.symbols.len());
    if *steps == 0 {
        return None;
    }
    let mut symbols = table.symbols.iter();
    Some(symbols.any(|symbol| is_definition(image, table, symbol, name)))
}

fn gnu_defines<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
    name: &[u8],
    steps: &mut usize,
) -> Option<bool> {
    let hashes = gnu(image, dynamic)?;
    let hash = elf::gnu_hash(name);
    let bucket = u64::from(hash).checked_rem(hashes.buckets)?;
    let at = hashes.buckets_at.checked_add(bucket)?;
    let mut index = u64::from(hashes.words.get(at)?);
    if index == 0 {
        return Some(false);
    }
    // The chain cannot be longer than the symbol table.
    while let Some(symbol) = usize::try_from(index)
        .ok()
        .and_then(|index| table.symbols.get(index))
    {
        *steps = steps.saturating_sub(1);
        let value = hashes.chain(index)?;
        if value | 1 == hash | 1 && is_definition(image, table, symbol, name) {
            return Some(true);
        }
        if value & 1 != 0 || *steps == 0 {
            break;
        }
        index = index.checked_add(1)?;
    }
    Some(false)
}

fn sysv_defines<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
    name: &[u8],
    steps: &mut usize,
) -> Option<bool> {
    let hashes = words(image, dynamic.hash)?;
    let buckets = u64::from(hashes.get(0)?);
    let bucket = u64::from(elf::hash(name)).checked_rem(buckets)?;
    let chains_at = buckets.checked_add(2)?;
    let mut index = u64::from(hashes.get(bucket.checked_add(2)?)?);
    // A hostile chain may run in circles: no more steps than symbols.
    for _ in 0..table.symbols.len() {
        *steps = steps.saturating_sub(1);
        if index == 0 || *steps == 0 {
            break;
        }
        let symbol = table.symbols.get(usize::try_from(index).ok()?)?;
        if is_definition(image, table, symbol, name) {
            return Some(true);
        }
        index = u64::from(hashes.get(chains_at.checked_add(index)?)?);
    }
    Some(false)
}

fn is_definition<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    table: &Table<'_, Elf>,
    symbol: &Elf::Sym,
    name: &[u8],
) -> bool {
    let Ok(start) = usize::try_from(symbol.st_name(image.endian)) else {
        return false;
    };
    let matches = table
        .strings
        .get(start..)
        .and_then(|rest| rest.strip_prefix(name))
        .is_some_and(|rest| rest.first() == Some(&0));
    matches && !symbol.is_undefined(image.endian) && !symbol.is_local()
}
