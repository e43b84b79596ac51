//! What a model library is made of: its modules with their sizes, and the
//! functions it leaves to others. Facts for reports; no judgement.

use std::collections::BTreeSet;

use artcheck_inspect::DecodeError;
use artcheck_inspect::module::{Blob, ModelLibrary, Module, Payload};
use artcheck_inspect::vm::FunctionKind;
use serde::{Deserialize, Serialize};

/// One module of the tree, root first, in the order of a depth-first walk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleNode {
    /// Kind, e.g. `relax.VMExecutable`.
    pub kind: String,
    /// Importers above it.
    pub depth: usize,
    /// Bytes of its payload.
    pub size: u64,
    /// Code format of a device module, e.g. `cubin`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code_format: String,
    /// Kernels of a device module.
    #[serde(default)]
    pub kernels: usize,
}

/// The modules of a blob in tree order, with their depth. One that two others import is
/// there once.
pub fn tree(blob: &Blob) -> Vec<(&Module, usize)> {
    let mut nodes = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![(blob.root, 0_usize)];
    while let Some((index, depth)) = open.pop() {
        let Some(module) = blob.modules.get(index).filter(|_| seen.insert(index)) else {
            continue;
        };
        nodes.push((module, depth));
        let below = depth.saturating_add(1);
        open.extend(module.children.iter().rev().map(|child| (*child, below)));
    }
    nodes
}

/// What a report says of them.
pub fn modules(blob: &Blob) -> Vec<ModuleNode> {
    let node = |(module, depth): (&Module, usize)| {
        let (code_format, kernels) = match &module.payload {
            Payload::Device(device) => (device.code_format.clone(), device.kernels.len()),
            _ => (String::new(), 0),
        };
        ModuleNode {
            kind: module.kind.clone(),
            depth,
            size: module.payload_length,
            code_format,
            kernels,
        }
    };
    tree(blob).into_iter().map(node).collect()
}

/// Functions of the VM's table that the library does not bring itself: what
/// the runtime, or the application, must register. Sorted, each once.
pub fn required_functions(library: &ModelLibrary, blob: &Blob) -> Vec<String> {
    let own = library.own_functions(blob);
    let wanted: BTreeSet<&str> = blob
        .executables()
        .flat_map(|(_, executable)| &executable.functions)
        .filter(|function| function.kind == FunctionKind::Packed)
        .map(|function| function.name.as_str())
        .filter(|name| !own.contains(name))
        .collect();
    wanted.into_iter().map(str::to_owned).collect()
}

/// Why a program of a library cannot be read, where one cannot.
pub fn undecodable(blob: &Blob) -> Option<&DecodeError> {
    let mut modules = blob.modules.iter();
    modules.find_map(|module| match &module.payload {
        Payload::Undecodable { error } if module.kind.starts_with("relax.") => Some(error),
        _ => None,
    })
}
