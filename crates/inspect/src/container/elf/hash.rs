//! The two ELF hash tables: how many dynamic symbols there are, and which of them the
//! loader looks at for a name, without reading the others.

use object::elf;
use object::read::elf::{FileHeader, Sym};
use object::{Endian, Endianness};

use super::dynamic::Dynamic;
use super::image::Image;
use super::table::Table;

/// A hash table: buckets lead into chains.
pub(super) struct Hashes<'data> {
    /// Where it is in the file.
    pub(super) at: u64,
    endian: Endianness,
    buckets: &'data [[u8; 4]],
    chains: &'data [[u8; 4]],
    /// What `DT_GNU_HASH` has besides.
    gnu: Option<Gnu<'data>>,
}

/// A Bloom filter, and the first symbol that has a place in the chains.
struct Gnu<'data> {
    first: usize,
    shift: u32,
    bloom: &'data [[u8; 8]],
}

impl<'data> Hashes<'data> {
    /// `DT_HASH`; `None` where it is larger than its segment.
    pub(super) fn sysv<Elf: FileHeader<Endian = Endianness>>(
        image: &Image<'data, Elf>,
        dynamic: &Dynamic,
    ) -> Option<Self> {
        let (at, bytes) = image.memory.at(dynamic.get(elf::DT_HASH)?)?;
        let endian = image.endian;
        let (words, _) = bytes.as_chunks::<4>();
        let chains_at = number(endian, words, 0)?.checked_add(2)?;
        let end = chains_at.checked_add(number(endian, words, 1)?)?;
        Some(Self {
            at,
            endian,
            buckets: words.get(2..chains_at)?,
            // No loader asks how many there are said to be.
            chains: words.get(chains_at..end.min(words.len()))?,
            gnu: None,
        })
    }

    /// `DT_GNU_HASH`; `None` where it is larger than its segment.
    pub(super) fn gnu<Elf: FileHeader<Endian = Endianness>>(
        image: &Image<'data, Elf>,
        dynamic: &Dynamic,
    ) -> Option<Self> {
        let (at, bytes) = image.memory.at(dynamic.get(elf::DT_GNU_HASH)?)?;
        let endian = image.endian;
        let (words, _) = bytes.as_chunks::<4>();
        let filter = number(endian, words, 2)?;
        let (bloom, _) = bytes.get(16..)?.as_chunks::<8>();
        // The filter is made of machine words.
        let word = if image.header.is_type_64() { 2 } else { 1 };
        let buckets_at = filter.checked_mul(word)?.checked_add(4)?;
        let chains_at = buckets_at.checked_add(number(endian, words, 0)?)?;
        Some(Self {
            at,
            endian,
            buckets: words.get(buckets_at..chains_at)?,
            chains: words.get(chains_at..)?,
            gnu: Some(Gnu {
                first: number(endian, words, 1)?,
                shift: endian.read_u32(*words.get(3)?),
                bloom: bloom.get(..filter.checked_mul(word)? / 2)?,
            }),
        })
    }

    /// Number of dynamic symbols: one past the end of the last chain. `None` when no
    /// symbol is defined: `DT_GNU_HASH` then cannot tell.
    pub(super) fn count(&self) -> Option<usize> {
        let Some(gnu) = &self.gnu else {
            return Some(self.chains.len());
        };
        let buckets = 0..self.buckets.len();
        let last = buckets.filter_map(|bucket| number(self.endian, self.buckets, bucket));
        let mut last = last.max().filter(|last| *last > 0)?;
        loop {
            let value = number(self.endian, self.chains, last.checked_sub(gnu.first)?)?;
            last = last.checked_add(1)?;
            if value & 1 != 0 {
                return Some(last);
            }
        }
    }

    /// Whether `DT_HASH` leads to more than so many symbols: loaders do not ask.
    pub(super) fn leads_out(&self, count: usize) -> bool {
        let mut all = self.buckets.iter().chain(self.chains.iter().take(count));
        let is_outside = |word: &[u8; 4]| {
            usize::try_from(self.endian.read_u32(*word)).is_ok_and(|symbol| symbol >= count)
        };
        self.gnu.is_none() && all.any(is_outside)
    }

