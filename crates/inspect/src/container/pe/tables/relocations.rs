//! Base relocations: where an image has addresses, which the loader changes when it maps
//! the image elsewhere than it was linked for. Nearly every library is moved.
//!
//! Blocks of one page each: its RVA, the bytes of the block, then half words of a type and
//! a place in the page (PE/COFF specification, "The .reloc Section").

use object::pe;

use crate::container::Reply;
use crate::container::faults::{Faults, out_of};
use crate::container::pe::image::{Image, PAGE};

/// Types: padding, parts of 32 bits, 32 bits, a part with a word of its own, 64 bits.
const ABSOLUTE: u16 = 0;
const HIGH: u16 = 1;
const LOW: u16 = 2;
const HIGHLOW: u16 = 3;
const HIGHADJ: u16 = 4;
const DIR64: u16 = 10;

pub(super) fn check(image: &Image<'_>, faults: &mut Faults) {
    let machines = [
        pe::IMAGE_FILE_MACHINE_AMD64,
        pe::IMAGE_FILE_MACHINE_ARM64,
        pe::IMAGE_FILE_MACHINE_I386,
    ];
    let is_moved = image
        .flags
        .contains(pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE)
        && !image
            .characteristics
            .contains(pe::IMAGE_FILE_RELOCS_STRIPPED);
    let Some((rva, size)) = image.relocations.filter(|_| is_moved) else {
        return;
    };
    if !machines.contains(&image.machine) {
        return;
    }
    let mut checker = Checker {
        image,
        at: image.file_offset(rva).unwrap_or(0),
        places: Vec::new(),
        padded: Vec::new(),
    };
    let found = match image.bytes(rva, size) {
        _ if size == 0 && !has_block(image, rva) => return,
        _ if size == 0 => crash(String::from("are said to have no bytes, and are there")),
        Some(bytes) => checker.blocks(bytes).and_then(|()| checker.places()),
        None => Err((
            Reply::Crash,
            String::from("are not in the file's part of the image"),
        )),
    };
    if let Err((reply, what)) = found {
        faults.add(reply, format!("the base relocations {what}"), checker.at);
    }
}

/// Whether something that looks like a block is there.
fn has_block(image: &Image<'_>, rva: u32) -> bool {
    let page = image.u32_at(rva, 0).filter(|page| *page & (PAGE - 1) == 0);
    let size = image.u32_at(rva, 1);
    page.is_some_and(|page| image.section(page).is_some())
        && size.is_some_and(|size| (8..=8 + 2 * PAGE).contains(&size))
}

type Found = Result<(), (Reply, String)>;

fn crash(what: String) -> Found {
    Err((Reply::Crash, what))
}

struct Checker<'a, 'data> {
    image: &'a Image<'data>,
    /// Where the table is in the file.
    at: u64,
    /// The words that are changed.
    places: Vec<u32>,
    /// Pages with more padding than linkers write: an entry may be lost there.
    padded: Vec<u32>,
}

