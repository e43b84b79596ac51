//! Bytes for a blob that has to grow, taken in this order and from nowhere
//! else: what an earlier change left unused; the empty list of memory scopes
//! (V2 becomes V1); the ends of texts that only error messages quote; padding
//! behind the blob that belongs to no section.

use artcheck_inspect::module::Blob;
use artcheck_inspect::vm::{Executable, Magic};

use super::splice::{Splice, growth, index};
use super::{PlanError, context_strings, tags};
use crate::plan::Change;

/// Bytes behind a blob that it may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Behind {
    /// Its own: left by an earlier change.
    pub(super) own: usize,
    /// Padding that belongs to no section.
    pub(super) padding: usize,
}

/// Where bytes may come from besides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources {
    /// The runtime reads V1 headers.
    pub(super) v1: bool,
}

/// Adds to `splices` what frees enough bytes for them; at best nothing.
pub(super) fn find(
    blob: &Blob,
    splices: &mut Vec<Splice>,
    changes: &mut Vec<Change>,
    behind: Behind,
    sources: Sources,
) -> Result<(), PlanError> {
    let wanted = usize::try_from(growth(splices)).unwrap_or(0);
    let mut missing = wanted.saturating_sub(behind.own);
    let mut tried = vec![format!("{} left by an earlier change", behind.own)];
    let mut found = behind.own;
    if missing > 0 && sources.v1 {
        let freed = drop_scopes(blob, splices, changes);
        tried.push(format!("{freed} by writing a V1 header"));
        found = found.saturating_add(freed);
        missing = missing.saturating_sub(freed);
    } else if missing > 0 {
        tried
            .push("none by writing a V1 header, which the runtime is not known to read".to_owned());
    }
    if missing > 0 {
        let freed = cut_texts(blob, splices, changes, missing);
        tried.push(format!("{freed} in texts that only error messages quote"));
        found = found.saturating_add(freed);
        missing = missing.saturating_sub(freed);
    }
    if missing > 0 {
        tried.push(format!("{} of padding behind the blob", behind.padding));
        found = found.saturating_add(behind.padding);
        missing = missing.saturating_sub(behind.padding);
    }
    if missing == 0 {
        return Ok(());
    }
    let what = splices
        .iter()
        .find(|splice| splice.new.len() > splice.at.len());
    Err(PlanError::NoRoom {
        what: what.map_or_else(
            || "the blob".to_owned(),
            |splice| format!("the {}", splice.why),
        ),
        needed: wanted,
        found,
        tried: tried.join(", "),
    })
}

fn drop_scopes(blob: &Blob, splices: &mut Vec<Splice>, changes: &mut Vec<Change>) -> usize {
    let mut freed: usize = 0;
    for (module, executable) in blob.executables() {
        let done = changes.contains(&Change::HeaderV1 { module });
        if let Some(more) = header_v1(blob, module, executable).filter(|_| !done) {
            splices.extend(more);
            changes.push(Change::HeaderV1 { module });
            freed = freed.saturating_add(8);
        }
    }
    freed
}

/// The splices that make a V1 header of a V2 one without memory scopes.
pub(super) fn header_v1(
    blob: &Blob,
    module: usize,
    executable: &Executable,
) -> Option<[Splice; 2]> {
    if executable.magic != Magic::V2 || !executable.memory_scopes.is_empty() {
        return None;
    }
    let payload = index(blob.modules.get(module)?.payload_offset);
    let scopes = &executable.sections.memory_scopes;
    let scopes =
        payload.checked_add(index(scopes.start))?..payload.checked_add(index(scopes.end))?;
    Some([
        Splice::new(
            payload..payload.checked_add(8)?,
            Magic::V1.bytes(),
            "magic of the executable, V2 to V1",
        ),
        Splice::new(
            scopes,
            Vec::new(),
            "empty list of memory scopes, which V1 does not have",
        ),
    ])
}

fn cut_texts(
    blob: &Blob,
    splices: &mut Vec<Splice>,
    changes: &mut Vec<Change>,
    missing: usize,
) -> usize {
    let mut freed: usize = 0;
    for (module, executable) in blob.executables() {
        let payload = blob
            .modules
            .get(module)
            .map_or(0, |found| index(found.payload_offset));
        for text in context_strings::of(executable) {
            let Some(wanted) = missing.checked_sub(freed).filter(|wanted| *wanted > 0) else {
                return freed;
            };
            let Some(kept) = text.cut(wanted.min(text.spare())) else {
                continue;
            };
            let what = "text that only error messages quote, shortened";
            splices.extend(tags::new_text(
                executable,
                text.constant,
                payload,
                kept,
                what,
            ));
            let cut = text.text.len().saturating_sub(kept.len());
            changes.push(Change::ContextString {
                module,
                constant: text.constant,
                cut,
            });
            freed = freed.saturating_add(cut);
        }
    }
    freed
}
