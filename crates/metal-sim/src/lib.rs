//! A simulated Metal device for the stock TVM runtime.
//!
//! A Metal model library carries its kernels as source text. This crate builds a
//! plug-in (C++, against the headers that come with the runtime) that registers
//! a `metal` device and module loader; the plug-in translates each kernel to C++,
//! compiles it with the host's compiler and runs it on the CPU. The virtual
//! machine, the KV cache and the host code are the real ones.
//!
//! This crate does not load anything itself: [`prepare`] gives the path of the
//! plug-in and the environment it reads, and whoever owns the process opens it
//! after libtvm_runtime. With the feature `macho-host`, [`macho`] also runs the
//! host code of arm64 macOS libraries.
//!
//! Whatever runs here is *simulated*; `docs/metal-sim.md` says what that leaves out.

mod compiler;
mod error;
mod options;
mod plugin;
mod report;
mod runtime;
mod sources;

#[cfg(feature = "macho-host")]
pub mod macho;

pub use error::{Error, Result};
pub use options::{Options, Order};
pub use plugin::{Plugin, REPORT_VARIABLE, prepare};
pub use report::{KernelReport, Report};
pub use runtime::RuntimeParts;
