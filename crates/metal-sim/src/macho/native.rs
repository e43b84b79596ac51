//! The boundary between emulated and native code: all unsafe code of this crate's library.
//!
//! Invariants:
//! - The emulated code sees the process's memory one to one. Its pointers are
//!   therefore native pointers, and what it may do to memory is what the same
//!   code would do when run natively: a wrong library can crash the process.
//!   Whoever opens a library accepts that, as with any shared library.
//! - Chunks are mapped by address only; nothing is read until emulated code does.
//! - Native functions called from emulated code take integers and pointers, at
//!   most eight of them, and return at most one word. All functions of the
//!   tvm-ffi C ABI that generated code calls are of that form.
#![allow(unsafe_code)]

use std::ffi::c_void;

use memmap2::MmapMut;
use unicorn_engine::{Prot, Unicorn};

use super::callouts::CallOut;

/// The address of a mapping's first byte.
pub fn address_of(memory: &MmapMut) -> u64 {
    memory.as_ptr() as u64
}

/// Shows the emulator a piece of the process's memory at its own address.
pub fn map_chunk<D>(engine: &mut Unicorn<'_, D>, start: u64, size: u64, prot: Prot) -> bool {
    // SAFETY: no byte is read here; see the module's first two invariants.
    unsafe { engine.mem_map_ptr(start, size, prot, start as *mut c_void) }.is_ok()
}

/// Calls a native function that the plug-in told the address of.
pub(super) fn call_function(address: u64, w: &[u64; 8]) -> u64 {
    type Function = unsafe extern "C" fn(u64, u64, u64, u64, u64, u64, u64, u64) -> u64;
    // SAFETY: third invariant. A callee with fewer parameters ignores the rest.
    let function =
        unsafe { std::mem::transmute::<*const c_void, Function>(address as *const c_void) };
    // SAFETY: as above; the arguments are those of the emulated caller.
    unsafe { function(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]) }
}

/// Reads a word that emulated code may have written.
pub(super) fn read_word(address: u64) -> u64 {
    // SAFETY: a word of the image or of our own stack frame; first invariant.
    unsafe { (address as *const u64).read_unaligned() }
}

/// Writes a word that emulated code will read.
pub(super) fn write_word(address: u64, word: u64) {
    // SAFETY: as in `read_word`.
    unsafe { (address as *mut u64).write_unaligned(word) };
}

/// The three leave x0 as it is, which is what the first two return.
pub(super) fn memory_function(callout: &CallOut, w: &[u64; 8]) {
    let to = w[0] as *mut u8;
    let size = |n: u64| usize::try_from(n).unwrap_or(0);
    // SAFETY: the emulated caller vouches for the ranges, as natively.
    unsafe {
        match callout {
            CallOut::CopyMemory => std::ptr::copy(w[1] as *const u8, to, size(w[2])),
            CallOut::FillMemory => std::ptr::write_bytes(to, (w[1] & 0xff) as u8, size(w[2])),
            _ => std::ptr::write_bytes(to, 0, size(w[1])),
        }
    }
}
