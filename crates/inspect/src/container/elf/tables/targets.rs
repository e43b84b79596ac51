//! The words that relocations write to: each once, where something may be written, and
//! with what the linker left there.

use std::ops::RangeInclusive;

use object::elf;

use crate::container::Reply;
use crate::container::elf::memory::{Load, Memory};
use crate::container::faults::Faults;

/// Words that differ from the others of their library and are kept: more of them are a
/// habit of some linker, and no damage.
const MAX_ODD: usize = 3;

/// Relative relocations by what is in the file where they write.
#[derive(Default)]
struct Habit {
    /// The addend, which is not zero.
    same: u64,
    /// Nothing: some linkers leave the word empty.
    zeros: Others,
    others: Others,
}

#[derive(Default)]
struct Others {
    count: u64,
    first: Vec<Odd>,
}

/// A word that is not the addend.
struct Odd {
    place: u64,
    word: i64,
    addend: i64,
    /// Where the relocation is in the file.
    at: u64,
}

impl Others {
    fn add(&mut self, one: Odd) {
        self.count = self.count.saturating_add(1);
        if self.first.len() < MAX_ODD {
            self.first.push(one);
        }
    }

    /// Those that are few among many.
    fn among(&self, more: u64) -> &[Odd] {
        let is_few = self.count <= MAX_ODD as u64 && self.count < more;
        if is_few { &self.first } else { &[] }
    }
}

/// Place, kind and addend of a relocation.
fn fields(entry: &[u8; 24]) -> [u64; 3] {
    let (fields, _) = entry.as_chunks::<8>();
    std::array::from_fn(|number| fields.get(number).map_or(0, |it| u64::from_le_bytes(*it)))
}

/// A segment that may be written, and which words of it are.
struct Area<'a, 'data> {
    load: &'a Load<'data>,
    marked: Vec<u64>,
}

/// All of them.
pub(super) struct Targets<'a, 'data> {
    areas: Vec<Area<'a, 'data>>,
    habit: Habit,
}

impl<'a, 'data> Targets<'a, 'data> {
    pub(super) fn new(memory: &'a Memory<'data>) -> Self {
        let loads = memory.loads.iter().filter(|load| load.may(elf::PF_W));
        let areas = loads.map(|load| Area {
            load,
            marked: vec![0; (load.bytes.len() / 512).saturating_add(1)],
        });
        Self {
            areas: areas.collect(),
            habit: Habit::default(),
        }
    }

    /// The word at an address.
    pub(super) fn content(&self, place: u64) -> Option<u64> {
        let word = |area: &Area<'_, '_>| area.load.from(place)?.first_chunk::<8>().copied();
        self.areas.iter().find_map(word).map(u64::from_le_bytes)
    }

