//! What a plan says: the bytes that change, and what they mean.

mod edit;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use edit::Edit;

/// What an executable or a device payload says differently afterwards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change", deny_unknown_fields)]
pub enum Change {
    /// An attention tag.
    Tag {
        /// Module of the executable.
        module: usize,
        /// Constant pool index.
        constant: usize,
        /// The tag now.
        from: String,
        /// The tag afterwards.
        to: String,
    },
    /// The header is V1 instead of V2; it had no memory scopes.
    HeaderV1 {
        /// Module of the executable.
        module: usize,
    },
    /// The text that an error message of a shape check quotes is shorter.
    ContextString {
        /// Module of the executable.
        module: usize,
        /// Constant pool index.
        constant: usize,
        /// Bytes cut from its end.
        cut: usize,
    },
    /// The KV-cache config has five elements instead of six.
    CacheConfig {
        /// Module of the executable.
        module: usize,
        /// The `make_shape` instruction.
        instruction: u64,
    },
    /// The fields of a metal payload stand in the other order.
    MetalOrder {
        /// Module of the payload.
        module: usize,
        /// Since 0.24 (`true`) or up to 0.23 (`false`).
        since24: bool,
    },
    /// Kernels are described with, or without, extra argument tags.
    FunctionInfo {
        /// Module of the payload.
        module: usize,
        /// With the field (`true`) or without (`false`).
        extra_tags: bool,
    },
}

/// What a name in a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// By which a library is known to those linked to it: install name, soname.
    Identity,
    /// A library that the loader is asked for.
    Needed,
    /// The folders it looks in, with colons between them.
    RunPath,
    /// The state of the code signature: `unsigned` or `ad-hoc`.
    Signature,
    /// `model_lib` of an entry of `model_list` in an app configuration.
    ModelLib,
    /// A key of `model_lib_path_for_prepare_libs` in a package configuration.
    PreparedLib,
}

/// A name that reads differently afterwards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameChange {
    /// Slice of a universal file, entry of a list; 0 where there is one.
    pub number: usize,
    /// What the name is for.
    pub what: Named,
    /// The name now; empty where there is none.
    pub from: String,
    /// The name afterwards; empty where there is none.
    pub to: String,
}

/// The changes of one model library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LibraryChange {
    /// Archive member or slice; empty for the file itself.
    pub member: String,
    /// First byte of the blob: offset in the (unpacked) file, or address in
    /// the linear memory of a wasm module.
    pub blob: u64,
    /// What changes.
    pub changes: Vec<Change>,
}

/// Bytes behind a blob that an earlier change freed, and that are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// First byte of the blob, as in [`LibraryChange::blob`].
    pub blob: u64,
    /// Bytes from there that belong to it.
    pub length: u64,
}

/// What to do with a signature that a change breaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resign {
    /// Renew ad-hoc signatures; refuse to touch one of a team.
    #[default]
    Keep,
    /// Replace a team's signature by an ad-hoc one as well.
    AdHoc,
}

/// Everything that would be written, and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditPlan {
    /// `artcheck/edit-plan-v1`.
    pub schema: String,
    /// SHA-256 of the file now.
    pub before: String,
    /// SHA-256 of the file afterwards.
    pub after: String,
    /// The bytes, in file order; empty when nothing needs to change.
    pub edits: Vec<Edit>,
    /// The meaning, per model library.
    pub libraries: Vec<LibraryChange>,
    /// Names outside of model libraries that read differently.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<NameChange>,
    /// Bytes that blobs own beyond their length afterwards.
    pub room: Vec<Room>,
    /// What was done, one sentence each.
    pub summary: Vec<String>,
    /// What a person should know: what is lost, what stays unused.
    pub notes: Vec<String>,
}

impl EditPlan {
    /// The difference between two files as a plan, without a meaning yet.
    pub(crate) fn between(old: &[u8], new: &[u8], edits: Vec<Edit>) -> Self {
        Self {
            schema: "artcheck/edit-plan-v1".to_owned(),
            before: sha256(old),
            after: sha256(new),
            edits,
            libraries: Vec::new(),
            names: Vec::new(),
            room: Vec::new(),
            summary: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether nothing needs to change.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The file with every edit made; `None` where it does not hold the bytes
    /// the plan was made from.
    pub fn apply_to(&self, old: &[u8]) -> Option<Vec<u8>> {
        let edits = self.edits.iter();
        edit::replace(
            old,
            edits.map(|edit| (edit.offset, edit.old.as_slice(), edit.new.as_slice())),
        )
    }

    /// The file as it was, from the file as it is afterwards.
    pub fn undo_from(&self, new: &[u8]) -> Option<Vec<u8>> {
        let mut moved: i64 = 0;
        let mut back = Vec::new();
        for edit in &self.edits {
            let offset = edit.offset.checked_add_signed(moved)?;
            let replaced = edit.new_in(new, offset)?;
            back.push((offset, replaced, edit.old.as_slice()));
            moved = moved
                .checked_add(i64::try_from(replaced.len()).ok()?)?
                .checked_sub(i64::try_from(edit.old.len()).ok()?)?;
        }
        edit::replace(new, back.into_iter())
    }

    /// The plan for people: one line per change, then one per run of bytes.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for line in &self.summary {
            let _ = writeln!(text, "{line}");
        }
        for edit in &self.edits {
            let _ = writeln!(
                text,
                "  {:#010x}  {} -> {}  {}",
                edit.offset,
                edit::short(&edit.old),
                edit::short(&edit.new),
                edit.why
            );
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
