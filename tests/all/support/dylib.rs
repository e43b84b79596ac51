//! Edits of a small 64-bit dylib: what tools do to its symbols, done by hand, and its
//! export trie in every form.
#![allow(dead_code, reason = "not every program uses all of it")]

use std::ops::Range;

const SYMTAB: u32 = 0x2;
const DYSYMTAB: u32 = 0xb;
const DYLD_INFO_ONLY: u32 = 0x8000_0022;
const EXPORTS_TRIE: u32 = 0x8000_0033;
const DATA_IN_CODE: u32 = 0x29;

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

    /// With a load command of the trie's own, as linkers write it since macOS 12. Nothing
    /// is said of fixups.
    pub fn of_own_command(mut self) -> Self {
        let (at, trie) = (self.command(DYLD_INFO_ONLY).expect("one"), self.trie());
        for (index, kind) in [EXPORTS_TRIE, DATA_IN_CODE, DATA_IN_CODE]
            .into_iter()
            .enumerate()
        {
            let at = at + index * 16;
            self.put(at, kind as usize);
            self.put(at + 4, 16);
            self.put(at + 8, trie.start);
            self.put(at + 12, if index == 0 { trie.len() } else { 0 });
        }
        self.put(16, self.word(16) + 2);
        self
    }

    /// With no trie, by its own command.
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
