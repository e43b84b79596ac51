//! A runtime for macOS on a system that is none: its libraries run in the emulator
//! (`artcheck_metal_sim::macho::stack`), and its C functions are called as ever.

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use artcheck_metal_sim::macho::MachOError;
use artcheck_metal_sim::macho::stack::{Stack, entry_points};

use super::api::{Api, C_SYMBOLS};
use super::process::METAL_VARIABLE;
use crate::error::{Error, Result};

/// Where the parent process says the stand-ins for macOS's own libraries are.
pub const SYSTEM_VARIABLE: &str = "ARTCHECK_MACOS_SYSTEM";

/// The emulated process; there is one at most.
static STACK: OnceLock<Arc<Stack>> = OnceLock::new();

/// Whether a library of this name can only run in the emulator here.
pub fn is_for(library: &Path) -> bool {
    library.extension().is_some_and(|e| e == "dylib")
}

/// Opens a library in the emulated process; none if there is no such process.
pub fn open(path: &Path) -> Option<Result<()>> {
    let stack = STACK.get()?;
    Some(stack.open(path).map(drop).map_err(|error| Error::Open {
        path: path.to_owned(),
        detail: error.to_string(),
    }))
}

/// The libraries of the process but for the stand-ins.
pub fn libraries() -> Vec<PathBuf> {
    let system = std::env::var_os(SYSTEM_VARIABLE).map(PathBuf::from);
    let mut all = STACK.get().map_or(Vec::new(), |stack| stack.libraries());
    all.retain(|path| path.parent() != system.as_deref());
    all
}

/// Starts the process and opens libtvm_ffi, then the others.
pub fn load(ffi: &Path, others: &[&Path]) -> Result<&'static Api> {
    let failed = |error: MachOError| Error::Open {
        path: ffi.to_owned(),
        detail: error.to_string(),
    };
    let system = std::env::var_os(SYSTEM_VARIABLE).map(PathBuf::from);
    let system = system.ok_or_else(|| {
        Error::Unsupported(format!("{SYSTEM_VARIABLE} is not set: a runtime for macOS"))
    })?;
    let folder = |path: &Path| path.parent().map(Path::to_owned);
    let mut folders = vec![system];
    folders.extend(folder(ffi));
    folders.extend(others.iter().filter_map(|path| folder(path)));
    let stack = match std::env::var_os(METAL_VARIABLE).map(PathBuf::from) {
        Some(device) => Stack::with_metal(&folders, &device),
        None => Stack::new(&folders),
    };
    let stack = Arc::new(stack.map_err(failed)?);
    stack.open(ffi).map_err(failed)?;
    let entries = entry_points(Arc::clone(&stack), &C_SYMBOLS).map_err(failed)?;
    let find = |name: &str| -> Result<*const c_void> {
        let known = C_SYMBOLS.iter().zip(&entries);
        let entry = known.into_iter().find(|(symbol, _)| **symbol == name);
        entry
            .map(|(_, entry)| *entry)
            .ok_or_else(|| Error::MissingSymbol {
                symbol: name.to_owned(),
                detail: "not an entry of the emulated runtime".to_owned(),
            })
    };
    // SAFETY: each entry calls the emulated function of its name with the same
    // words, and the process lives as long as ours.
    let api = unsafe { Api::resolve(find) }?;
    // A second runtime in this process failed above.
    let _ = STACK.set(stack);
    for path in others {
        open(path).transpose()?;
    }
    Ok(api)
}
