//! A library as the plug-in sees it: a C structure of functions that find and
//! call what is in it.
//!
//! Invariant: `this` is an `Arc<Machine>` that [`raw`] leaked and `release` takes
//! back, so it is alive in every other callback.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::sync::Arc;

use super::error::{MachOError, Result};
use super::machine::Machine;

/// A library that is mapped and ready to be handed to the runtime.
pub struct HostLibrary {
    machine: Arc<Machine>,
}

impl HostLibrary {
    /// Reads, maps and binds a library and runs its initialisers, emulated.
    pub fn open(path: &Path) -> Result<HostLibrary> {
        let machine = Machine::open(path)?;
        machine.initialise()?;
        Ok(HostLibrary {
            machine: Arc::new(machine),
        })
    }

    /// The module blob with its leading length.
    pub fn blob(&self) -> Result<&[u8]> {
        let rest = self.machine.bytes_at_symbol("___tvm_ffi__library_bin");
        let rest = rest.ok_or(MachOError::NoBlob)?;
        let length = rest
            .first_chunk::<8>()
            .map(|b| u64::from_le_bytes(*b))
            .ok_or(MachOError::NoBlob)?;
        let end = usize::try_from(length).ok().and_then(|n| n.checked_add(8));
        end.and_then(|end| rest.get(..end)).ok_or_else(|| {
            MachOError::Malformed(format!(
                "the module blob says {length} bytes, the image ends before"
            ))
        })
    }

    /// The argument of `artcheck.metal_sim.open`, which takes its own copy. Hand
    /// each result over exactly once: the plug-in releases what it keeps alive.
    pub fn raw(&self) -> Box<RawLibrary> {
        Box::new(raw(Arc::clone(&self.machine)))
    }
}

/// What the plug-in takes: the C structure of `host_library.h`.
#[repr(C)]
pub struct RawLibrary {
    this: *mut c_void,
    find: unsafe extern "C" fn(*mut c_void, *const c_char) -> u64,
    call: unsafe extern "C" fn(*mut c_void, u64, *const c_void, i32, *mut c_void) -> c_int,
    native: unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_void),
    release: unsafe extern "C" fn(*mut c_void),
}

/// The structure for the plug-in; it holds the machine until it is released.
fn raw(machine: Arc<Machine>) -> RawLibrary {
    RawLibrary {
        this: Arc::into_raw(machine).cast_mut().cast(),
        find,
        call,
        native,
        release,
    }
}

/// # Safety
/// `this` comes from [`raw`] and has not been released.
unsafe fn machine<'a>(this: *mut c_void) -> &'a Machine {
    // SAFETY: the caller's promise; the module's invariant.
    unsafe { &*this.cast::<Machine>() }
}

unsafe extern "C" fn find(this: *mut c_void, symbol: *const c_char) -> u64 {
    // SAFETY: called by the plug-in with its own library and a C string.
    let (machine, symbol) = unsafe { (machine(this), CStr::from_ptr(symbol)) };
    machine.find(&symbol.to_string_lossy())
}

unsafe extern "C" fn call(
    this: *mut c_void,
    address: u64,
    arguments: *const c_void,
    count: i32,
    result: *mut c_void,
) -> c_int {
    // SAFETY: called by the plug-in with its own library.
    let machine = unsafe { machine(this) };
    let count = u64::from(count.cast_unsigned());
    machine
        .call(address, arguments as u64, count, result as u64)
        .cast_signed()
}

unsafe extern "C" fn native(this: *mut c_void, name: *const c_char, value: *mut c_void) {
    // SAFETY: called by the plug-in with its own library and a C string.
    let (machine, name) = unsafe { (machine(this), CStr::from_ptr(name)) };
    machine.tell(&name.to_string_lossy(), value as u64);
}

unsafe extern "C" fn release(this: *mut c_void) {
    // SAFETY: the counterpart of `Arc::into_raw` in `raw`.
    drop(unsafe { Arc::from_raw(this.cast_const().cast::<Machine>()) });
}
