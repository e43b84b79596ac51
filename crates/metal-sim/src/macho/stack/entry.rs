//! Functions of the emulated process as functions of the host: what calls a
//! runtime's C ABI calls the emulated one the same way.
//!
//! An entry is handed out only once its number's address is in [`ENTRIES`], which
//! never changes afterwards.

use std::ffi::{CString, c_void};
use std::sync::{Arc, OnceLock};

use super::process::Stack;
use crate::macho::error::{MachOError, Result};

/// One process of this kind per host process, as with a runtime that is loaded.
static ENTRIES: OnceLock<(Arc<Stack>, Vec<u64>)> = OnceLock::new();

type Entry = extern "C" fn(u64, u64, u64, u64) -> u64;

const TABLE: [Entry; 8] = [
    enter::<0>, enter::<1>, enter::<2>, enter::<3>, enter::<4>, enter::<5>, enter::<6>, enter::<7>,
];

/// Host functions that call the functions of these names, each of at most four
/// words or pointers and at most one as its result.
pub fn entry_points(stack: Arc<Stack>, names: &[&str]) -> Result<Vec<*const c_void>> {
    let mut addresses = Vec::new();
    for name in names {
        let found = stack.find(None, name);
        addresses.push(found.ok_or_else(|| MachOError::SymbolNotFound {
            symbol: format!("_{name}"),
            from: "the program".to_owned(),
            expected: "the libraries of the runtime".to_owned(),
        })?);
    }
    if addresses.len() > TABLE.len() || ENTRIES.set((stack, addresses)).is_err() {
        return Err(MachOError::Unsupported(
            "a second macOS stack, or more than eight functions of it,".to_owned(),
        ));
    }
    Ok(TABLE
        .iter()
        .take(names.len())
        .map(|e| *e as *const c_void)
        .collect())
}

extern "C" fn enter<const N: usize>(a: u64, b: u64, c: u64, d: u64) -> u64 {
    let Some((stack, addresses)) = ENTRIES.get() else {
        return u64::MAX;
    };
    let Some(function) = addresses.get(N) else {
        return u64::MAX;
    };
    match stack.call(*function, &[a, b, c, d]) {
        Ok(word) => word,
        Err(error) => {
            raise(stack, &error);
            u64::MAX
        }
    }
}

/// The failure as an error of the emulated runtime, for whoever asks it.
fn raise(stack: &Stack, error: &MachOError) {
    let message = CString::new(error.to_string().replace('\0', " ")).unwrap_or_default();
    let words = [c"RuntimeError".as_ptr() as u64, message.as_ptr() as u64];
    let raised = stack
        .find(None, "TVMFFIErrorSetRaisedFromCStr")
        .map(|function| stack.call(function, &words));
    if !matches!(raised, Some(Ok(_))) {
        eprintln!("macOS stack: {error}");
    }
}