impl Checker<'_, '_> {
    fn blocks(&mut self, mut rest: &[u8]) -> Found {
        while let Some(([a, b, c, d, e, f, g, h], entries)) = rest.split_first_chunk::<8>() {
            let page = u32::from_le_bytes([*a, *b, *c, *d]);
            let size = u32::from_le_bytes([*e, *f, *g, *h]);
            if page == 0 && size == 0 {
                break;
            }
            let length = usize::try_from(size).unwrap_or(usize::MAX);
            let all = length.checked_sub(8).filter(|_| size & 1 == 0);
            // The size of the table may leave out the padding of its last block.
            let all = all.filter(|size| *size < entries.len().saturating_add(4));
            let Some(entries) = all.map(|size| entries.get(..size).unwrap_or(entries)) else {
                let left = rest.len();
                return crash(format!("have a block of {size} bytes, and {left} are left"));
            };
            self.block(page, entries)?;
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn block(&mut self, page: u32, entries: &[u8]) -> Found {
        // A page and the longest word at its end, in one section: nearly always.
        let whole = page.saturating_add(PAGE).saturating_add(6);
        let section = self.image.section(page);
        let is_inside = section.is_some_and(|section| section.holds(whole));
        let usual = if self.image.is_64 { DIR64 } else { HIGHLOW };
        let usual = Some(usual).filter(|kind| self.is_known(*kind) && is_inside);
        let (entries, _) = entries.as_chunks::<2>();
        let mut entries = entries.iter().map(|entry| u16::from_le_bytes(*entry));
        let mut padding = 0u32;
        let mut is_padded = false;
        while let Some(entry) = entries.next() {
            let kind = entry >> 12;
            let place = page.saturating_add(u32::from(entry & 0xfff));
            is_padded |= padding > 0;
            if usual == Some(kind) {
                self.places.push(place);
                continue;
            }
            if kind == ABSOLUTE {
                padding = padding.saturating_add(1);
                continue;
            }
            if !self.is_known(kind) {
                return Err((
                    Reply::Type,
                    format!("have one of type {kind} at {place:#x}, which Windows does not know"),
                ));
            }
            if kind == HIGHADJ {
                entries.next();
            }
            let last = place.saturating_add(if kind == DIR64 { 7 } else { 3 });
            let mut both = [place, last].into_iter();
            if both.any(|rva| self.image.section(rva).is_none()) {
                return crash(format!("change a word at {place:#x}, outside the image"));
            }
            if matches!(kind, DIR64 | HIGHLOW) {
                self.places.push(place);
            }
        }
        if is_padded {
            self.padded.push(page);
        }
        Ok(())
    }

    /// Addresses of 32 bits are of images below 4 GiB.
    fn is_known(&self, kind: u16) -> bool {
        let end = self.image.image_base.saturating_add(self.image.size.into());
        match kind {
            HIGHLOW => u32::try_from(end).is_ok(),
            HIGH | LOW | HIGHADJ => !self.image.is_64,
            _ => kind == DIR64 && self.image.is_64,
        }
    }

    /// What is changed are addresses of the image, each once.
    fn places(&mut self) -> Found {
        self.places.sort_unstable();
        let image = self.image;
        let is_address = |word: u64| image.relative(word).is_some();
        let width = if image.is_64 { 8 } else { 4 };
        let twice = self.places.array_windows();
        for [one, next] in twice {
            if next.saturating_sub(*one) < width {
                return crash(format!("change the word at {next:#x} twice"));
            }
        }
        // The bytes from an RVA to the end of its section, which the next places share.
        let mut known: (u32, &[u8]) = (0, &[]);
        for place in &self.places {
            let from = |(start, bytes): (u32, &[u8])| {
                let skip = usize::try_from(place.checked_sub(start)?).ok()?;
                let word = *bytes.get(skip..)?.first_chunk::<8>()?;
                Some(u64::from_le_bytes(word)).filter(|_| image.is_64)
            };
            let word = from(known).or_else(|| {
                known = (*place, image.bytes(*place, u32::MAX).unwrap_or_default());
                image.word_at(*place, 0)
            });
            // What is not in the file is zero.
            let word = word.unwrap_or(0);
            if !is_address(word) {
                let what = format!(
                    "change the word at {place:#x}, which is {word:#x} and no address of the image"
                );
                let start = image.image_base;
                let end = start.saturating_add(image.size.into());
                return Err((out_of(&(start..=end), word), what));
            }
        }
        for page in &self.padded {
            let words = (0..PAGE).step_by(if image.is_64 { 8 } else { 4 });
            let words = words.map(|skip| page.saturating_add(skip));
            let lost = words.filter(|place| self.places.binary_search(place).is_err());
            let mut lost = lost.filter(|place| image.word_at(*place, 0).is_some_and(is_address));
            if let Some(place) = lost.next() {
                return crash(format!("leave out the address at {place:#x}"));
            }
        }
        Ok(())
    }
}
