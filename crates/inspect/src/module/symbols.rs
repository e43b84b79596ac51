//! What the symbol names of a model library mean, generation by generation
//! (docs/formats.md#symbol-names).

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::library::SymbolGeneration;
use crate::container::{Binary, BinaryKind, Format};

/// Function prefix from 0.22.
const FFI_PREFIX: &str = "__tvm_ffi_";
/// VM function compiled to host code.
const VM_TIR_PREFIX: &str = "__vmtir__";
/// Local handle cache of a callee.
const CALLEE_PREFIX: &str = ".tvm_func.";
/// Local function that fills such a cache, from 0.26.
const CALLEE_INIT_PREFIX: &str = "__tvm_func_handle_init.";

/// The system-library prefix and generation of a blob symbol's name.
pub(super) fn blob_symbol(name: &str) -> Option<(&str, SymbolGeneration)> {
    SymbolGeneration::blobs()
        .find_map(|(suffix, generation)| Some((name.strip_suffix(suffix)?, generation)))
}

/// What the host part of a library offers and wants, by name.
#[derive(Debug, Default)]
pub(super) struct HostNames {
    pub(super) slots: Vec<String>,
    pub(super) functions: Vec<String>,
    pub(super) vm_tir_functions: Vec<String>,
    pub(super) callees: Vec<String>,
}

impl HostNames {
    /// Reads the defined symbols of `binary` as those of a library with this
    /// prefix and generation.
    pub(super) fn of(binary: &Binary, prefix: &str, generation: SymbolGeneration) -> Self {
        let mut names = Self::default();
        let by_name = is_asked_by_name(binary);
        for symbol in &binary.defined {
            let is_callee = callee(&symbol.name).is_some();
            if symbol.exported || is_callee || !by_name {
                names.add(&symbol.name, prefix, generation);
            }
        }
        names
    }

    /// Adds a name found as a string rather than as a symbol. Up to 0.21 a
    /// function's string has no mark of its own; there only names that the
    /// executable asks for count, and no builtin of the runtime.
    pub(super) fn add_registered(
        &mut self,
        text: &str,
        prefix: &str,
        generation: SymbolGeneration,
        wanted: &HashSet<String, RandomState>,
    ) {
        if generation == SymbolGeneration::FfiUnderscoreLibraryBin {
            if text.starts_with(FFI_PREFIX) {
                self.add(text, prefix, generation);
            }
        } else if let Some(function) = text.strip_prefix(prefix)
            && wanted.contains(function)
            && !function.contains('.')
        {
            self.functions.push(function.to_owned());
        }
    }

    fn add(&mut self, name: &str, prefix: &str, generation: SymbolGeneration) {
        if let Some(callee) = callee(name) {
            self.callees.push(callee.to_owned());
        } else if name.starts_with("__TVM") {
            self.slots.push(name.to_owned());
        } else if let Some(function) = host_function(name, prefix, generation) {
            match function.strip_prefix(VM_TIR_PREFIX) {
                Some(vm_function) => self.vm_tir_functions.push(vm_function.to_owned()),
                None => self.functions.push(function.to_owned()),
            }
        }
    }
}

/// Whether a symbol is a function that is called through tvm-ffi by its name.
pub fn is_ffi_function(name: &str) -> bool {
    host_function(name, "", SymbolGeneration::FfiUnderscoreLibraryBin).is_some()
}

/// The function whose handle a local symbol of host code holds or looks up.
fn callee(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(CALLEE_PREFIX);
    rest.or_else(|| name.strip_prefix(CALLEE_INIT_PREFIX))
}

/// Whether the runtime asks the loader for the functions of a library: not of one that
/// registers them by address when it is loaded, nor of what is not linked yet.
pub fn is_asked_by_name(binary: &Binary) -> bool {
    let is_loaded = matches!(binary.format, Format::Elf | Format::MachO | Format::Pe);
    let asked = binary.undefined.iter().map(|symbol| &symbol.name);
    let mut names = asked.chain(binary.defined.iter().map(|symbol| &symbol.name));
    is_loaded
        && binary.kind == BinaryKind::SharedLibrary
        && !names.any(|name| name.ends_with("RegisterSystemLibSymbol"))
}

/// Host functions by address, and where the compiled VM functions among them begin.
pub(super) fn vm_tir_functions(
    binary: &Binary,
    prefix: &str,
    generation: SymbolGeneration,
) -> (HashMap<u64, String>, HashMap<String, u64>) {
    let (mut hosts, mut compiled) = (HashMap::new(), HashMap::new());
    for symbol in &binary.defined {
        if symbol.name.starts_with(CALLEE_PREFIX) || symbol.name.starts_with(CALLEE_INIT_PREFIX) {
            continue;
        }
        let Some(function) = host_function(&symbol.name, prefix, generation) else {
            continue;
        };
        if let Some(own) = function.strip_prefix(VM_TIR_PREFIX) {
            compiled.insert(own.to_owned(), symbol.address);
        }
        hosts.insert(symbol.address, function.to_owned());
    }
    (hosts, compiled)
}

/// A host function's own name, or `None` for symbols that are none.
fn host_function<'a>(name: &'a str, prefix: &str, generation: SymbolGeneration) -> Option<&'a str> {
    if blob_symbol(name).is_some() || name.ends_with("_reg_") {
        return None;
    }
    match generation {
        SymbolGeneration::FfiUnderscoreLibraryBin => {
            let function = name.strip_prefix(FFI_PREFIX)?.strip_prefix(prefix)?;
            // `__tvm_ffi__metadata_<f>` and its like are reserved.
            let reserved = ["_library_", "_metadata_", "_doc_"];
            let own = !reserved.iter().any(|start| function.starts_with(start));
            own.then_some(function)
        }
        SymbolGeneration::DevMblob | SymbolGeneration::FfiLibraryBin => {
            let function = name.strip_prefix(prefix)?;
            // C names of the tool chain and TVM's own data begin with `__tvm`
            // or `_`; only the compiled VM functions do among functions.
            let own = function.starts_with(VM_TIR_PREFIX)
                || !(function.starts_with('_') || function.starts_with('.'));
            (own && !function.is_empty()).then_some(function)
        }
        SymbolGeneration::Unknown => name.strip_prefix(FFI_PREFIX),
    }
}
