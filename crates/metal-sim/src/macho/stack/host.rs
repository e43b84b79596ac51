//! The host's functions that take what emulated code hands over: the only unsafe
//! code of the stack beside [`super::entry`].
//!
//! Invariants:
//! - Pointers come from emulated code, which sees this process's memory one to one.
//!   That they are good is the word of the library that the user chose to run, as
//!   it is for any library in a process.
//! - A function that is called by address is one of the list in [`super::service`]:
//!   words and pointers in and out, with the same meaning on both systems.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

/// The address of a function of the host's C library.
pub(super) fn function(name: &str) -> Option<u64> {
    let name = CString::new(name).ok()?;
    // SAFETY: a C string; nothing is called.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found as u64)
}

/// Opens a library for the rest of the process, for [`function`] to look in.
pub(super) fn open_library(path: &Path) -> Result<(), String> {
    let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|e| e.to_string())?;
    // SAFETY: runs the initialisers of a library that this crate built.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if !handle.is_null() {
        return Ok(());
    }
    // SAFETY: the words of the call before, which stay until the next one.
    Err(text(unsafe { libc::dlerror() } as u64))
}

/// Runs a call; also the error number that it leaves, 0 if none.
pub(super) fn with_error_number(call: impl FnOnce() -> u64) -> (u64, i32) {
    // SAFETY: the C library's own place for this thread.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *place = 0 };
    let word = call();
    // SAFETY: as above.
    (word, unsafe { *place })
}

/// A string of emulated code; empty for a null pointer.
pub(super) fn text(address: u64) -> String {
    bytes(address).to_string_lossy().into_owned()
}

fn bytes<'a>(address: u64) -> &'a CStr {
    if address == 0 {
        return c"";
    }
    // SAFETY: first invariant.
    unsafe { CStr::from_ptr(address as *const c_char) }
}

/// Writes words one after the other.
pub(super) fn write_words(address: u64, words: &[u64]) {
    for (index, word) in words.iter().enumerate() {
        // SAFETY: first invariant.
        unsafe { (address as *mut u64).add(index).write_unaligned(*word) };
    }
}

/// `strtod`; the end goes where `end` says, if anywhere.
pub(super) fn to_double(from: u64, end: u64) -> f64 {
    // SAFETY: first invariant.
    unsafe { libc::strtod(from as *const c_char, end as *mut *mut c_char) }
}

/// `strtof`.
pub(super) fn to_float(from: u64, end: u64) -> f32 {
    // SAFETY: first invariant.
    unsafe { libc::strtof(from as *const c_char, end as *mut *mut c_char) }
}

/// Variable arguments that are all in memory, as Apple's arm64 passes them and as
/// the host's own convention has those beyond its registers.
#[cfg(target_arch = "x86_64")]
#[repr(C)]
struct Arguments {
    general_used: u32,
    float_used: u32,
    memory: *mut c_void,
    registers: *mut c_void,
}

#[cfg(target_arch = "aarch64")]
#[repr(C)]
struct Arguments {
    memory: *mut c_void,
    general: *mut c_void,
    vector: *mut c_void,
    general_left: c_int,
    vector_left: c_int,
}

#[cfg(target_arch = "x86_64")]
fn in_memory(at: u64) -> Arguments {
    Arguments {
        general_used: 48,
        float_used: 176,
        memory: at as *mut c_void,
        registers: std::ptr::null_mut(),
    }
}

#[cfg(target_arch = "aarch64")]
fn in_memory(at: u64) -> Arguments {
    Arguments {
        memory: at as *mut c_void,
        general: std::ptr::null_mut(),
        vector: std::ptr::null_mut(),
        general_left: 0,
        vector_left: 0,
    }
}

unsafe extern "C" {
    fn vsnprintf(to: *mut c_char, size: usize, format: *const c_char, a: *mut Arguments) -> c_int;
}

/// `vsnprintf` of an arm64 Mac.
pub(super) fn format(to: u64, size: u64, format: u64, arguments: u64) -> u64 {
    let format = without_long_doubles(bytes(format).to_bytes());
    let format = CString::new(format).unwrap_or_default();
    let mut arguments = in_memory(arguments);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    // SAFETY: first invariant; the structure is the one that the host's functions
    // take by pointer.
    let length = unsafe { vsnprintf(to as *mut c_char, size, format.as_ptr(), &raw mut arguments) };
    u64::from(length.cast_unsigned())
}