    /// Words of the filter, of a machine with 64 bits.
    pub(super) fn filter(&self) -> Option<usize> {
        self.gnu.as_ref().map(|gnu| gnu.bloom.len())
    }

    /// Whether a symbol has a place in the chains.
    pub(super) fn counts(&self, symbol: usize) -> bool {
        self.gnu.as_ref().is_some_and(|gnu| symbol >= gnu.first)
    }

    /// A name's hash, as this table has it.
    pub(super) fn of_name(&self, name: &[u8]) -> u32 {
        match &self.gnu {
            Some(_) => elf::gnu_hash(name),
            None => elf::hash(name),
        }
    }

    /// Whether the filter lets the loader look for a hash, on a machine with 64 bits.
    pub(super) fn lets_through(&self, hash: u32) -> bool {
        let Some(gnu) = &self.gnu else { return true };
        let word = || {
            let index = usize::try_from(hash >> 6).ok()? & gnu.bloom.len().checked_sub(1)?;
            Some(self.endian.read_u64(*gnu.bloom.get(index)?))
        };
        let word = word().unwrap_or(0);
        let second = hash.wrapping_shr(gnu.shift);
        word.wrapping_shr(hash & 63) & word.wrapping_shr(second & 63) & 1 != 0
    }

    /// Those of so many symbols that the loader compares with a name of this hash, in its
    /// order. Each one on the way costs one of `steps`; chains may run in circles.
    pub(super) fn candidates(
        &self,
        hash: u32,
        symbols: usize,
        steps: &mut usize,
    ) -> impl Iterator<Item = usize> {
        let bucket = usize::try_from(hash).ok();
        let bucket = bucket.and_then(|hash| hash.checked_rem(self.buckets.len()));
        let first = bucket.and_then(|bucket| number(self.endian, self.buckets, bucket));
        let mut next = first.filter(|symbol| *symbol != 0);
        let found = std::iter::from_fn(move || {
            while let Some(symbol) = next.filter(|symbol| *symbol < symbols && *steps > 0) {
                *steps = steps.saturating_sub(1);
                let first = self.gnu.as_ref().map_or(0, |gnu| gnu.first);
                let value = number(self.endian, self.chains, symbol.checked_sub(first)?)?;
                match &self.gnu {
                    None => {
                        next = Some(value).filter(|symbol| *symbol != 0);
                        return Some(symbol);
                    }
                    Some(_) => {
                        let is_last = value & 1 != 0;
                        next = symbol.checked_add(1).filter(|_| !is_last);
                        if u32::try_from(value | 1) == Ok(hash | 1) {
                            return Some(symbol);
                        }
                    }
                }
            }
            None
        });
        found.take(symbols)
    }
}

/// A word of a list as a number of things.
fn number(endian: Endianness, words: &[[u8; 4]], index: usize) -> Option<usize> {
    usize::try_from(endian.read_u32(*words.get(index)?)).ok()
}

/// Looks one defined symbol up through `DT_GNU_HASH`, else `DT_HASH`, else by
/// reading the whole table. Only those count whose numbers are meant: a name may be there
/// in several versions. Each symbol looked at costs one of `steps`; `None` when they are
/// used up.
pub(super) fn defines<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &Table<'_, Elf>,
    name: &[u8],
    is_meant: &dyn Fn(usize) -> bool,
    steps: &mut usize,
) -> Option<bool> {
    let is_it = |number: usize, symbol: &Elf::Sym| {
        is_definition(image, table, symbol, name) && is_meant(number)
    };
    let hashes = Hashes::gnu(image, dynamic).or_else(|| Hashes::sysv(image, dynamic));
    let found = match hashes.filter(|hashes| !hashes.buckets.is_empty()) {
        Some(hashes) => {
            let mut symbols = hashes.candidates(hashes.of_name(name), table.symbols.len(), steps);
            let at = |number: usize| table.symbols.get(number);
            symbols.any(|number| at(number).is_some_and(|symbol| is_it(number, symbol)))
        }
        None => {
            *steps = steps.saturating_sub(table.symbols.len());
            let mut symbols = table.symbols.iter().enumerate();
            *steps > 0 && symbols.any(|(number, symbol)| is_it(number, symbol))
        }
    };
    Some(found).filter(|_| *steps > 0)
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
    matches && !image.is_undefined(symbol) && !symbol.is_local()
}
