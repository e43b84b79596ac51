//! Unified diffs, and the mail form that `git am` reads.
//!
//! Headers are the same at every run: no clock, no user, no commit id that does
//! not exist. `git am` asks for an author and a date, so both are given as what
//! they are: the tool, and the epoch.

use std::fmt::Write as _;

use super::patch::{FileEdit, Patch, PatchFile, SourcePatch};
use crate::unified::unified;

const FROM_LINE: &str = "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001";
const AUTHOR: &str = "artcheck patch source <artcheck@localhost>";
const DATE: &str = "Thu, 1 Jan 1970 00:00:00 +0000";

impl SourcePatch {
    /// The `git am`-able series, numbered in order. The same tree always gives
    /// the same bytes.
    pub fn series(&self) -> Vec<PatchFile> {
        let total = self.patches.len();
        let numbered = self.patches.iter().zip(1_usize..);
        numbered
            .map(|(patch, number)| one(patch, number, total))
            .collect()
    }
}

fn one(patch: &Patch, number: usize, total: usize) -> PatchFile {
    let mut text = format!(
        "{FROM_LINE}\nFrom: {AUTHOR}\nDate: {DATE}\nSubject: [PATCH {number}/{total}] {}\n\
         MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n\
         Content-Transfer-Encoding: 8bit\n\n{}\n---\n",
        patch.subject, patch.body
    );
    for edit in &patch.edits {
        text.push_str(&diff(edit));
    }
    let _ = writeln!(text, "-- \nartcheck {}", env!("CARGO_PKG_VERSION"));
    PatchFile {
        name: format!("{number:04}-{}.patch", slug(&patch.subject)),
        text,
    }
}

/// One file's part of a diff, with git's header.
pub fn diff(edit: &FileEdit) -> String {
    let path = &edit.path;
    let mut text = format!("diff --git a/{path} b/{path}\n");
    let old = edit.old.as_deref().unwrap_or_default();
    let old_name = if edit.old.is_some() {
        format!("a/{path}")
    } else {
        text.push_str("new file mode 100644\n");
        "/dev/null".to_owned()
    };
    let hunks = unified(old, &edit.new, 3, None, true);
    if !hunks.is_empty() {
        let _ = write!(text, "--- {old_name}\n+++ b/{path}\n{hunks}");
    }
    text
}

fn slug(subject: &str) -> String {
    let words: Vec<String> = subject
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}