    /// Notes that a relocation at `at` writes a word; of a relative one, with its addend.
    pub(super) fn mark(
        &mut self,
        place: u64,
        at: u64,
        addend: Option<i64>,
    ) -> Result<(), &'static str> {
        let found = self.areas.iter_mut().find_map(|area| {
            let word = *area.load.from(place)?.first_chunk::<8>()?;
            let skip = usize::try_from(place.checked_sub(area.load.address)?).ok()?;
            Some((area.marked.get_mut(skip >> 9)?, (skip >> 3) & 63, word))
        });
        let Some((marks, bit, word)) = found else {
            return Err("writes where the file has nothing that may be written");
        };
        if place & 7 == 0 {
            let bit = 1u64
                .checked_shl(u32::try_from(bit).unwrap_or(0))
                .unwrap_or(0);
            if *marks & bit != 0 {
                return Err("writes where another one does");
            }
            *marks |= bit;
        } else if addend.is_none() {
            return Err("writes over the borders of words");
        }
        match (addend, i64::from_le_bytes(word)) {
            (None, _) => {}
            (Some(addend), word) if word == addend => {
                self.habit.same = self.habit.same.saturating_add(u64::from(word != 0));
            }
            (Some(addend), word) => {
                let odd = Odd {
                    place,
                    word,
                    addend,
                    at,
                };
                match word {
                    0 => self.habit.zeros.add(odd),
                    _ => self.habit.others.add(odd),
                }
            }
        }
        Ok(())
    }

    /// Marks the words of relative relocations up to the first that is not plain: in order,
    /// to a whole word, with an address of the library that is in the file too. How many,
    /// and the place of the last.
    pub(super) fn plain(
        &mut self,
        all: &[[u8; 24]],
        relative: u64,
        addresses: &RangeInclusive<u64>,
    ) -> (usize, u64) {
        let (mut done, mut before) = (0usize, 0u64);
        for Area { load, marked } in &mut self.areas {
            let (words, _) = load.bytes.as_chunks::<8>();
            for entry in all.iter().skip(done) {
                let [place, kind, addend] = fields(entry);
                // Of a place before the area it is beyond all words.
                let skip = place.wrapping_sub(load.address);
                let number = usize::try_from(skip >> 3).unwrap_or(usize::MAX);
                let Some((word, marks)) = words.get(number).zip(marked.get_mut(number >> 6)) else {
                    break;
                };
                let is_next = place > before && (place | skip) & 7 == 0 && kind == relative;
                let is_address = addend != 0 && addresses.contains(&addend);
                if !is_next || !is_address || addend != u64::from_le_bytes(*word) {
                    break;
                }
                *marks |= 1 << (number & 63);
                before = place;
                done = done.saturating_add(1);
            }
        }
        self.habit.same = self.habit.same.saturating_add(done as u64);
        (done, before)
    }

    /// Relative relocations as addresses and maps of bits (`DT_RELR`): an even number is
    /// the address of a word, an odd one says which of the next 63 are written too.
    pub(super) fn packed(
        &mut self,
        at: u64,
        bytes: &[u8],
        memory: &Memory<'_>,
        faults: &mut Faults,
    ) {
        let mut next = 0u64;
        let (entries, _) = bytes.as_chunks::<8>();
        for (number, entry) in (0u64..).zip(entries) {
            let entry = u64::from_le_bytes(*entry);
            let at = at.saturating_add(number.saturating_mul(8));
            let (first, mut bits) = match entry & 1 {
                0 => (entry, 1),
                _ => (next, entry >> 1),
            };
            next = match entry & 1 {
                0 => entry.saturating_add(8),
                _ => next.saturating_add(63 * 8),
            };
            let mut place = first;
            while bits != 0 {
                if bits & 1 != 0 {
                    let address = self
                        .content(place)
                        .filter(|address| memory.addresses.contains(address));
                    let (reply, what) = match self.mark(place, at, None) {
                        Err(what) => (Reply::Crash, what),
                        Ok(()) if address.is_none() => (Reply::Crash, "leads out of the library"),
                        Ok(()) if address == Some(0) => (Reply::Unknown, "is of an empty word"),
                        Ok(()) => (Reply::Unasked, ""),
                    };
                    if !what.is_empty() {
                        let what = format!("the packed relocation of {place:#x} {what}");
                        faults.add(reply, what, at);
                        return;
                    }
                }
                bits >>= 1;
                place = place.saturating_add(8);
            }
        }
    }

    /// Relative relocations that do not fit the word in the file where all others do. The
    /// loader passes over the word, so that it matters which of both is damaged.
    pub(super) fn finish(&self, memory: &Memory<'_>, faults: &mut Faults) {
        let habit = &self.habit;
        let all = habit.same.saturating_add(habit.zeros.count);
        let others = habit.others.among(all).iter();
        for odd in others.chain(habit.zeros.among(habit.same)) {
            let word = odd.word.cast_unsigned();
            let addend = odd.addend.cast_unsigned();
            if let Some(own) = self.left_out(addend) {
                let what = format!(
                    "the relocation of {:#x} is that of the word at {own:#x}, which none writes",
                    odd.place
                );
                faults.add(Reply::Crash, what, odd.at);
                continue;
            }
            // Compilers begin functions at multiples of 16, where there is room.
            let is_function = |value: u64| value & 15 == 0 && memory.may(elf::PF_X, value);
            let reply = match (is_function(word), is_function(addend)) {
                _ if word == 0 || !memory.addresses.contains(&word) => continue,
                (false, true) => continue,
                (true, false) => Reply::Crash,
                _ => Reply::Unknown,
            };
            let what = format!(
                "the relocation of {:#x} does not fit the word that is there in the file: one of them is damaged",
                odd.place
            );
            faults.add(reply, what, odd.at);
        }
    }

    /// The first word that holds a value and that nothing writes.
    fn left_out(&self, value: u64) -> Option<u64> {
        let of_area = |area: &Area<'_, '_>| {
            let (words, _) = area.load.bytes.as_chunks::<8>();
            let words = (0u64..).zip(words);
            let mut same = words.filter(|(_, word)| u64::from_le_bytes(**word) == value);
            same.find_map(|(number, _)| {
                let place = area.load.address.checked_add(number.checked_mul(8)?)?;
                (!self.is_marked(place)).then_some(place)
            })
        };
        self.areas.iter().find_map(of_area)
    }

    fn is_marked(&self, place: u64) -> bool {
        let mut areas = self.areas.iter();
        areas.any(|area| {
            let skip = place.checked_sub(area.load.address);
            let skip = skip
                .and_then(|skip| usize::try_from(skip).ok())
                .unwrap_or(usize::MAX);
            let marks = area.marked.get(skip >> 9).copied().unwrap_or(0);
            let bit = u32::try_from((skip >> 3) & 63).unwrap_or(0);
            marks.checked_shr(bit).unwrap_or(0) & 1 != 0
        })
    }

    /// The first word from `address` on, of `size` bytes, that nothing writes.
    pub(super) fn first_unmarked(&self, address: u64, size: u64) -> Option<u64> {
        let words = 0..size.checked_div(8)?;
        let mut places = words.map_while(|word| address.checked_add(word.checked_mul(8)?));
        places.find(|place| !self.is_marked(*place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relocations of some words, eight bytes apart but for those before which a word is
    /// left out, and the words.
    fn table(count: u64, left_out: u64) -> (Vec<[u8; 24]>, Vec<u8>) {
        let mut entries = Vec::new();
        let mut words = Vec::new();
        for number in 0..count {
            if number == left_out {
                words.extend([0; 8]);
            }
            let place = 0x1000 + words.len() as u64;
            let addend = 0x1100 + number;
            let fields = [place, 8, addend].map(u64::to_le_bytes);
            entries.push(fields.concat().try_into().expect("24 bytes"));
            words.extend(addend.to_le_bytes());
        }
        (entries, words)
    }

    fn plain(entries: &[[u8; 24]], words: &[u8]) -> (usize, u64, Vec<u64>) {
        let load = Load {
            address: 0x1000,
            in_memory: 0x1000,
            offset: 0,
            bytes: words,
            alignment: 8,
            flags: elf::PF_W,
        };
        let area = Area {
            load: &load,
            marked: vec![0; words.len() / 512 + 1],
        };
        let mut targets = Targets {
            areas: vec![area],
            habit: Habit::default(),
        };
        let (done, last) = targets.plain(entries, 8, &(0x1000..=0x2000));
        (done, last, targets.areas.remove(0).marked)
    }

    #[test]
    fn what_is_looked_at_together_ends_at_the_first_that_is_not_plain() {
        for left_out in [0, 3, 8, 70, 200] {
            let (entries, words) = table(100, left_out);
            let (done, last, marked) = plain(&entries, &words);
            assert_eq!((done, last), (100, 0x1000 + words.len() as u64 - 8));
            let ones: u32 = marked.iter().map(|marks| marks.count_ones()).sum();
            assert_eq!(ones, 100);
            for at in 0..100 {
                for byte in 0..24 {
                    let mut entries = entries.clone();
                    entries[at][byte] ^= 0x80;
                    assert_eq!(plain(&entries, &words).0, at, "{left_out}, {byte}");
                }
            }
        }
    }
}
