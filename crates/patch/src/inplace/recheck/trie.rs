//! How deep the export trie of a Mach-O image is: `goblin` follows it by recursion.

use goblin::mach::MachO;
use goblin::mach::load_command::CommandVariant;

/// Nodes on the way to a name that dyld follows.
const MOST: usize = 128;

/// Whether every way through the trie is one that dyld follows to its end.
pub(super) fn is_followed(image: &[u8], file: &MachO<'_>) -> bool {
    let mut tries = file.load_commands.iter().filter_map(|command| {
        let (at, size) = match &command.command {
            CommandVariant::DyldInfo(info) | CommandVariant::DyldInfoOnly(info) => {
                (info.export_off, info.export_size)
            }
            CommandVariant::DyldExportsTrie(data) => (data.dataoff, data.datasize),
            _ => return None,
        };
        let start = usize::try_from(at).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        image.get(start..end)
    });
    tries.all(is_shallow)
}

fn is_shallow(trie: &[u8]) -> bool {
    let mut left = vec![(0, 0)];
    // A sound trie has fewer nodes than bytes.
    let mut nodes = trie.len().max(1);
    while let Some((at, depth)) = left.pop() {
        let Some(rest) = nodes.checked_sub(1).filter(|_| depth < MOST) else {
            return false;
        };
        nodes = rest;
        for child in children(trie, at).unwrap_or_default() {
            left.push((child, depth.saturating_add(1)));
        }
    }
    true
}

/// Where the nodes below one are.
fn children(trie: &[u8], at: usize) -> Option<Vec<usize>> {
    let mut rest = trie.get(at..)?;
    let size = number(&mut rest)?;
    rest = rest.get(size..)?;
    let (count, mut rest) = rest.split_first()?;
    let mut found = Vec::new();
    for _ in 0..*count {
        let end = rest.iter().position(|byte| *byte == 0)?;
        rest = rest.get(end.checked_add(1)?..)?;
        found.push(number(&mut rest)?);
    }
    Some(found)
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut sum = 0usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        sum |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if *byte < 0x80 {
            return Some(sum);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of nodes, each with one child whose edge has no letters but one.
    fn chain(depth: usize) -> Vec<u8> {
        let node = 8;
        let mut trie = Vec::new();
        for index in 0..depth {
            let next = (index + 1) * node;
            trie.extend([0, 1, b'a', 0]);
            for shift in [0, 7, 14, 21] {
                let more = if shift < 21 { 0x80 } else { 0 };
                trie.push((next >> shift) as u8 & 0x7f | more);
            }
        }
        trie.extend([0, 0]);
        trie
    }

    #[test]
    fn what_dyld_does_not_follow_is_not_followed() {
        assert!(is_shallow(&chain(100)));
        assert!(!is_shallow(&chain(200)));
        assert!(!is_shallow(&chain(400_000)));
        assert!(is_shallow(&[]));
        // A node below itself.
        assert!(!is_shallow(&[0, 1, b'a', 0, 0]));
    }
}
