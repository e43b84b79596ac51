//! Which TVM a library was built with, as far as its own bytes tell.
//!
//! No artifact names its compiler and `VM_VERSION` never changed, so the answer
//! is the releases of the table that write every property the library shows.
//! A release writes what its own runtime takes, unless the table says what it
//! writes of several things that it takes
//! (docs/formats.md#generations). A property that no release has (a
//! fork's slot, tag or module kind) says nothing.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::module::{
    Blob, BlobLayout, DevicePayload, FunctionInfoForm, ModelLibrary, Payload, PayloadOrder,
    SymbolGeneration,
};
use crate::runtime::history;
use crate::runtime::{BlobSymbol, Fact, RuntimeProfile, tag_names};
use crate::vm::calls::all_calls;
use crate::vm::kv_cache::CREATE_REDUCED;
use crate::vm::{Executable, FunctionKind};

/// A span of releases a library can have been built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Epoch {
    /// First release that writes all this library shows.
    pub from: &'static str,
    /// Last release that does.
    pub to: &'static str,
    /// When the snapshot was made that wrote it, where it is older than every release.
    pub age: Option<&'static str>,
    /// The properties contradict each other: a snapshot between releases, or edited.
    pub mixed: bool,
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(age) = self.age {
            return write!(
                f,
                "a TVM Unity snapshot of about {age}, older than every release with Relax"
            );
        }
        if self.mixed {
            return f.write_str("an unknown TVM (a nightly, or patched)");
        }
        if self.from == self.to {
            write!(f, "TVM {}", self.from)
        } else {
            write!(f, "TVM {} to {}", self.from, self.to)
        }
    }
}

/// The span of releases that write what this library shows.
pub fn epoch(
    library: &ModelLibrary,
    blob: &Blob,
    tags: &[&str],
    config_length: Option<u64>,
) -> Epoch {
    let mut shown = shown(library, blob, tags, config_length);
    shown.retain(|property| !history::when(property).is_empty());
    let builders = history::when(|release| shown.iter().all(|property| property(release)));
    let (from, to) = builders.bounds().unwrap_or_default();
    Epoch {
        from,
        to,
        age: age(blob),
        mixed: builders.is_empty(),
    }
}

/// The version string of executables until apache/tvm gave the VM its own number
/// (pull requests 14544, 2023-04-10, and 15254, 2023-07-07).
const UNITY_VERSION: &str = "0.13.dev0";
const UNITY: &str = "April to July 2023";

/// Arguments of the reduced KV-cache constructor before the first release with Relax,
/// and when it took them (apache/tvm pull requests 16374 and 16729; the nineteenth
/// came between 2024-03-20 and 2024-04-10).
const REDUCED: [(usize, &str); 2] = [(17, "January to March 2024"), (18, "March to April 2024")];

/// When a library was written that is older than the releases.
fn age(blob: &Blob) -> Option<&'static str> {
    blob.executables().find_map(|(_, executable)| {
        if executable.version == UNITY_VERSION {
            return Some(UNITY);
        }
        all_calls(executable).find_map(|call| {
            let callee = usize::try_from(call.callee).ok()?;
            let callee = executable.functions.get(callee)?;
            let reduced = callee.kind == FunctionKind::Packed && callee.name == CREATE_REDUCED;
            let mut ages = REDUCED.iter().filter(|_| reduced);
            let (_, age) = ages.find(|(count, _)| *count == call.args.len())?;
            Some(*age)
        })
    })
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
        shown.push(Box::new(|release| {
            fits(&release.module_loaders, |known| {
                known.contains(&module.kind)
            })
        }));
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

fn of_executable(executable: &Executable) -> [Property<'_>; 2] {
    [
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
