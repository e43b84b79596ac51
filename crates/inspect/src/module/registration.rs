//! Names that a system library registers itself under, read from its strings.
//!
//! wasm keeps no symbols, but each library brings the names it passes to the
//! registration function: its blob and its host functions, as C strings. The
//! bytes of the blob itself are left out: names in there prove nothing.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use memchr::{memchr_iter, memmem};

use super::engine::HOST_FUNCTIONS;
use super::symbols::{HostNames, blob_symbol};
use super::{ModelLibrary, SymbolGeneration};
use crate::limits::MAX_REGISTERED_NAME;
use crate::vm::FunctionKind;

/// Fills in what the strings `outside` its blob say of `library`.
pub(super) fn recover(library: &mut ModelLibrary, outside: &[&[u8]]) {
    let Some((prefix, generation, name)) = registered_blob(outside) else {
        return;
    };
    library.prefix = (!prefix.is_empty()).then(|| prefix.to_owned());
    library.symbols = generation;
    library.blob_symbol = Some(name.to_owned());
    let wanted = packed_names(library);
    let mut names = HostNames::default();
    for text in outside.iter().copied().flat_map(strings) {
        names.add_registered(text, prefix, generation, &wanted);
    }
    library.add_names(names);
}

/// The blob's name: the one with a prefix if there is just one such, else the
/// bare one, which the runtime in the same memory may hold as well.
fn registered_blob<'a>(outside: &[&'a [u8]]) -> Option<(&'a str, SymbolGeneration, &'a str)> {
    let mut found: Vec<(&str, SymbolGeneration, &str)> = Vec::new();
    for (suffix, _) in SymbolGeneration::blobs() {
        for data in outside.iter().copied() {
            for at in memmem::find_iter(data, suffix.as_bytes()) {
                let end = at.saturating_add(suffix.len());
                if let Some(name) = string_ending(data, end)
                    && let Some((prefix, generation)) = blob_symbol(name)
                {
                    found.push((prefix, generation, name));
                }
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    let prefixed = found.iter().filter(|(prefix, ..)| !prefix.is_empty());
    match prefixed.count() {
        0 => found.pop(),
        1 => found.into_iter().find(|(prefix, ..)| !prefix.is_empty()),
        _ => None,
    }
}

/// The C string whose terminator stands at `end`.
fn string_ending(data: &[u8], end: usize) -> Option<&str> {
    if data.get(end) != Some(&0) {
        return None;
    }
    let floor = end.saturating_sub(MAX_REGISTERED_NAME);
    let before = data.get(floor..end)?;
    let length = before.iter().rev().take_while(|byte| **byte != 0).count();
    let text = data.get(end.saturating_sub(length)..end)?;
    std::str::from_utf8(text).ok()
}

/// Names between two zero bytes.
fn strings(data: &[u8]) -> impl Iterator<Item = &str> {
    let mut start = 0;
    memchr_iter(0, data).filter_map(move |end| {
        let text = data.get(start..end)?;
        start = end.saturating_add(1);
        if text.is_empty() || text.len() > MAX_REGISTERED_NAME {
            return None;
        }
        std::str::from_utf8(text).ok()
    })
}

/// Names the executable looks up when it starts, and those that engines call.
fn packed_names(library: &ModelLibrary) -> HashSet<String, RandomState> {
    let blob = library.blob.as_ref().into_iter();
    blob.flat_map(|blob| blob.executables())
        .flat_map(|(_, executable)| &executable.functions)
        .filter(|function| function.kind == FunctionKind::Packed)
        .map(|function| function.name.clone())
        .chain(HOST_FUNCTIONS.map(str::to_owned))
        .collect()
}
