//! Which TVM a library was built with, as far as its own bytes tell.
//!
//! No artifact names its compiler, and `VM_VERSION` has not changed since July 2023, so
//! the answer is the releases and snapshots of the table that write every property the
//! library shows. A release writes what its own runtime takes, unless the table says what
//! it writes of several things that it takes
//! (docs/formats.md#generations). A property that no known TVM has (a
//! fork's slot, tag or module kind) says nothing.

use std::collections::{BTreeSet, HashSet};

use foldhash::fast::RandomState;
use serde::Serialize;

use crate::module::{
    Blob, BlobLayout, DevicePayload, FunctionInfoForm, ModelLibrary, Payload, PayloadOrder,
    SymbolGeneration,
};
use crate::runtime::history::{self, Window};
use crate::runtime::{BlobSymbol, Fact, RuntimeProfile, release, tag_names};
use crate::vm::calls::all_calls;
use crate::vm::{Executable, FunctionKind};

/// The TVMs that a library can have been built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Epoch {
    /// First and last release that write all this library shows.
    pub releases: Option<(&'static str, &'static str)>,
    /// When a TVM can have, snapshots included; none where the properties contradict each
    /// other: a fork, or edited.
    pub window: Option<Window>,
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let oldest = release::releases().first();
        let oldest_date = oldest.and_then(|known| known.date.as_deref());
        let is_older = |window: &Window| Some(window.since) < oldest_date;
        match (self.releases, &self.window) {
            (None, None) => return f.write_str("an unknown TVM (a fork, or patched)"),
            (None, Some(window)) => {
                let branch = if is_older(window) { "Unity " } else { "" };
                let months = window.months();
                return write!(f, "a TVM {branch}snapshot of about {months} ({window})");
            }
            (Some((from, to)), _) if from == to => write!(f, "TVM {from}")?,
            (Some((from, to)), _) => write!(f, "TVM {from} to {to}")?,
        }
        // Snapshots before a release have what it has.
        let mut known = release::releases().iter();
        let first = self
            .releases
            .and_then(|(from, _)| known.find(|known| known.release.as_deref() == Some(from)));
        let date = first.and_then(|known| known.date.as_deref());
        match &self.window {
            Some(window) if Some(window.since) < date => {
                write!(f, ", or a snapshot since {}", window.first_month())
            }
            _ => Ok(()),
        }
    }
}

/// The TVMs that write what this library shows.
pub fn epoch(
    library: &ModelLibrary,
    blob: &Blob,
    tags: &[&str],
    config_length: Option<u64>,
) -> Epoch {
    let known: Vec<&'static RuntimeProfile> = history::line().collect();
    let writing = |mut shown: Vec<Property<'_>>| -> Vec<&'static RuntimeProfile> {
        shown.retain(|property| known.iter().any(|known| property(known)));
        let all = |known: &&&'static RuntimeProfile| shown.iter().all(|property| property(known));
        known.iter().filter(all).copied().collect()
    };
    let form = || shown(library, blob, tags, config_length);
    let mut builders = writing(form().into_iter().chain(called(blob)).collect());
    if builders.is_empty() {
        // A fork has builtins of its own before apache/tvm has them.
        builders = writing(form());
    }
    let mut releases = builders.iter().filter_map(|known| known.release.as_deref());
    let first = releases.next();
    Epoch {
        releases: first.map(|first| (first, releases.next_back().unwrap_or(first))),
        window: Window::of_writers(&builders),
    }
}

