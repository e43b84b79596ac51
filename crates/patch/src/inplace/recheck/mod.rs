//! The second reader: reads a changed file again and says what is different.
//!
//! It shares nothing with what made the change. Containers are read by
//! `goblin`, `tar` and a few lines for WebAssembly, blobs by a small decoder of
//! its own ([`blob`]), names by [`names`], signatures by [`signature`],
//! APKs by `zip` ([`apk`]). Bytes
//! outside the plan must be equal, the difference in meaning must be exactly the
//! planned one, and a loader must still take the file ([`segments`]).

mod apk;
mod blob;
mod container;
mod executable;
mod fields;
mod kernels;
mod names;
mod segments;
mod signature;
mod trie;

use crate::plan::{Change, EditPlan};

/// Says what is wrong with `new`, the result of carrying out `plan` on `old`.
pub fn check(old: &[u8], new: &[u8], plan: &EditPlan) -> Result<(), String> {
    bytes(old, new, plan)?;
    let before = container::unpacked(old)?;
    let after = container::unpacked(new)?;
    let known: Vec<u64> = plan.libraries.iter().map(|library| library.blob).collect();
    let old_blobs = container::blobs(&before, &known)?;
    let new_blobs = container::blobs(&after, &known)?;
    if old_blobs.len() != new_blobs.len() {
        return Err(format!(
            "{} model libraries before, {} after",
            old_blobs.len(),
            new_blobs.len()
        ));
    }
    let mut seen: usize = 0;
    for (old, new) in old_blobs.iter().zip(&new_blobs) {
        if old.at != new.at {
            return Err(format!("a blob moved from {:#x} to {:#x}", old.at, new.at));
        }
        let found = blob::differences(&old.bytes, &new.bytes)
            .map_err(|error| format!("the blob at {:#x}: {error}", old.at))?;
        let planned = plan.libraries.iter().find(|library| library.blob == old.at);
        seen = seen.saturating_add(planned.is_some().into());
        let planned: &[Change] = planned.map_or(&[], |library| &library.changes);
        if found != planned {
            return Err(format!(
                "the blob at {:#x}: planned {planned:?}, found {found:?}",
                old.at
            ));
        }
    }
    if seen != plan.libraries.len() {
        return Err(format!(
            "{} model libraries planned, {seen} found",
            plan.libraries.len()
        ));
    }
    let mut names = plan.names.clone();
    names.sort();
    let found = names::differences(&before, &after)?;
    if found != names {
        return Err(format!("names: planned {names:?}, found {found:?}"));
    }
    if plan.edits.is_empty() {
        return Ok(());
    }
    apk::check(&before, &after)?;
    segments::check(&after)?;
    signature::check(&after)
}

/// Every byte outside the edits is equal, every edit is as planned.
fn bytes(old: &[u8], new: &[u8], plan: &EditPlan) -> Result<(), String> {
    let mut from = (0_usize, 0_usize);
    for edit in &plan.edits {
        let start = usize::try_from(edit.offset).map_err(|_| "an edit outside the file")?;
        let gap = start.checked_sub(from.0).ok_or("edits out of order")?;
        let new_start = from.1.saturating_add(gap);
        if old.get(from.0..start) != new.get(from.1..new_start) {
            return Err(format!("bytes before {start:#x} differ"));
        }
        let ends = (
            start.saturating_add(edit.old.len()),
            new_start.saturating_add(edit.new.len()),
        );
        if old.get(start..ends.0) != Some(&edit.old)
            || new.get(new_start..ends.1) != Some(&edit.new)
        {
            return Err(format!("the bytes at {start:#x} are not the planned ones"));
        }
        from = ends;
    }
    if old.get(from.0..) != new.get(from.1..) {
        return Err(format!("bytes after {:#x} differ", from.0));
    }
    Ok(())
}
