//! AC102 vm-format: the executable or the blob around it is of a generation
//! the runtime does not read.

use super::{Check, Outcome, Pair, Rule};
use crate::error::DecodeError;
use crate::finding::{Location, Repair, Severity};
use crate::module::{BlobLayout, Module, Payload, SymbolGeneration};
use crate::vm::{ConstantTable, Executable, Magic};
use crate::words::spell;

pub(super) static RULE: Rule = Rule {
    code: "AC102",
    name: "vm-format",
    severity: Severity::Error,
    summary: "blob symbol, blob layout, VM magic, version string or constant codes of another generation",
    explain: include_str!("ac102_vm_format.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Pair(check)];

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    check_symbol(pair, out);
    check_layout(pair, out);
    for (index, module) in pair.blob.modules.iter().enumerate() {
        match &module.payload {
            Payload::VmExecutable(executable) => check_executable(pair, module, executable, out),
            Payload::Undecodable { error } if module.kind.starts_with("relax.") => {
                let at = pair.file_offset(module.payload_offset.saturating_add(error.at));
                let finding = pair
                    .finding(
                        &RULE,
                        format!("module {index} `{}` does not decode", module.kind),
                    )
                    .at(Location {
                        offset: Some(at),
                        ..Location::default()
                    })
                    .evidence(format!(
                        "at file offset {at:#x}: expected {}, found {}",
                        error.expected, error.found
                    ))
                    .help("compile the library again; if it loads elsewhere, say with which TVM");
                out.push(match words(error) {
                    Some(words) => finding.says(words),
                    None => finding,
                });
            }
            _ => {}
        }
    }
}

/// What a runtime says of an executable that does not decode, where that is
/// known: elsewhere it reads on and fails later, or not at all.
fn words(error: &DecodeError) -> Option<&'static str> {
    if error.expected.starts_with("a constant code") {
        return Some(
            "Constant pool can only contain Tensor and DLDataType, but got ... when loading the VM constant pool.",
        );
    }
    (error.at == 0).then_some("Invalid VM file format in the header section.")
}

/// The runtime finds the blob by its symbol name alone.
fn check_symbol(pair: &Pair<'_>, out: &mut Outcome) {
    let Some(accepted) = &pair.runtime.blob_symbols.value else {
        return;
    };
    let name = match pair.library.symbols {
        SymbolGeneration::DevMblob => "__tvm_dev_mblob",
        SymbolGeneration::FfiLibraryBin => "__tvm_ffi_library_bin",
        SymbolGeneration::FfiUnderscoreLibraryBin => "__tvm_ffi__library_bin",
        // A wasm links its own runtime; a bare executable has no symbols.
        SymbolGeneration::Unknown => return,
    };
    if accepted.contains(name) {
        return;
    }
    let looked_for: Vec<&str> = accepted.iter().map(String::as_str).collect();
    out.push(
        pair.finding(&RULE, format!("the blob symbol is `{name}`, this runtime looks for `{}`", looked_for.join("` or `")))
            .at(Location {
                symbol: pair.library.blob_symbol.clone(),
                offset: Some(pair.library.file_offset),
                ..Location::default()
            })
            .says("Module has no function 'vm_load_executable'")
            .help("compile the library again with a TVM of the runtime's generation: the calling convention of host code changed too"),
    );
}

fn check_layout(pair: &Pair<'_>, out: &mut Outcome) {
    let Some(accepted) = &pair.runtime.blob_layouts.value else {
        return;
    };
    let layout = match pair.blob.layout {
        BlobLayout::CountFirst => "count-first",
        BlobLayout::TreeFirst => "tree-first",
        // A bare executable has no blob around it.
        BlobLayout::Bare => return,
    };
    if !accepted.contains(layout) {
        out.push(
            pair.finding(
                &RULE,
                format!(
                    "the blob is {layout}, this runtime reads {}",
                    join(accepted)
                ),
            )
            .at(Location {
                offset: Some(pair.library.file_offset),
                ..Location::default()
            })
            .help("compile the library again with a TVM of the runtime's generation"),
        );
    }
}

fn check_executable(pair: &Pair<'_>, module: &Module, executable: &Executable, out: &mut Outcome) {
    let start = pair.file_offset(module.payload_offset);
    let magic = match executable.magic {
        Magic::V1 => "V1",
        Magic::V2 => "V2",
    };
    if let Some(accepted) = &pair.runtime.vm_magics.value
        && !accepted.contains(magic)
    {
        out.push(
            pair.finding(&RULE, format!("the executable is {magic}, this runtime reads {}", join(accepted)))
                .at(Location { offset: Some(start), ..Location::default() })
                .says("Invalid VM file format in the header section.")
                .help("`artcheck patch convert FILE --for RUNTIME` rewrites V2 without memory scopes as V1, else compile again")
                .repair(if executable.memory_scopes.is_empty() { &[Repair::InPlace] } else { &[] }),
        );
    }
    if let Some(accepted) = &pair.runtime.vm_version.value
        && *accepted != executable.version
    {
        out.push(
            pair.finding(
                &RULE,
                format!(
                    "the version string is `{}`, this runtime demands `{accepted}`",
                    executable.version
                ),
            )
            .at(Location {
                offset: Some(start.saturating_add(8)),
                ..Location::default()
            })
            .says("Invalid VM file format in the version section.")
            .help("compile the library again"),
        );
    }
    if let Some(accepted) = &pair.runtime.constant_table.value {
        let fits = match executable.constant_table {
            ConstantTable::Any => true,
            ConstantTable::AnyFfi => accepted.starts_with("ffi"),
            table => spell(table) == *accepted,
        };
        if !fits {
            out.push(
                pair.finding(
                    &RULE,
                    format!("the constant pool uses the {} codes, this runtime reads {accepted}", spell(executable.constant_table)),
                )
                .at(Location {
                    offset: Some(start.saturating_add(executable.sections.constants.start)),
                    ..Location::default()
                })
                .says("Constant pool can only contain Tensor and DLDataType, but got ffi.Array when loading the VM constant pool.")
                .help("compile the library again with a TVM of the runtime's generation"),
            );
        }
    }
}

fn join(words: &std::collections::BTreeSet<String>) -> String {
    words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" or ")
}
