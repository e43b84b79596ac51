//! The export trie of a linked Mach-O file: exact lookup, step by step as dyld does it
//! (`trieWalk`, `Loader::hasExportedSymbol`), and enumeration of one prefix. Names keep
//! their leading underscore here.
//!
//! The `object` crate's iterator ends at the first damage, and has no bound where nodes
//! have several parents.

use object::macho;

use crate::error::DecodeError;
use crate::limits::MAX_NAME;

/// Nodes on the way to a name from which on dyld gives up.
const MAX_DEPTH: usize = 128;

/// What a terminal node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Export {
    /// Offset from the image's first byte. None of what is no plain place of the image:
    /// absolute, of each thread, chosen by a function, of another library.
    pub(super) offset: Option<u64>,
    /// Of a re-export, the number of the library that defines it.
    pub(super) library: Option<u64>,
    /// Weak definition.
    pub(super) weak: bool,
}

/// One node. dyld goes by its size only to find the children.
struct Node<'data> {
    /// What follows the size, where it is not zero.
    terminal: Option<&'data [u8]>,
    /// How many, and their edges.
    children: Option<(u8, &'data [u8])>,
}

/// The text of an edge, and the node that it leads to.
type Edge<'data> = (&'data [u8], u64);

/// The trie's bytes and where they lie in the file.
#[derive(Clone, Copy)]
pub(super) struct Trie<'data> {
    pub(super) data: &'data [u8],
    pub(super) at: u64,
}

impl<'data> Trie<'data> {
    /// The export named exactly `name`.
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<Export>, DecodeError> {
        let (mut rest, mut at) = (name, 0);
        let mut visited = vec![at];
        while visited.len() < MAX_DEPTH {
            let node = self.node(at)?;
            if rest.is_empty() && node.terminal.is_some() {
                return self.export(&node, at);
            }
            let Some((after, child)) = self.step(&node, rest, at)? else {
                return Ok(None);
            };
            if visited.contains(&child) {
                return Err(self.has_cycles(child));
            }
            visited.push(child);
            (rest, at) = (after, child);
        }
        Err(self.bad(at, "fewer than 128 nodes on the way to a name", "more"))
    }

    /// The first child whose edge begins `rest`, and what remains of `rest`.
    fn step<'name>(
        &self,
        node: &Node<'data>,
        rest: &'name [u8],
        at: u64,
    ) -> Result<Option<(&'name [u8], u64)>, DecodeError> {
        let (count, mut edges) = node.children.ok_or_else(|| self.truncated(at))?;
        for _ in 0..count {
            let (edge, child) = self.edge(&mut edges, at)?;
            if let Some(after) = rest.strip_prefix(edge) {
                return Ok(Some((after, child.ok_or_else(|| self.outside(at))?)));
            }
        }
        Ok(None)
    }

    /// Calls `visit` with every export that begins with `prefix`, until it returns
    /// `false`. Damage is passed over; the first is the error in the end.
    pub(super) fn each(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], Export) -> bool,
    ) -> Result<(), DecodeError> {
        let mut name = Vec::new();
        // (length of the parent's name, edge, node): the name is rebuilt in
        // one buffer as the walk goes down and up.
        let mut stack: Vec<(usize, &'data [u8], u64)> = vec![(0, &[], 0)];
        // A valid trie is a tree: it has fewer edges than bytes.
        let mut left = self.data.len();
        // Real names share their beginnings, but not hundreds of times over.
        let mut bytes_left = self.data.len().saturating_mul(64).saturating_add(1 << 20);
        let mut damage = None;
        while let Some((parent, edge, at)) = stack.pop() {
            name.truncate(parent);
            name.extend_from_slice(edge);
            bytes_left = bytes_left.saturating_sub(name.len());
            if bytes_left == 0 {
                return Err(self.bad(at, "export names of real size", "far more than the trie"));
            }
            if name.len() > MAX_NAME {
                return Err(self.bad(at, "an export name of real length", "a longer one"));
            }
            let (export, children, error) = self.read(at);
            damage = damage.or(error);
            if let Some(export) = export
                && name.starts_with(prefix)
                && !visit(&name, export)
            {
                return Ok(());
            }
            left = left
                .checked_sub(children.len())
                .ok_or_else(|| self.has_cycles(at))?;
            // The first child is the next; what a damaged node has behind its own comes later.
            let wanted = children.into_iter().rev();
            let wanted = wanted.filter(|(edge, _)| leads_to(&name, edge, prefix));
            stack.extend(wanted.map(|(edge, child)| (name.len(), edge, child)));
        }
        damage.map_or(Ok(()), Err)
    }

    /// A node's export and its children, as far as they can be read, and why no further.
    fn read(&self, at: u64) -> (Option<Export>, Vec<Edge<'data>>, Option<DecodeError>) {
        let node = match self.node(at) {
            Ok(node) => node,
            Err(error) => return (None, Vec::new(), Some(error)),
        };
        let (export, mut damage) = match self.export(&node, at) {
            Ok(export) => (export, None),
            Err(error) => (None, Some(error)),
        };
        let mut children = Vec::new();
        let Some((count, mut edges)) = node.children else {
            return (export, children, Some(self.truncated(at)));
        };
        for _ in 0..count {
            match self.edge(&mut edges, at) {
                Ok((edge, Some(child))) => children.push((edge, child)),
                Ok((_, None)) => damage = damage.or(Some(self.outside(at))),
                Err(error) => return (export, children, damage.or(Some(error))),
            }
        }
        (export, children, damage)
    }

    fn node(&self, at: u64) -> Result<Node<'data>, DecodeError> {
        let bytes = usize::try_from(at).ok().and_then(|at| self.data.get(at..));
        let mut cursor = bytes
            .filter(|bytes| !bytes.is_empty())
            .ok_or_else(|| self.outside(at))?;
        let size = uleb(&mut cursor).ok_or_else(|| self.truncated(at))?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let behind = cursor.get(size..).and_then(<[u8]>::split_first);
        Ok(Node {
            terminal: (size > 0).then_some(cursor),
            children: behind.map(|(count, edges)| (*count, edges)),
        })
    }

    /// The edge's text and the node that it leads to; none where that is no number, or
    /// the root.
    fn edge(
        &self,
        edges: &mut &'data [u8],
        at: u64,
    ) -> Result<(&'data [u8], Option<u64>), DecodeError> {
        let mut read = || {
            let (edge, rest) = edges.split_at_checked(memchr::memchr(0, edges)?)?;
            let (_, rest) = rest.split_first()?;
            let last = rest.iter().position(|byte| byte & 0x80 == 0)?;
            let (mut number, rest) = rest.split_at_checked(last.checked_add(1)?)?;
            *edges = rest;
            Some((edge, uleb(&mut number).filter(|child| *child > 0)))
        };
        read().ok_or_else(|| self.truncated(at))
    }

    fn export(&self, node: &Node<'data>, at: u64) -> Result<Option<Export>, DecodeError> {
        let Some(mut terminal) = node.terminal else {
            return Ok(None);
        };
        let mut next = || uleb(&mut terminal).ok_or_else(|| self.truncated(at));
        let (flags, value) = (macho::ExportSymbolFlags(next()?), next()?);
        let has = |flag| flags.contains(flag);
        let is_reexport = has(macho::EXPORT_SYMBOL_FLAGS_REEXPORT);
        let is_plain = flags.kind() == macho::EXPORT_SYMBOL_FLAGS_KIND_REGULAR
            && !(is_reexport || has(macho::EXPORT_SYMBOL_FLAGS_STUB_AND_RESOLVER));
        Ok(Some(Export {
            offset: is_plain.then_some(value),
            library: is_reexport.then_some(value),
            weak: has(macho::EXPORT_SYMBOL_FLAGS_WEAK_DEFINITION),
        }))
    }

    fn truncated(&self, at: u64) -> DecodeError {
        self.bad(at, "an export trie node", "the end of the trie")
    }

    fn outside(&self, at: u64) -> DecodeError {
        self.bad(at, "an export trie node", "an offset outside the trie")
    }

    fn has_cycles(&self, at: u64) -> DecodeError {
        self.bad(at, "an export trie", "a graph with cycles")
    }

    fn bad(&self, at: u64, expected: &'static str, found: &'static str) -> DecodeError {
        DecodeError::new(self.at.saturating_add(at), expected, found)
    }
}

