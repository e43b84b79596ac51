//! A macOS process that is not on a Mac: several arm64 dylibs, loaded as dyld loads
//! them, run in the emulator with the host's memory.
//!
//! What a Mac has in `/usr/lib` is not Apple's here. libc++ and the unwinder are
//! LLVM's, built with zig for arm64 macOS; libSystem is a stand-in (`darwin/*.c`,
//! compiled with Apple's headers) that asks the host for the rest
//! (`service`). A function that neither has stops the run with its name when it
//! is called.
//!
//! Emulated threads take turns (`turn`); starting one is not provided.

mod calls;
mod dyld;
mod entry;
mod host;
mod images;
mod local;
mod parts;
mod process;
mod service;
mod turn;

pub use entry::entry_points;
pub use parts::{Zig, prepare};
pub use process::Stack;
