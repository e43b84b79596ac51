//! The import tree of a blob: two vectors in compressed-row form.

use std::ops::Range;

use crate::bytes::Reader;
use crate::error::DecodeError;

/// Children of each module, by module index.
pub(super) type Tree = Vec<Vec<usize>>;

/// Reads both vectors and checks that they describe a forest: row pointers
/// from 0, ascending, ending at the number of children; every child exists;
/// nothing imports itself, not even through others.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Tree, DecodeError> {
    let start = reader.clone();
    let rows = indices(reader, "the import tree's row pointers")?;
    let children = indices(reader, "the import tree's children")?;
    let shaped = rows.first() == Some(&0)
        && rows.is_sorted()
        && rows.last().copied() == Some(children.len() as u64);
    if !shaped {
        return Err(start.error(
            "row pointers that ascend from 0 to the number of children",
            format!("{} row pointers, {} children", rows.len(), children.len()),
        ));
    }
    let modules = rows.len().saturating_sub(1);
    let tree: Option<Tree> = rows
        .iter()
        .zip(rows.iter().skip(1))
        .map(|(first, end)| {
            let range = Range {
                start: usize::try_from(*first).ok()?,
                end: usize::try_from(*end).ok()?,
            };
            children
                .get(range)?
                .iter()
                .map(|child| {
                    usize::try_from(*child)
                        .ok()
                        .filter(|child| *child < modules)
                })
                .collect()
        })
        .collect();
    match tree {
        Some(tree) if is_acyclic(&tree) => Ok(tree),
        Some(_) => Err(start.error("an import tree", "modules that import each other")),
        None => Err(start.error(
            format!("children below {modules}, the number of modules"),
            "a larger one",
        )),
    }
}

fn indices(reader: &mut Reader<'_>, what: &'static str) -> Result<Vec<u64>, DecodeError> {
    let count = reader.items(8, what)?;
    (0..count).map(|_| reader.u64(what)).collect()
}

/// Takes away modules nobody imports until none is left (Kahn's algorithm).
fn is_acyclic(tree: &Tree) -> bool {
    let mut importers = vec![0_usize; tree.len()];
    for child in tree.iter().flatten() {
        if let Some(count) = importers.get_mut(*child) {
            *count = count.saturating_add(1);
        }
    }
    let mut free: Vec<usize> = importers
        .iter()
        .enumerate()
        .filter_map(|(module, count)| (*count == 0).then_some(module))
        .collect();
    let mut taken = 0_usize;
    while let Some(module) = free.pop() {
        taken = taken.saturating_add(1);
        for child in tree.get(module).into_iter().flatten() {
            if let Some(count) = importers.get_mut(*child) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    free.push(*child);
                }
            }
        }
    }
    taken == tree.len()
}
