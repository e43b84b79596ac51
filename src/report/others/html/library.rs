//! What one model library holds: facts, module tree, sizes, requirements.

use serde::Serialize;

use crate::report::model::{Entry, Library};
use crate::report::phrases::counted;
use crate::report::summary::size;

#[derive(Serialize)]
pub(super) struct LibraryView {
    facts: Vec<(String, String)>,
    tree: Vec<Node>,
    requires: Vec<String>,
    slots: Vec<String>,
}

#[derive(Serialize)]
struct Node {
    depth: usize,
    name: String,
    size: String,
    percent: String,
}

pub(super) fn library_view(artifact: &Entry, library: &Library) -> LibraryView {
    let summary = &library.summary;
    let mut facts = vec![(String::from("built by"), summary.epoch.clone())];
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.push((name.to_owned(), value));
        }
    };
    fact("needs", artifact.needs.as_deref().cloned());
    fact("prefix", summary.prefix.clone());
    fact("model", summary.model_type.clone());
    fact("state", summary.kv_state_kind.clone());
    fact("device", Some(summary.gpu.join("; ")));
    for executable in &summary.executables {
        fact(
            "program",
            Some(format!(
                "{}, {}, {}, format {}",
                counted(executable.functions, "function"),
                counted(executable.instructions, "instruction"),
                counted(executable.constants, "constant"),
                executable.magic
            )),
        );
        fact("attention tag", Some(executable.attention_tags.join(", ")));
        fact(
            "cache config",
            executable
                .cache_config_length
                .map(|length| counted(length as usize, "element")),
        );
    }
    LibraryView {
        facts,
        tree: tree(artifact, library),
        requires: library.requires.clone(),
        slots: summary.slots.clone(),
    }
}

/// The module tree with each module's share of the file. The host code is
/// what the blob does not take, where the file holds one library.
fn tree(artifact: &Entry, library: &Library) -> Vec<Node> {
    let whole = artifact.size.max(library.blob_size).max(1);
    let alone = artifact.libraries.len() == 1;
    library
        .tree
        .iter()
        .map(|module| {
            let bytes = if module.kind == "_lib" && alone {
                artifact.size.saturating_sub(library.blob_size)
            } else {
                module.size
            };
            let mut name = match module.kind.as_str() {
                "_lib" => String::from("_lib (host code, tables, symbols)"),
                kind => kind.to_owned(),
            };
            if module.kernels > 0 {
                name.push_str(&format!(", {}", counted(module.kernels, "kernel")));
            }
            if !module.code_format.is_empty() && module.code_format != module.kind {
                name.push_str(&format!(" as {}", module.code_format));
            }
            Node {
                depth: module.depth,
                name,
                size: size(bytes),
                percent: format!("{:.1}", 100.0 * bytes as f64 / whole as f64),
            }
        })
        .collect()
}