/// `%Lf` is `%f` on an arm64 Mac, whose long doubles are doubles.
fn without_long_doubles(format: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(format.len());
    let mut inside = false;
    for byte in format {
        match byte {
            b'%' => inside = !inside,
            b'L' if inside => continue,
            b'a'..=b'z' | b'A'..=b'Z' if !b"hljztq".contains(byte) => inside = false,
            _ => {}
        }
        out.push(*byte);
    }
    out
}

/// Opens a file with the host's flags; -1 if that fails.
pub(super) fn open(path: u64, flags: u64, mode: u64) -> u64 {
    let (flags, mode) = (flags as c_int, mode as libc::c_uint);
    // SAFETY: first invariant.
    let descriptor = unsafe { libc::open(path as *const c_char, flags | libc::O_CLOEXEC, mode) };
    u64::from(descriptor.cast_unsigned())
}

/// Facts of a file, by path or else by descriptor, as `host_stat` says.
pub(super) fn stat(path: u64, descriptor: u64, to: u64) -> u64 {
    let mut facts = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: first invariant; the structure is the host's own.
    let status = unsafe {
        if path == 0 {
            libc::fstat(descriptor as c_int, facts.as_mut_ptr())
        } else {
            libc::stat(path as *const c_char, facts.as_mut_ptr())
        }
    };
    if status != 0 {
        return u64::from(status.cast_unsigned());
    }
    // SAFETY: filled by the call.
    let facts = unsafe { facts.assume_init() };
    let words = [
        facts.st_size.cast_unsigned(),
        u64::from(facts.st_mode),
        facts.st_dev,
        facts.st_ino,
        facts.st_mtime.cast_unsigned(),
        facts.st_mtime_nsec.cast_unsigned(),
    ];
    write_words(to, &words);
    0
}

/// Maps bytes of a file, or none, privately; 0 if that fails.
pub(super) fn map(size: u64, protection: u64, descriptor: u64, offset: u64) -> u64 {
    let descriptor = descriptor as c_int;
    let flags = libc::MAP_PRIVATE
        | if descriptor < 0 {
            libc::MAP_ANONYMOUS
        } else {
            0
        };
    let protection = (protection & 3) as c_int;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let offset = offset.cast_signed();
    // SAFETY: a new mapping, at an address of the system's choice.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size,
            protection,
            flags,
            descriptor,
            offset,
        )
    };
    if at == libc::MAP_FAILED { 0 } else { at as u64 }
}

/// One of the standard streams of this process.
pub(super) fn stream(number: u64) -> u64 {
    let name = match number {
        0 => "stdin",
        1 => "stdout",
        _ => "stderr",
    };
    // SAFETY: a variable of the C library, which lives as long as the process.
    function(name).map_or(0, |place| unsafe { *(place as *const u64) })
}

/// Seconds and nanoseconds of a clock, as `host_clock` says.
pub(super) fn clock(which: u64, to: u64) -> u64 {
    let clock = match which {
        0 => libc::CLOCK_REALTIME,
        1 => libc::CLOCK_MONOTONIC,
        _ => libc::CLOCK_PROCESS_CPUTIME_ID,
    };
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a structure of our own.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    write_words(
        to,
        &[time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned()],
    );
    u64::from(status.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written by different functions comes out in their order.
    #[test]
    fn streams_are_the_hosts() {
        assert_ne!(stream(1), 0);
        assert_eq!(stream(1), stream(1));
    }

    /// Words and doubles mixed, more of each than any convention has registers.
    #[test]
    fn formats_arguments_in_memory() {
        let mut arguments = Vec::new();
        for i in 0..12u64 {
            arguments.push(i);
            arguments.push((i as f64 / 4.0).to_bits());
        }
        let format_text = CString::new("%d %.2Lf ".repeat(12)).expect("no zero byte");
        let mut out = [0u8; 200];
        let length = format(
            out.as_mut_ptr() as u64,
            out.len() as u64,
            format_text.as_ptr() as u64,
            arguments.as_ptr() as u64,
        );
        let want: String = (0..12)
            .map(|i| format!("{i} {:.2} ", f64::from(i) / 4.0))
            .collect();
        assert_eq!(length, want.len() as u64);
        assert_eq!(&out[..want.len()], want.as_bytes());
        assert_eq!(without_long_doubles(b"100%% L %Lg L"), b"100%% L %g L");
    }
}
