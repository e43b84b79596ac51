//! `patch source`: upstream patch files for a TVM tree.
//!
//! What it is: reads the sources of one TVM or relax tree (a checkout, or the
//! sources inside an installed wheel), and makes three patches for that very tree:
//! `attn_backend.cc` accepts both attention tags, a new `device_c_api.cc` offers
//! `DeviceAPI` as flat C functions, and the kernel that merges attention states waits
//! before it stores. What it is not: a copy of any TVM file, and never half a patch:
//! either all of a patch can be made, or none.

mod apply;
mod attn_backend;
mod build_files;
mod cpp_scan;
pub(crate) mod device_c_api;
mod error;
mod merge_state;
mod patch;
mod series;
mod tree;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use artcheck_inspect::source::Spelled as _;

pub use error::SourceError;
pub use patch::{FileEdit, Patch, PatchFile, SourcePatch};
pub use tree::SourceTree;

/// What `patch source` is asked to do.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// A TVM or relax checkout, or a folder that holds an installed wheel.
    pub tvm_dir: PathBuf,
    /// Where to write the series; nothing is written without it.
    pub out: Option<PathBuf>,
    /// Also edit the tree itself.
    pub apply: bool,
}

/// What `run` did.
#[derive(Debug, Clone)]
pub struct SourceOutcome {
    /// The plan that was carried out.
    pub plan: SourcePatch,
    /// Patch files written.
    pub written: Vec<PathBuf>,
    /// Files of the tree that were changed or created.
    pub edited: Vec<PathBuf>,
    /// The same in words, for a terminal.
    pub summary: String,
}

/// Makes the plan for the tree at or below `tvm_dir`. Writes nothing.
pub fn plan(tvm_dir: &Path) -> Result<SourcePatch, SourceError> {
    let tree = tree::find(tvm_dir)?;
    let mut patches = Vec::new();
    let mut notes = Vec::new();

    match attn_backend::widen(&tree.attn_backend, &tree.read(&tree.attn_backend)?)? {
        None => notes.push(format!(
            "{} accepts both \"tirx\" and \"tir\" already.",
            tree.attn_backend
        )),
        Some(edit) => patches.push(attn_backend::patch(edit)),
    }
    match device_c_api::plan(&tree)? {
        device_c_api::Plan::Present(path) => {
            notes.push(format!(
                "{path} defines the TVMDeviceAPI* functions already."
            ));
        }
        device_c_api::Plan::Add { edits, note } => {
            patches.push(device_c_api::patch(edits));
            notes.extend(note);
        }
    }
    match merge_state::plan(&tree)? {
        merge_state::Plan::Absent => {}
        merge_state::Plan::Present(path) => {
            notes.push(format!(
                "{path} waits before the merged attention state is stored already."
            ));
        }
        merge_state::Plan::Unknown(path) => notes.push(format!(
            "{path}: the kernel that merges attention states has a form that is not known \
             (0.20 to 0.27 are); see `artcheck explain merged-states`."
        )),
        merge_state::Plan::Add(edit) => patches.push(merge_state::patch(edit)),
    }
    if tree.crlf {
        notes.push(
            "The files of this tree end their lines with CR LF, and so do the patches: \
             use `git am --keep-cr`."
                .to_owned(),
        );
    }
    Ok(SourcePatch {
        tree,
        patches,
        notes,
    })
}

/// Plans, then writes the series and edits the tree as asked.
pub fn run(options: &SourceOptions) -> Result<SourceOutcome, SourceError> {
    let plan = plan(&options.tvm_dir)?;
    let mut written = Vec::new();
    let mut edited = Vec::new();
    if !plan.is_empty() {
        if let Some(out) = &options.out {
            written = apply::write_series(out, &plan.series())?;
        }
        if options.apply {
            edited = apply::edit_tree(&plan)?;
        }
    }
    let summary = summarise(&plan, &written, &edited);
    Ok(SourceOutcome {
        plan,
        written,
        edited,
        summary,
    })
}

fn summarise(plan: &SourcePatch, written: &[PathBuf], edited: &[PathBuf]) -> String {
    let mut text = format!("tree: {}\n", plan.tree.root.spelled());
    for patch in &plan.patches {
        let _ = writeln!(text, "patch: {}", patch.subject);
        for edit in &patch.edits {
            let what = if edit.old.is_some() { "edits" } else { "adds" };
            let _ = writeln!(text, "  {what} {}", edit.path);
        }
    }
    if plan.is_empty() {
        text.push_str("nothing to do: the tree has all patches already.\n");
    }
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for path in written {
        let _ = writeln!(text, "wrote {}", path.spelled());
    }
    for path in edited {
        let _ = writeln!(text, "edited {}", path.spelled());
    }
    text
}
