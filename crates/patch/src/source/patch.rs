//! Patches of one tree, before they are text.

use super::tree::SourceTree;

/// One file before and after a patch. Paths are relative to the tree's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// Path below the tree's root, with forward slashes.
    pub path: String,
    /// The text now in the tree; none for a new file.
    pub old: Option<String>,
    /// The text after the patch.
    pub new: String,
}

/// One patch of the series: a purpose, a message and the files it touches.
#[derive(Debug, Clone)]
pub struct Patch {
    /// Subject line of the commit message.
    pub subject: String,
    /// Body of the commit message.
    pub body: String,
    /// The files, in the order of the diff.
    pub edits: Vec<FileEdit>,
}

/// A patch file of the series, ready for `git apply` and `git am`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchFile {
    /// Such as `0001-runtime-accept-both-attention-tags.patch`.
    pub name: String,
    /// The whole text, headers included.
    pub text: String,
}

/// The plan for one tree.
#[derive(Debug, Clone)]
pub struct SourcePatch {
    /// The tree that the patches are made for.
    pub tree: SourceTree,
    /// The patches still to make; empty when the tree has everything.
    pub patches: Vec<Patch>,
    /// What the tree has already, and other remarks, one sentence each.
    pub notes: Vec<String>,
}

impl SourcePatch {
    /// Whether the tree needs nothing.
    pub fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }
}
