//! The export trie of a linked Mach-O file: exact lookup, and enumeration of
//! one prefix, as dyld does it. Names keep their leading underscore here.

use object::macho;

use crate::error::DecodeError;
use crate::limits::MAX_NAME;

/// What a terminal node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Export {
    /// Offset from the image's first byte; zero for a re-export.
    pub(super) offset: u64,
    /// Weak definition.
    pub(super) weak: bool,
}

/// One decoded node: its export, and its children not yet read.
struct Node<'data> {
    export: Option<Export>,
    children: u8,
    edges: &'data [u8],
}

/// The trie's bytes and where they lie in the file.
#[derive(Clone, Copy)]
pub(super) struct Trie<'data> {
    pub(super) data: &'data [u8],
    pub(super) at: u64,
}

impl<'data> Trie<'data> {
    /// The export named exactly `name`.
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<Export>, DecodeError> {
        if self.data.is_empty() {
            return Ok(None);
        }
        let mut node = self.node(0)?;
        let mut rest = name;
        // Every edge takes at least one byte of the name, so this ends.
        while !rest.is_empty() {
            let Some((after, child)) = self.step(&node, rest)? else {
                return Ok(None);
            };
            rest = after;
            node = self.node(child)?;
        }
        Ok(node.export)
    }

    /// The child whose edge begins `rest`, and what remains of `rest`.
    fn step<'name>(
        &self,
        node: &Node<'data>,
        rest: &'name [u8],
    ) -> Result<Option<(&'name [u8], u64)>, DecodeError> {
        let mut edges = node.edges;
        for _ in 0..node.children {
            let (edge, child) = self.edge(&mut edges)?;
            if let Some(after) = rest.strip_prefix(edge)
                && !edge.is_empty()
            {
                return Ok(Some((after, child)));
            }
        }
        Ok(None)
    }

    /// Calls `visit` with every export that begins with `prefix`, until it
    /// returns `false`.
    pub(super) fn each(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], Export) -> bool,
    ) -> Result<(), DecodeError> {
        if self.data.is_empty() {
            return Ok(());
        }
        let mut name = Vec::new();
        // (length of the parent's name, edge, node): the name is rebuilt in
        // one buffer as the walk goes down and up.
        let mut stack: Vec<(usize, &'data [u8], u64)> = vec![(0, &[], 0)];
        // A valid trie is a tree: it has fewer edges than bytes.
        let mut left = self.data.len();
        // Real names share their beginnings, but not hundreds of times over.
        let mut bytes_left = self.data.len().saturating_mul(64).saturating_add(1 << 20);
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
            let node = self.node(at)?;
            if let Some(export) = node.export
                && name.starts_with(prefix)
                && !visit(&name, export)
            {
                return Ok(());
            }
            let mut edges = node.edges;
            for _ in 0..node.children {
                let (edge, child) = self.edge(&mut edges)?;
                left = left
                    .checked_sub(1)
                    .ok_or_else(|| self.bad(at, "an export trie", "a graph with cycles"))?;
                if leads_to(&name, edge, prefix) {
                    stack.push((name.len(), edge, child));
                }
            }
        }
        Ok(())
    }

    fn node(&self, at: u64) -> Result<Node<'data>, DecodeError> {
        let bytes = usize::try_from(at)
            .ok()
            .and_then(|at| self.data.get(at..))
            .filter(|bytes| !bytes.is_empty())
            .ok_or_else(|| self.bad(at, "an export trie node", "an offset outside the trie"))?;
        let truncated = || self.bad(at, "an export trie node", "the end of the trie");
        let mut cursor = bytes;
        let size = uleb(&mut cursor).ok_or_else(truncated)?;
        let (mut terminal, after) = usize::try_from(size)
            .ok()
            .and_then(|size| cursor.split_at_checked(size))
            .ok_or_else(truncated)?;
        let export = if size == 0 {
            None
        } else {
            Some(terminal_export(&mut terminal).ok_or_else(truncated)?)
        };
        let (children, edges) = after.split_first().ok_or_else(truncated)?;
        Ok(Node {
            export,
            children: *children,
            edges,
        })
    }

    fn edge(&self, edges: &mut &'data [u8]) -> Result<(&'data [u8], u64), DecodeError> {
        let truncated = || self.bad(0, "an export trie edge", "the end of the trie");
        let end = memchr::memchr(0, edges).ok_or_else(truncated)?;
        let (edge, rest) = edges.split_at_checked(end).ok_or_else(truncated)?;
        let mut cursor = rest.split_first().ok_or_else(truncated)?.1;
        let child = uleb(&mut cursor).ok_or_else(truncated)?;
        *edges = cursor;
        Ok((edge, child))
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

fn terminal_export(terminal: &mut &[u8]) -> Option<Export> {
    let flags = macho::ExportSymbolFlags(uleb(terminal)?);
    let reexport = flags.contains(macho::EXPORT_SYMBOL_FLAGS_REEXPORT);
    let value = uleb(terminal)?;
    Some(Export {
        offset: if reexport { 0 } else { value },
        weak: flags.contains(macho::EXPORT_SYMBOL_FLAGS_WEAK_DEFINITION),
    })
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
            found.push((name.to_vec(), export.offset));
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
        assert_eq!((weak.offset, weak.weak), (0x20, true));
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
        assert_eq!(cycle.find(b"xxxxxxxx").expect("a walk that ends"), None);
    }
}