/// The builtins that it calls, and with how many arguments.
fn called(blob: &Blob) -> Vec<Property<'_>> {
    let mut forms: BTreeSet<(&str, Option<u64>)> = BTreeSet::new();
    for (_, executable) in blob.executables() {
        let is_builtin = |name: &str| name.starts_with("vm.builtin.");
        let functions = executable.functions.iter();
        let packed = functions.filter(|function| function.kind == FunctionKind::Packed);
        let names = packed.map(|function| function.name.as_str());
        forms.extend(
            names
                .filter(|name| is_builtin(name))
                .map(|name| (name, None)),
        );
        // Calls come by the ten thousand, in few forms.
        let calls = all_calls(executable).map(|call| (call.callee, call.args.len() as u64));
        for (callee, count) in calls.collect::<HashSet<_, RandomState>>() {
            let callee = usize::try_from(callee).ok();
            let callee = callee.and_then(|callee| executable.functions.get(callee));
            let name = callee.filter(|callee| callee.kind == FunctionKind::Packed);
            let name = name.map(|callee| callee.name.as_str());
            forms.extend(
                name.filter(|name| is_builtin(name))
                    .map(|name| (name, Some(count))),
            );
        }
    }
    let properties = forms.into_iter().map(|(name, count)| -> Property<'_> {
        match count {
            None => Box::new(move |known| known.offers_function(name) != Some(false)),
            Some(count) => Box::new(move |known| {
                let accepted = known.arity_of(name);
                accepted.is_none_or(|(accepted, _)| accepted.contains(count))
            }),
        }
    });
    properties.collect()
}

/// Whether a release writes one property of a library.
type Property<'a> = Box<dyn Fn(&RuntimeProfile) -> bool + 'a>;

fn shown<'a>(
    library: &'a ModelLibrary,
    blob: &'a Blob,
    tags: &'a [&str],
    config_length: Option<u64>,
) -> Vec<Property<'a>> {
    let mut shown: Vec<Property<'a>> = Vec::new();
    if library.symbols != SymbolGeneration::Unknown {
        let symbol = BlobSymbol(library.symbols);
        shown.push(Box::new(move |release| {
            fits(&release.blob_symbols, |known| known.contains(&symbol))
        }));
    }
    if blob.layout != BlobLayout::Bare {
        shown.push(Box::new(|release| {
            fits(&release.blob_layouts, |known| known.contains(&blob.layout))
        }));
    }
    for slot in &library.slots {
        shown.push(Box::new(|release| {
            fits(&release.context_slots, |known| known.contains(slot))
        }));
    }
    for tag in tags {
        shown.push(Box::new(|release| {
            fits(&release.attention_tags, |known| {
                tag_names(known).contains(*tag)
            })
        }));
    }
    if let Some(length) = config_length {
        shown.push(Box::new(move |release| {
            writes(
                &release.cache_config_written,
                &release.cache_config_lengths,
                &length,
            )
        }));
    }
    for module in &blob.modules {
        // A bare executable does not say its kind.
        if blob.layout != BlobLayout::Bare {
            shown.push(Box::new(|release| {
                fits(&release.module_loaders, |known| {
                    known.contains(&module.kind)
                })
            }));
        }
        match &module.payload {
            Payload::Device(device) => shown.extend(of_device(device)),
            Payload::VmExecutable(executable) => shown.extend(of_executable(executable)),
            _ => {}
        }
    }
    shown
}

fn of_device(device: &DevicePayload) -> Vec<Property<'_>> {
    let mut shown: Vec<Property<'_>> = Vec::new();
    if device.order != PayloadOrder::Stable {
        shown.push(Box::new(|release| {
            fits(&release.payload_order, |known| *known == device.order)
        }));
    }
    if device.function_info != FunctionInfoForm::Either {
        shown.push(Box::new(|release| {
            fits(&release.function_info, |known| {
                *known == device.function_info
            })
        }));
    }
    shown
}

fn of_executable(executable: &Executable) -> [Property<'_>; 3] {
    [
        Box::new(|release| {
            fits(&release.vm_version, |version| {
                *version == executable.version
            })
        }),
        Box::new(|release| {
            writes(
                &release.vm_magic_written,
                &release.vm_magics,
                &executable.magic,
            )
        }),
        Box::new(|release| {
            fits(&release.constant_table, |known| {
                executable.constant_table.fits(*known)
            })
        }),
    ]
}

/// What a release does not say speaks against nothing.
fn fits<T>(fact: &Fact<T>, test: impl Fn(&T) -> bool) -> bool {
    fact.value.as_ref().is_none_or(test)
}

/// Whether a release writes this one of the values that it takes.
fn writes<T: Ord>(written: &Fact<T>, taken: &Fact<BTreeSet<T>>, value: &T) -> bool {
    match &written.value {
        Some(written) => written == value,
        None => fits(taken, |taken| taken.contains(value)),
    }
}
