//! AC102 vm-format: the executable or the blob around it is of a generation
//! the runtime does not read.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Check, Outcome, Pair, Rule};
use crate::error::DecodeError;
use crate::finding::{Location, Repair, Severity};
use crate::module::{BlobLayout, Module, Payload};
use crate::runtime::{BlobSymbol, RuntimeProfile, any_of, history};
use crate::vm::{ConstantTable, Executable};
use crate::words::spell;

pub(super) static RULE: Rule = Rule {
    code: "AC102",
    name: "vm-format",
    severity: Severity::Error,
    summary: "the runtime cannot find or decode the VM executable: blob symbol, layout, magic, version or constants are of another generation",
    explain: include_str!("ac102_vm_format.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Pair(check)];

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    check_symbol(pair, out);
    check_layout(pair, out);
    check_indices(pair, out);
    for (index, module) in pair.blob.modules.iter().enumerate() {
        match &module.payload {
            Payload::VmExecutable(executable) => check_executable(pair, module, executable, out),
            Payload::Undecodable { error } if error.is_limit => {
                out.over_limit(&RULE, format!("module {index} `{}`: {error}", module.kind));
            }
            Payload::Undecodable { error } if module.kind.starts_with("relax.") => {
                let at = pair.file_offset(module.payload_offset.saturating_add(error.at));
                let finding = pair
                    .finding(
                        &RULE,
                        format!("module {index} `{}` does not decode", module.kind),
                    )
                    .at(Location::at(at))
                    .evidence(format!(
                        "at file offset {at:#x}: expected {}, found {}",
                        error.expected, error.found
                    ))
                    .help("compile the library again. If a TVM does load it, artcheck is wrong: please report that");
                out.push(finding.says_known(words(pair, error)));
            }
            _ => {}
        }
    }
}

/// Code that names what is not there is damage.
fn check_indices(pair: &Pair<'_>, out: &mut Outcome) {
    for program in &pair.facts.programs {
        let Some(stray) = &program.stray else {
            continue;
        };
        if !stray.is_fatal {
            out.undecided(
                &RULE,
                format!("the code {} (instruction {}): the file is damaged, and whether that instruction then still does its work is not known", stray.what, stray.instruction),
            );
            continue;
        }
        out.push(
            pair.finding(&RULE, format!("the code {}", stray.what))
                .at(program.place(stray.function, Some(stray.instruction)))
                .help("the file is damaged: compare its size and checksum with the build's; copy or build it again"),
        );
    }
}

/// What a runtime says of an executable that does not decode, where that is
/// known: elsewhere it reads on and fails later, or not at all.
fn words(pair: &Pair<'_>, error: &DecodeError) -> Option<String> {
    if error.expected.starts_with("a constant code") {
        return pair.words("constant-pool", &[("found", "...")]);
    }
    (error.at == 0).then(|| pair.words("vm-header", &[]))?
}

/// The runtime finds the blob by its symbol name alone.
fn check_symbol(pair: &Pair<'_>, out: &mut Outcome) {
    let Some(accepted) = &pair.runtime.blob_symbols.value else {
        return;
    };
    // A wasm links its own runtime; a bare executable has no symbols.
    let Some(name) = pair.library.symbols.blob_symbol() else {
        return check_hidden(pair, accepted, out);
    };
    if accepted.contains(&BlobSymbol(pair.library.symbols)) {
        return;
    }
    let looked_for: Vec<&str> = accepted.iter().map(|symbol| (*symbol).into()).collect();
    pair.hold(&pair.runtime.blob_symbols,
        pair.finding(&RULE, format!("the blob symbol is `{name}`, but this runtime looks for `{}`", looked_for.join("` or `")))
            .at(Location {
                symbol: pair.library.blob_symbol.clone(),
                offset: Some(pair.library.file_offset),
                ..Location::default()
            })
            .says_known(pair.words("no-blob", &[("name", "vm_load_executable")]))
            .help("compile the library again with a TVM of the runtime's generation: the calling convention of host code changed too"), out);
}

/// A shared library that holds a blob, and exports no symbol for it.
fn check_hidden(pair: &Pair<'_>, accepted: &BTreeSet<BlobSymbol>, out: &mut Outcome) {
    if !pair.is_hidden() {
        return;
    }
    let looked_for: Vec<&str> = accepted.iter().map(|symbol| (*symbol).into()).collect();
    let looked_for = looked_for.join("` or `");
    let finding = pair
        .finding(&RULE, "the file holds a model, but exports no symbol for its blob: it loads as a library without a model")
        .at(Location::at(pair.library.file_offset))
        .evidence(format!("the runtime looks for `{looked_for}`"))
        .says_known(pair.words("no-blob", &[("name", "vm_load_executable")]))
        .help("link it again without what hides its symbols: `-fvisibility=hidden`, a version script, `--exclude-libs`, an export list");
    pair.hold(&pair.runtime.blob_symbols, finding, out);
}

fn check_layout(pair: &Pair<'_>, out: &mut Outcome) {
    let Some(accepted) = &pair.runtime.blob_layouts.value else {
        return;
    };
    let layout = pair.blob.layout;
    // A bare executable has no blob around it.
    if layout != BlobLayout::Bare && !accepted.contains(&layout) {
        pair.hold(
            &pair.runtime.blob_layouts,
            pair.finding(&RULE, {
                let read: Vec<String> = accepted.iter().copied().map(layout_form).collect();
                format!(
                    "the list of modules has {}, but this runtime reads {}",
                    layout_form(layout),
                    read.join(" or ")
                )
            })
            .at(Location::at(pair.library.file_offset))
            .help("compile the library again with a TVM of the runtime's generation"),
            out,
        );
    }
}

/// `the form of TVM 0.22 and later (tree-first)`: a form that a fact of releases names.
fn form<T: Copy + Serialize>(one: T, reads: impl Fn(&RuntimeProfile, T) -> bool) -> String {
    let releases = history::when(|known| reads(known, one));
    let word = spell(one);
    match releases.is_empty() {
        true => format!("a form (`{word}`) that no release reads"),
        false => format!("the form of TVM {} (`{word}`)", releases.spoken()),
    }
}

fn layout_form(layout: BlobLayout) -> String {
    form(layout, |known, layout| {
        let layouts = known.blob_layouts.value.as_ref();
        layouts.is_some_and(|layouts| layouts.contains(&layout))
    })
}

fn constants_form(table: ConstantTable) -> String {
    form(table, |known, table| {
        let read = known.constant_table.value;
        read.is_some_and(|read| table.fits(read))
    })
}

fn check_executable(pair: &Pair<'_>, module: &Module, executable: &Executable, out: &mut Outcome) {
    let start = pair.file_offset(module.payload_offset);
    if let Some(accepted) = &pair.runtime.vm_magics.value
        && !accepted.contains(&executable.magic)
    {
        pair.hold(&pair.runtime.vm_magics,
            pair.finding(&RULE, format!("the executable is {}, but this runtime reads {}", spell(executable.magic), any_of(accepted)))
                .at(Location::at(start))
                .says_known(pair.words("vm-header", &[]))
                .help("`artcheck fix FILE --runtime RUNTIME` rewrites V2 without memory scopes as V1, else compile again")
                .repair(if executable.memory_scopes.is_empty() { &[Repair::InPlace] } else { &[] }), out);
    }
    if let Some(accepted) = &pair.runtime.vm_version.value
        && *accepted != executable.version
    {
        pair.hold(
            &pair.runtime.vm_version,
            pair.finding(
                &RULE,
                format!(
                    "the version string is `{}`, but this runtime demands `{accepted}`",
                    executable.version
                ),
            )
            .at(Location::at(start.saturating_add(8)))
            .says_known(pair.words("vm-version", &[]))
            .help("compile the library again"),
            out,
        );
    }
    if let Some(accepted) = pair.runtime.constant_table.value
        && !executable.constant_table.fits(accepted)
    {
        pair.hold(
            &pair.runtime.constant_table,
            pair.finding(
                &RULE,
                format!(
                    "the constants have {}, but this runtime reads {}",
                    constants_form(executable.constant_table),
                    constants_form(accepted)
                ),
            )
            .at(Location::at(
                start.saturating_add(executable.sections.constants.start),
            ))
            .says_known(pair.words("constant-pool", &[("found", "ffi.Array")]))
            .help("compile the library again with a TVM of the runtime's generation"),
            out,
        );
    }
}
