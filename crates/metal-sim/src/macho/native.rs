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

/// The C library's, for what Rust's own library does not have.
mod c {
    unsafe extern "C" {
        pub safe fn erf(x: f64) -> f64;
        pub safe fn erff(x: f32) -> f32;
    }
}

/// The error function.
pub(super) fn erf(x: f64) -> f64 {
    c::erf(x)
}

/// The error function, of floats.
pub(super) fn erff(x: f32) -> f32 {
    c::erff(x)
}

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

/// `memcpy` and `memmove`: to, from, size.
pub(super) fn copy_memory(w: &[u64; 8]) {
    // SAFETY: the emulated caller vouches for the ranges, as natively.
    unsafe { std::ptr::copy(w[1] as *const u8, w[0] as *mut u8, size(w[2])) };
}

/// `memset`: to, byte, size.
pub(super) fn fill_memory(w: &[u64; 8]) {
    // SAFETY: as above.
    unsafe { std::ptr::write_bytes(w[0] as *mut u8, (w[1] & 0xff) as u8, size(w[2])) };
}

/// `bzero`: to, size.
pub(super) fn zero_memory(w: &[u64; 8]) {
    // SAFETY: as above.
    unsafe { std::ptr::write_bytes(w[0] as *mut u8, 0, size(w[1])) };
}

fn size(word: u64) -> usize {
    usize::try_from(word).unwrap_or(0)
}
