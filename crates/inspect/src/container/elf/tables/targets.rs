//! The words that relocations write to: each once, where something may be written, and
//! with what the linker left there.

use std::ops::RangeInclusive;

use super::context::{Faults, Load, Memory};
use crate::container::Reply;

/// Words that differ from the others of their library and are kept: more of them are a
/// habit of some linker, and no damage.
const MAX_ODD: usize = 3;

/// Relative relocations by what is in the file where they write.
#[derive(Default)]
struct Habit {
    /// The addend, which is not zero.
    same: u64,
    zeros: Odd,
    others: Odd,
}

#[derive(Default)]
struct Odd {
    count: u64,
    /// Address, and where the relocation is in the file.
    first: Vec<(u64, u64)>,
}

impl Odd {
    fn add(&mut self, place: u64, at: u64) {
        self.count = self.count.saturating_add(1);
        if self.first.len() < MAX_ODD {
            self.first.push((place, at));
        }
    }

    /// Those that are few among many.
    fn among(&self, more: u64) -> &[(u64, u64)] {
        let is_few = self.count <= MAX_ODD as u64 && self.count < more;
        if is_few { &self.first } else { &[] }
    }
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
        let loads = memory.loads.iter().filter(|load| load.writable);
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
            (Some(_), 0) => self.habit.zeros.add(place, at),
            (Some(_), _) => self.habit.others.add(place, at),
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
        let (mut done, mut before) = (0, 0);
        for area in &mut self.areas {
            let (words, _) = area.load.bytes.as_chunks::<8>();
            let rest = all.get(done..).unwrap_or_default();
            let plain = rest.iter().map_while(|entry| {
                let (fields, _) = entry.as_chunks::<8>();
                let &[place, kind, addend] = fields else {
                    return None;
                };
                let place = u64::from_le_bytes(place);
                let skip = place.checked_sub(area.load.address)?;
                let number = usize::try_from(skip >> 3).ok()?;
                let is_plain = u64::from_le_bytes(kind) == relative
                    && place > before
                    && (place | skip) & 7 == 0
                    && addend != [0; 8]
                    && addresses.contains(&u64::from_le_bytes(addend))
                    && words.get(number) == Some(&addend);
                let marks = area.marked.get_mut(number >> 6).filter(|_| is_plain)?;
                *marks |= 1u64.checked_shl(u32::try_from(number & 63).ok()?)?;
                before = place;
                Some(())
            });
            let count = plain.count();
            done = done.saturating_add(count);
            self.habit.same = self.habit.same.saturating_add(count as u64);
        }
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
                    let address = self.content(place).filter(|address| memory.holds(*address));
                    let what = match self.mark(place, at, None) {
                        Err(what) => what,
                        Ok(()) if address.is_none() => "leads out of the library",
                        Ok(()) => "",
                    };
                    if !what.is_empty() {
                        let what = format!("the packed relocation of {place:#x} {what}");
                        faults.add(Reply::Crash, what, at);
                        return;
                    }
                }
                bits >>= 1;
                place = place.saturating_add(8);
            }
        }
    }

    /// Relative relocations that do not fit what is in the file, where all others do.
    pub(super) fn finish(&self, faults: &mut Faults) {
        let habit = &self.habit;
        let all = habit.same.saturating_add(habit.zeros.count);
        let others = habit.others.among(all).iter();
        for (place, at) in others.chain(habit.zeros.among(habit.same)) {
            let what = format!(
                "the relocation of {place:#x} does not fit the word that is there in the file: one of them is damaged"
            );
            faults.add(Reply::Crash, what, *at);
        }
    }

    /// The first word from `address` on, of `size` bytes, that nothing writes.
    pub(super) fn first_unmarked(&self, address: u64, size: u64) -> Option<u64> {
        let is_marked = |place: u64| {
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
        };
        let words = 0..size.checked_div(8)?;
        let mut places = words.map_while(|word| address.checked_add(word.checked_mul(8)?));
        places.find(|place| !is_marked(*place))
    }
}
