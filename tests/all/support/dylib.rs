//! Edits of a small 64-bit dylib: what tools do to its symbols, done by hand, and its
//! export trie in every form.
#![allow(dead_code, reason = "not every program uses all of it")]

use std::collections::BTreeMap;
use std::ops::Range;

const SYMTAB: u32 = 0x2;
const DYSYMTAB: u32 = 0xb;
const DYLD_INFO_ONLY: u32 = 0x8000_0022;
const EXPORTS_TRIE: u32 = 0x8000_0033;
const DATA_IN_CODE: u32 = 0x29;
const CHAINED_FIXUPS: u32 = 0x8000_0034;
const SEGMENT: u32 = 0x19;

/// A segment, an offset in it, and the library and the name that go there.
type Place = (usize, u64, Option<(u8, String)>);

/// The bytes of one.
#[derive(Clone)]
pub struct Dylib(pub Vec<u8>);

impl Dylib {
    fn word(&self, at: usize) -> usize {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four")) as usize
    }

    fn put(&mut self, at: usize, value: usize) {
        let value = u32::try_from(value).expect("32 bits");
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn command(&self, wanted: u32) -> Option<usize> {
        let mut at = 32;
        for _ in 0..self.word(16) {
            if self.word(at) == wanted as usize {
                return Some(at);
            }
            at += self.word(at + 4);
        }
        None
    }

    /// Where the fields are that say where the trie is.
    fn trie_fields(&self) -> usize {
        let info = self.command(DYLD_INFO_ONLY).map(|at| at + 40);
        info.or_else(|| Some(self.command(EXPORTS_TRIE)? + 8))
            .expect("a trie")
    }

    /// Where the trie is.
    pub fn trie(&self) -> Range<usize> {
        let at = self.trie_fields();
        self.word(at)..self.word(at) + self.word(at + 4)
    }

    /// Where the programs of dyld are: for rebases, binds, weak and lazy ones.
    pub fn programs(&self) -> [Range<usize>; 4] {
        let at = self.command(DYLD_INFO_ONLY).expect("programs") + 8;
        [0, 8, 16, 24].map(|field| {
            let start = self.word(at + field);
            start..start + self.word(at + field + 4)
        })
    }

    /// Where the data of its chains is.
    pub fn chains(&self) -> usize {
        self.word(self.command(CHAINED_FIXUPS).expect("chains") + 8)
    }

    /// Its segments: address, offset in the file, and where the command is.
    fn segments(&self) -> Vec<(u64, usize, usize)> {
        let mut segments = Vec::new();
        let mut at = 32;
        for _ in 0..self.word(16) {
            if self.word(at) == SEGMENT as usize {
                segments.push((self.long(at + 24), self.word(at + 40), at));
            }
            at += self.word(at + 4);
        }
        segments
    }

    fn long(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().expect("eight"))
    }

