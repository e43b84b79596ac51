//! arm64 macOS model libraries on a machine that is not a Mac.
//!
//! The library's bytes are mapped as they are: segments, fixups, initialisers.
//! Its host functions run in an emulator inside the process; the emulated code
//! sees the process's memory one to one, so that argument arrays and tensor
//! headers need no copying. Whatever it calls outside itself (the tvm-ffi C ABI
//! through context slots and imports, a few libm functions) is called natively.
//!
//! It is not an emulation of macOS: no Objective-C, no system library but the names
//! in [`callouts`]. `stack` goes further: there the runtime is the Mac's too.

mod callouts;
mod emulator;
mod error;
mod exports;
mod fixups;
mod gates;
mod image;
mod library;
mod machine;
mod mapped;
mod native;
mod runner;
mod segments;
#[cfg(target_os = "linux")]
pub mod stack;

pub use error::MachOError;
pub use image::{Image, ThreadLocals, Unwinding};
pub use library::{HostLibrary, RawLibrary};
pub use segments::{Binding, Fixups, Provider, Rebase, Segment, Segments};