/// Whether a child behind `edge` of the node called `name` can hold `prefix`.
fn leads_to(name: &[u8], edge: &[u8], prefix: &[u8]) -> bool {
    match prefix.get(name.len()..) {
        Some(rest) => rest.starts_with(edge) || edge.starts_with(rest),
        None => true,
    }
}

fn uleb(cursor: &mut &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    let mut shift: u32 = 0;
    loop {
        let (byte, rest) = cursor.split_first()?;
        *cursor = rest;
        let bits = u64::from(byte & 0x7f);
        let shifted = bits.checked_shl(shift)?;
        if shifted >> shift != bits {
            return None;
        }
        value |= shifted;
        if byte & 0x80 == 0 {
            return Some(value);
        }
        shift = shift.checked_add(7)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `_ab` at 0x10 and `_ac` (weak) at 0x20, laid out by hand.
    const TRIE: &[u8] = &[
        0, 1, b'_', b'a', 0, 6, // root: one edge "_a" to 6
        0, 2, b'b', 0, 14, b'c', 0, 18, // two edges
        2, 0, 0x10, 0, // _ab
        2, 4, 0x20, 0, // _ac
    ];

    fn collect(trie: &[u8], prefix: &[u8]) -> Vec<(Vec<u8>, u64)> {
        let mut found = Vec::new();
        let trie = Trie { data: trie, at: 0 };
        trie.each(prefix, &mut |name, export| {
            found.push((name.to_vec(), export.offset.expect("a place")));
            true
        })
        .expect("valid");
        found.sort();
        found
    }

    #[test]
    fn lookup_and_enumeration_agree() {
        let trie = Trie { data: TRIE, at: 0 };
        let weak = trie.find(b"_ac").expect("valid").expect("present");
        assert_eq!((weak.offset, weak.weak), (Some(0x20), true));
        assert_eq!(trie.find(b"_a").expect("valid"), None);
        assert_eq!(trie.find(b"_abc").expect("valid"), None);
        let all = vec![(b"_ab".to_vec(), 0x10), (b"_ac".to_vec(), 0x20)];
        assert_eq!(collect(TRIE, b""), all);
        assert_eq!(collect(TRIE, b"_"), all);
        assert_eq!(collect(TRIE, b"_ab"), [(b"_ab".to_vec(), 0x10)]);
        assert!(collect(TRIE, b"_b").is_empty());
    }

    #[test]
    fn a_cycle_is_an_error_and_not_a_hang() {
        let cycle = Trie {
            data: &[0, 1, b'x', 0, 0],
            at: 0,
        };
        assert!(cycle.each(b"", &mut |_, _| true).is_err());
        assert!(cycle.find(b"xxxxxxxx").is_err());
    }
}