    /// What a program sets, by segment and offset: an address of the library, or a name
    /// with the number of its library.
    fn program(&self, index: usize) -> Vec<Place> {
        let mut bytes = self.0[self.programs()[index].clone()].iter().copied();
        let number = |bytes: &mut dyn Iterator<Item = u8>| {
            let mut sum = 0u64;
            for shift in (0..).step_by(7) {
                let byte = bytes.next().expect("a number");
                sum |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            sum
        };
        let mut found = Vec::new();
        let (mut segment, mut offset) = (0, 0);
        let (mut library, mut name) = (0xfd, String::new());
        while let Some(byte) = bytes.next() {
            let small = byte & 0xf;
            // What follows the words that are set here, and how many these are.
            let (count, skip) = match (index, byte & 0xf0) {
                (0, 0x20) | (1.., 0x70) => {
                    (segment, offset) = (small.into(), number(&mut bytes));
                    continue;
                }
                (0, 0x30) | (1.., 0x80) => {
                    offset = offset.wrapping_add(number(&mut bytes));
                    continue;
                }
                (0, 0x40) => {
                    offset += u64::from(small) * 8;
                    continue;
                }
                (1.., 0x10) => {
                    library = small;
                    continue;
                }
                (1.., 0x30) => {
                    library = small | 0xf0;
                    continue;
                }
                (1.., 0x40) => {
                    let text = bytes.by_ref().take_while(|byte| *byte != 0).collect();
                    name = String::from_utf8(text).expect("ASCII");
                    continue;
                }
                (0, 0x10) | (1.., 0x50) | (_, 0) => continue,
                (0, 0x50) => (small.into(), 0),
                (0, 0x60) => (number(&mut bytes), 0),
                (0, 0x70) | (1.., 0xa0) => (1, number(&mut bytes)),
                (1.., 0x90) => (1, 0),
                (1.., 0xb0) => (1, u64::from(small) * 8),
                (0, 0x80) | (1.., 0xc0) => (number(&mut bytes), number(&mut bytes)),
                _ => panic!("opcode {byte:#x} of program {index}"),
            };
            for _ in 0..count {
                let name = (index > 0).then(|| (library, name.clone()));
                found.push((segment, offset, name));
                offset = offset.wrapping_add(8 + skip);
            }
        }
        found
    }

    /// With chains in place of programs, as linkers write them since macOS 12. A weak symbol
    /// that is defined here has two entries in programs, and one in a chain: every other
    /// one stays what it is.
    pub fn chained(self) -> Self {
        let (mut places, mut names) = (BTreeMap::new(), Vec::<(u8, String)>::new());
        for (segment, offset, name) in (0..4).flat_map(|index| self.program(index)) {
            let Some(name) = name else {
                places.insert((segment, offset), None);
                continue;
            };
            let known = names.iter().position(|known| *known == name);
            let number = known.unwrap_or(names.len());
            let is_weak = name.0 == 0xfd;
            if known.is_none() {
                names.push(name);
            }
            if !is_weak || number % 2 == 0 || !places.contains_key(&(segment, offset)) {
                places.insert((segment, offset), Some(number as u32));
            }
        }
        let places: Vec<_> = places
            .into_iter()
            .map(|((segment, at), what)| (segment, at, what))
            .collect();
        self.with_chains(&places, &names)
    }

    fn with_chains(mut self, places: &[(usize, u64, Option<u32>)], names: &[(u8, String)]) -> Self {
        const PAGE: u64 = 0x4000;
        let segments = self.segments();
        let (command, trie) = (self.command(DYLD_INFO_ONLY).expect("one"), self.trie());
        let (mut starts, mut offsets) = (Vec::new(), Vec::new());
        for (index, (address, offset, _)) in segments.iter().enumerate() {
            let here: Vec<_> = places.iter().filter(|place| place.0 == index).collect();
            let Some(last) = here.last() else {
                offsets.push(0);
                continue;
            };
            offsets.push(4 + 4 * segments.len() + starts.len());
            let pages = last.1 / PAGE + 1;
            let begin = starts.len();
            starts.extend(u32::to_le_bytes(22 + 2 * pages as u32));
            starts.extend([0x00, 0x40, 6, 0]);
            starts.extend(u64::to_le_bytes(address - segments[0].0));
            starts.extend([0; 4]);
            starts.extend(u16::to_le_bytes(pages as u16));
            for page in 0..pages {
                let of_page = here.iter().find(|place| place.1 / PAGE == page);
                starts.extend(u16::to_le_bytes(
                    of_page.map_or(0xffff, |place| (place.1 % PAGE) as u16),
                ));
            }
            starts.resize(begin + (starts.len() - begin).next_multiple_of(8), 0);
            for (at, place) in here.iter().enumerate() {
                let next = here
                    .get(at + 1)
                    .filter(|next| next.1 / PAGE == place.1 / PAGE);
                let next = next.map_or(0, |next| (next.1 - place.1) / 4);
                let word = offset + place.1 as usize;
                let what = match place.2 {
                    Some(name) => 1 << 63 | u64::from(name),
                    None => self.long(word) - segments[0].0,
                };
                self.0[word..word + 8].copy_from_slice(&u64::to_le_bytes(what | next << 51));
            }
        }
        let imports_at = 32 + 4 + 4 * segments.len() + starts.len();
        let symbols_at = imports_at + 4 * names.len();
        let mut data: Vec<u8> = [
            0,
            32,
            imports_at as u32,
            symbols_at as u32,
            names.len() as u32,
            1,
            0,
            0,
        ]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
        data.extend((segments.len() as u32).to_le_bytes());
        data.extend(
            offsets
                .iter()
                .flat_map(|offset| (*offset as u32).to_le_bytes()),
        );
        data.extend(starts);
        let mut texts = Vec::new();
        for (library, name) in names {
            data.extend((u32::from(*library) | (texts.len() as u32) << 9).to_le_bytes());
            texts.extend(name.bytes().chain([0]));
        }
        data.extend(texts);
        let at = self.0.len().next_multiple_of(8);
        self.0.resize(at, 0);
        self.0.extend(&data);
        for (index, (kind, start, size)) in [
            (CHAINED_FIXUPS, at, data.len()),
            (EXPORTS_TRIE, trie.start, trie.len()),
            (DATA_IN_CODE, trie.start, 0),
        ]
        .into_iter()
        .enumerate()
        {
            let command = command + index * 16;
            for (field, value) in [kind as usize, 16, start, size].into_iter().enumerate() {
                self.put(command + field * 4, value);
            }
        }
        self.put(16, self.word(16) + 2);
        // The last segment has what dyld reads.
        let (_, offset, linkedit) = segments[segments.len() - 1];
        let size = (self.0.len() - offset) as u64;
        self.0[linkedit + 48..linkedit + 56].copy_from_slice(&size.to_le_bytes());
        self.0[linkedit + 32..linkedit + 40]
            .copy_from_slice(&size.next_multiple_of(PAGE).to_le_bytes());
        self
    }

    /// Its external definitions: names as linkers write them, and addresses.
    pub fn externals(&self) -> Vec<(String, u64)> {
        let (table, ranges) = self.tables();
        let (first, count) = (self.word(ranges + 16), self.word(ranges + 20));
        let of = |index: usize| {
            let at = self.word(table + 8) + index * 16;
            let name = &self.0[self.word(table + 16) + self.word(at)..];
            let end = name.iter().position(|byte| *byte == 0).expect("a NUL");
            let address = u64::from_le_bytes(self.0[at + 8..at + 16].try_into().expect("eight"));
            (
                String::from_utf8(name[..end].to_vec()).expect("ASCII"),
                address,
            )
        };
        (first..first + count).map(of).collect()
    }

    fn tables(&self) -> (usize, usize) {
        let found = self.command(SYMTAB).zip(self.command(DYSYMTAB));
        found.expect("symbol tables")
    }

    /// As `llvm-strip` leaves it: of the symbols only those of other libraries.
    pub fn stripped(mut self) -> Self {
        let (table, ranges) = self.tables();
        let (first, count) = (self.word(ranges + 24), self.word(ranges + 28));
        let start = self.word(table + 8);
        self.put(table + 8, start + first * 16);
        self.put(table + 12, count);
        for field in [8, 12, 16, 20, 24] {
            self.put(ranges + field, 0);
        }
        let (indirect, entries) = (self.word(ranges + 56), self.word(ranges + 60));
        for at in (0..entries).map(|entry| indirect + entry * 4) {
            // Bits of their own say that no symbol is named.
            if self.word(at) & 0xc000_0000 == 0 {
                let index = self.word(at).checked_sub(first);
                self.put(at, index.unwrap_or(0x8000_0000));
            }
        }
        self
    }

    /// With no trie, by its own command; of what has chains.
    pub fn without_trie(mut self) -> Self {
        let at = self.command(EXPORTS_TRIE).expect("a command of its own");
        self.put(at, DATA_IN_CODE as usize);
        self.put(at + 12, 0);
        self
    }

    /// With a trie of no bytes.
    pub fn with_empty_trie(mut self) -> Self {
        let at = self.trie_fields();
        self.put(at + 4, 0);
        self
    }

    /// With these exports, in the place of the old ones: names and what terminal nodes
    /// hold.
    pub fn with_exports(mut self, exports: &[(&str, &[u8])]) -> Self {
        let edges: usize = exports.iter().map(|(name, _)| name.len() + 3).sum();
        let (mut root, mut nodes) = (vec![0, exports.len() as u8], Vec::new());
        for (name, terminal) in exports {
            let at = 2 + edges + nodes.len();
            root.extend(name.bytes());
            root.extend([0, at as u8 & 0x7f | 0x80, (at >> 7) as u8]);
            nodes.push(terminal.len() as u8);
            nodes.extend(*terminal);
            nodes.push(0);
        }
        root.extend(nodes);
        let place = self.trie();
        assert!(root.len() <= place.len(), "{} bytes", root.len());
        self.0[place.start..place.start + root.len()].copy_from_slice(&root);
        self
    }
}
