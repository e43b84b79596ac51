//! Every test of this crate, one program: what it holds is linked once.
//!
//! Tests that need more than Rust and a C compiler run with the feature
//! `real-parts`; without it they are listed as ignored.

mod built;
mod common;
mod division;
#[cfg(feature = "macho-host")]
#[path = "../../../../tests/all/support/dylib.rs"]
mod dylib;
mod faults;
mod lanes;
#[cfg(feature = "macho-host")]
mod macho;
#[cfg(all(feature = "macho-host", target_os = "linux"))]
mod macos_stack;
mod matrices;
#[cfg(all(feature = "macho-host", target_os = "linux"))]
mod metal_stack;
mod models;
mod operators;
