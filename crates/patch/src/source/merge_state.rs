//! A barrier in the GPU kernel that merges two attention states.
//!
//! All threads of a row read one number of each state, and all write the merged one in
//! place. Where a row is not within one simd-group, one may write before another reads.
//! The patch puts a barrier in front of that store and changes nothing else.

use super::error::SourceError;
use super::patch::{FileEdit, Patch};
use super::tree::SourceTree;

/// The kernel's file: since the kernels have files of their own, and before.
const FILES: [&str; 2] = ["_decode_kernels.py", "kv_cache.py"];
/// The Python package's language-model part, in a checkout and in a wheel.
const FOLDERS: [&str; 2] = ["python/tvm/relax/frontend/nn/llm", "relax/frontend/nn/llm"];
const FUNCTION: &str = "def _merge_state_inplace(";
const STORE: &str = "# store s";

/// What a tree needs.
pub enum Plan {
    /// It has no such kernel.
    Absent,
    /// Its kernel has a barrier.
    Present(String),
    /// Its kernel has another form.
    Unknown(String),
    /// This edit.
    Add(FileEdit),
}

/// Looks at the tree's kernel.
pub fn plan(tree: &SourceTree) -> Result<Plan, SourceError> {
    for folder in FOLDERS {
        for file in FILES {
            let path = format!("{folder}/{file}");
            let Some(text) = tree.read_if_present(&path)? else {
                continue;
            };
            let Some(start) = text.find(FUNCTION) else {
                continue;
            };
            return Ok(in_text(tree, path, text, start));
        }
    }
    Ok(Plan::Absent)
}

fn in_text(tree: &SourceTree, path: String, text: String, start: usize) -> Plan {
    let (before, kernel) = text.split_at(start);
    let end = kernel.find("\ndef ").unwrap_or(kernel.len());
    let (kernel, behind) = kernel.split_at(end);
    if kernel.contains("storage_sync") {
        return Plan::Present(path);
    }
    let is_store = |line: &&str| line.trim() == STORE;
    let mut stores = kernel.lines().filter(is_store);
    let (Some(store), None) = (stores.next(), stores.next()) else {
        return Plan::Unknown(path);
    };
    let indent = store.trim_end().strip_suffix(STORE).unwrap_or_default();
    let barrier = tree.with_line_ends(&format!(
        "{indent}# every thread of this row has read s\n\
         {indent}T.tvm_storage_sync(\"shared\")\n"
    ));
    let kernel = kernel.replacen(
        &format!("{indent}{STORE}"),
        &format!("{barrier}{indent}{STORE}"),
        1,
    );
    Plan::Add(FileEdit {
        new: format!("{before}{kernel}{behind}"),
        path,
        old: Some(text),
    })
}

/// The commit around the edit.
pub fn patch(edit: FileEdit) -> Patch {
    Patch {
        subject: "relax: wait before the merged attention state is stored".to_owned(),
        body: "Each thread of a row of `merge_state_inplace` reads s of the row, and each\n\
               stores the merged s in its place. A row takes head_dim / 4 threads. Where\n\
               these are not all in one warp or simd-group, as with heads of 256 or of 96,\n\
               one may store before another has read: part of the head is then scaled by\n\
               the wrong numbers, without an error.\n\
               \n\
               Wait for all threads in front of the store."
            .to_owned(),
        edits: vec![edit],
    }
}
