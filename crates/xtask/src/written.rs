//! What model libraries that a release compiled say of it: the forms that it
//! writes, and that its runtime therefore reads.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use artcheck_inspect::module::{
    Blob, BlobLayout, FunctionInfoForm, ModelLibrary, Payload, PayloadOrder,
};
use artcheck_inspect::runtime::{BlobSymbol, CallingConvention, ConstructorStyle};
use artcheck_inspect::scan;
use artcheck_inspect::vm::kv_cache::{KernelValue, kv_caches};
use artcheck_inspect::vm::{ConstantTable, Executable};
use serde::Serialize;
use serde_json::Value;

/// Values by key of the table, with the libraries that show them.
pub type Written = BTreeMap<&'static str, Vec<(Value, String)>>;

/// Reads the libraries.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Written> {
    let mut written = Written::new();
    for path in paths {
        let artifacts = scan::artifacts_of(path);
        let libraries = artifacts.iter().flat_map(|artifact| &artifact.libraries);
        let mut any = false;
        for library in libraries {
            let Ok(blob) = &library.blob else { continue };
            any = true;
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            one(
                library,
                blob,
                &mut Notes {
                    written: &mut written,
                    file: &file,
                },
            );
        }
        if !any {
            bail!("{}: no model library", path.display());
        }
    }
    Ok(written)
}

struct Notes<'a> {
    written: &'a mut Written,
    file: &'a str,
}

impl Notes<'_> {
    fn add(&mut self, key: &'static str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_default();
        let known = self.written.entry(key).or_default();
        if !known.iter().any(|(one, _)| *one == value) {
            known.push((value, self.file.to_owned()));
        }
    }
}

fn one(library: &ModelLibrary, blob: &Blob, notes: &mut Notes<'_>) {
    if library.symbols.blob_symbol().is_some() {
        notes.add("blob_symbols", [BlobSymbol(library.symbols)]);
    }
    if blob.layout != BlobLayout::Bare {
        notes.add("blob_layouts", [blob.layout]);
    }
    for (slot, convention) in [
        ("__TVMFuncCall", CallingConvention::PackedC),
        ("__TVMFFIFunctionCall", CallingConvention::Ffi),
    ] {
        if library.slots.iter().any(|defined| defined == slot) {
            notes.add("calling_convention", convention);
        }
    }
    for module in &blob.modules {
        match &module.payload {
            Payload::Device(device) => {
                if device.order != PayloadOrder::Stable {
                    notes.add("payload_order", device.order);
                }
                if device.function_info != FunctionInfoForm::Either {
                    notes.add("function_info", device.function_info);
                }
            }
            Payload::VmExecutable(executable) => of_executable(executable, notes),
            _ => {}
        }
    }
}

fn of_executable(executable: &Executable, notes: &mut Notes<'_>) {
    notes.add("vm_magic_written", executable.magic);
    notes.add("vm_version", &executable.version);
    if !matches!(
        executable.constant_table,
        ConstantTable::Any | ConstantTable::AnyFfi
    ) {
        notes.add("constant_table", executable.constant_table);
    }
    for cache in kv_caches(executable) {
        for site in cache.sites.iter().filter(|site| site.argument == 15) {
            // What is not known is no evidence of what the release writes.
            for value in site.value.parts().0 {
                match value {
                    KernelValue::Function { .. } => {
                        notes.add("constructor_style", ConstructorStyle::Function);
                    }
                    KernelValue::Absent => {}
                    _ => notes.add("constructor_style", ConstructorStyle::Tuple),
                }
            }
        }
        for config in cache.config.parts().0 {
            notes.add("cache_config_written", config.declared);
        }
    }
}
